import { type Digests, isDigestName, openDigests } from '../../codecs/digest.js'
import type { Bytes } from '../../formats/byte-source.js'
import type { Image } from '../../formats/image/image.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch, CloseBody, Frame, NoteBody, StreamBody } from '../../frames/frame.js'
import { type ReadBytes, type Span, spansToFrames } from '../address-space-frames.js'
import { describeImage } from './image-facts.js'

export interface ImageFrames {
  readonly image: Image
  /** Id of the stream. */
  readonly stream: number
  readonly name: string
  /** Named in notes. */
  readonly program: string
  readonly batchesAlive: number
  /** Told what an examiner must know, once the stream is over. */
  warn(message: string): void
}

/**
 * An image as frames, from STREAM to CLOSE. The digests that it carries are compared on the way, and stand in the
 * stream where they hold; a stump, and one whose digests do not hold, is closed as failed.
 */
export async function* imageToFrames(job: ImageFrames): AsyncGenerator<Batch> {
  const { image, stream, name, program, batchesAlive, warn } = job
  const note = (level: NoteBody['level'], message: string): Frame => ({
    type: 'note',
    stream,
    time: 0n,
    body: { level, program, message },
  })
  yield [
    { type: 'stream', stream, time: 0n, body: streamBody(image, name) },
    { type: 'meta', stream, time: 0n, turtle: describeImage(image) },
    ...image.remarks.map((remark) => note('warning', remark)),
  ]
  for (const remark of image.remarks) warn(remark)

  const content = digestsOfContent(image)
  const spans = spansOf(image)
  const { covered } = yield* spansToFrames({
    stream,
    spans,
    read: content.read,
    pageSize: image.unit,
    program,
    batchesAlive,
  })

  const failures = [...content.mismatches(), ...((await image.verify?.()) ?? [])]
  for (const failure of failures) warn(failure)
  if (image.incomplete !== undefined) failures.unshift(image.incomplete)
  const digests = content.verified().map(
    ({ algorithm, value }): Frame => ({
      type: 'digest',
      stream,
      time: 0n,
      body: { algorithm, value, covers: 'linear' },
    }),
  )
  const bytes = Number(covered)
  const body: CloseBody =
    failures.length === 0
      ? { status: 'complete', bytes }
      : { status: 'failed', error: failures.join('; '), bytes }
  yield [
    ...failures.map((failure) => note('error', failure)),
    ...digests,
    { type: 'close', stream, time: 0n, body },
  ]
}

function streamBody(image: Image, name: string): StreamBody {
  const { category, size } = image
  const sparse = category?.startsWith('memory:') || !isLinear(image)
  const named = category === undefined ? { name } : { name, category }
  if (!sparse) return { ...named, kind: 'image', size: formatAddress(size) }
  const ranges = spansOf(image).map(({ start, length }): [string, string] => [
    formatAddress(start),
    formatAddress(length),
  ])
  return { ...named, kind: 'map', size: formatAddress(size), ranges }
}

/** Runs and holes in their order. */
function spansOf({ runs, holes }: Image): Span[] {
  const spans: Span[] = [...runs, ...holes.map(({ content, ...run }) => ({ ...run, fill: content }))]
  return spans.sort((a, b) => (a.start < b.start ? -1 : 1))
}

/** Whether it tells about each address from 0 to its size. */
function isLinear(image: Image): boolean {
  let end = 0n
  for (const { start, length } of spansOf(image)) {
    if (start !== end) return false
    end = start + length
  }
  return end === image.size
}

/** Reads an image and takes the digests of what comes. */
function digestsOfContent(image: Image) {
  const known = image.digests.filter(({ algorithm }) => isDigestName(algorithm))
  const wanted = known.map(({ algorithm }) => algorithm).filter(isDigestName)
  // Over a single run only: nobody else tells what stands in gaps.
  const [run] = image.runs
  const whole = image.runs.length === 1 && run?.start === 0n && run.length === image.size
  const digests: Digests | undefined = whole && wanted.length > 0 ? openDigests(wanted) : undefined
  let next = 0n
  let values: ReadonlyMap<string, string> | undefined

  function taken(): ReadonlyMap<string, string> | undefined {
    if (next === image.size) values ??= digests?.values()
    return values
  }
  const read: ReadBytes = async (address, length, slab): Promise<Bytes> => {
    const bytes = await image.read(address, length, slab)
    if (digests && address === next) {
      digests.update(bytes)
      next += BigInt(bytes.length)
    }
    return bytes
  }
  return {
    read: digests ? read : image.read,
    /** Those of the image that hold. */
    verified: () => known.filter(({ algorithm, value }) => taken()?.get(algorithm) === value),
    mismatches(): string[] {
      if (known.length > 0 && !taken())
        return ['the digests of the image cannot be compared: not all of it could be read']
      return known.flatMap(({ algorithm, value }) => {
        const found = taken()?.get(algorithm)
        return found === undefined || found === value
          ? []
          : [`${algorithm} of what was read is ${found}, the image says ${value}`]
      })
    },
  }
}
