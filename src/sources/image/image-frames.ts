import { isDigestName } from '../../codecs/digest.js'
import { byStart } from '../../formats/address-space.js'
import { type ComparedDigest, digestContent } from '../../formats/image/content-digests.js'
import type { Image } from '../../formats/image/image.js'
import { formatAddress } from '../../frames/address.js'
import type { Batch, CloseBody, Frame, NoteBody, StreamBody } from '../../frames/frame.js'
import { type Span, spansToFrames } from '../address-space-frames.js'
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

  const content = digestContent(image)
  const spans = spansOf(image)
  const { covered } = yield* spansToFrames({
    stream,
    spans,
    read: content.read,
    pageSize: image.unit,
    program,
    batchesAlive,
  })

  const compared = await content.compare()
  const failures = [...contradictions(image, compared), ...((await image.verify?.()) ?? [])]
  if (image.incomplete !== undefined) failures.unshift(image.incomplete)
  for (const failure of failures) warn(failure)
  const digests = compared
    .filter(({ found, value }) => found === value.toLowerCase())
    .map(
      ({ algorithm, value, covers }): Frame => ({
        type: 'digest',
        stream,
        time: 0n,
        body: { algorithm, value, covers },
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
  return spans.sort(byStart)
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

/** What speaks against the digests of an image; those of unknown algorithms say nothing. */
function contradictions({ incomplete }: Image, compared: readonly ComparedDigest[]): string[] {
  // Of a stump they are not, which is told anyway.
  if (incomplete !== undefined) return []
  const known = compared.filter(({ algorithm }) => isDigestName(algorithm))
  if (known.some(({ found }) => found === undefined))
    return ['the digests of the image cannot be compared: not all of it could be read']
  return known
    .filter(({ found, value }) => found !== value.toLowerCase())
    .map(
      ({ algorithm, found, value }) => `${algorithm} of what was read is ${found}, the image says ${value}`,
    )
}
