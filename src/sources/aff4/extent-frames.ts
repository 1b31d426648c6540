import { isZero } from '../../codecs/zero.js'
import type { ImageStream, StoredChunk } from '../../formats/aff4/image-stream-reader.js'
import type { Extent, OpenStream } from '../../formats/aff4/reader.js'
import type { Bytes } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'
import { isDamage } from '../../formats/format-error.js'
import { min } from '../../formats/min-max.js'
import type { Batch } from '../../frames/frame.js'
import { type Outbox, READ_SIZE } from '../outbox.js'
import { readRun } from '../read-run.js'
import type { Medium } from '../salvage.js'
import { createStreamFrames, now } from '../stream-frames.js'

/** What is lost where bytes that are in no compressed chunk can't be read. */
const UNIT = 32 << 10
/** Chunks that are asked for at once; the reader gives no more than a read of its own holds. */
const MOST_CHUNKS = 512
/** Less room than this is not worth a read. */
const LEAST_ROOM = READ_SIZE / 4

export interface ExtentsToFrames {
  /** Shared by all streams of a run: its memory would pile up, one file after another. */
  readonly outbox: Outbox
  /** Id of the open stream. */
  readonly stream: number
  readonly open: OpenStream
  readonly extents: Iterable<Extent>
  /** Named in notes. */
  readonly program: string
}

export interface Sent {
  /** Bytes of the stream, holes included. */
  readonly covered: bigint
  /** Why what was sent is not to be trusted as it is. */
  readonly damage: string | undefined
}

/**
 * The DATA, FILL and NOTE frames of a stream of a volume, between its STREAM and its CLOSE.
 *
 * Where the stream says a chunk size, whole chunks go as they are stored. What covers only a part of a chunk is
 * decoded. No chunk leaves before its bevy was compared with its CRC: of a bevy that does not match, every chunk is
 * decoded, what cannot be is unreadable, and the stream fails, since raw chunks and those of snappy show no damage.
 */
export async function* extentsToFrames({
  outbox,
  stream,
  open,
  extents,
  program,
}: ExtentsToFrames): AsyncGenerator<Batch, Sent> {
  const frames = createStreamFrames(outbox, stream, program)
  const inspector = createInspector()
  let passed = 0n

  /** Bytes that lie in no compressed chunk, or in a stream that is not sent in chunks. */
  const medium: Medium = {
    unit: UNIT,
    retries: 0,
    isDamage,
    async read(address, length, slab) {
      for (let at = address; at < address + BigInt(length); ) {
        const found = await open.locate(at)
        if (!found || found.length <= 0n) break
        await inspector.sound(found.stream, found.offset / BigInt(found.stream.chunkSize))
        const inBevy = found.stream.bevyBytes - (found.offset % found.stream.bevyBytes)
        at += min(inBevy, found.length)
      }
      return open.read(address, length, slab)
    },
  }

  async function* send({ start, length }: Extent, chunkSize: number | undefined): AsyncGenerator<Batch> {
    const end = start + length
    for (let at = start; at < end; ) {
      const found = chunkSize === undefined ? undefined : await open.locate(at)
      if (!found || found.stream.chunkSize !== chunkSize || found.length <= 0n) {
        const next = found && found.length > 0n && at + found.length < end ? at + found.length : end
        const reach = yield* readRun({ frames, medium }, { start: at, length: next - at })
        if (reach.failure !== undefined) throw reach.failure
        at = reach.end
        continue
      }
      if (outbox.rest().length < Math.min(READ_SIZE, Math.max(LEAST_ROOM, chunkSize))) yield outbox.take()
      const left = end - at < found.length ? end - at : found.length
      at += await sendChunks(found.stream, at, found.offset, left)
      yield* outbox.pause()
    }
  }

  /** Sends one chunk or several that lie together. @returns how many bytes of the stream they cover */
  async function sendChunks(source: ImageStream, at: bigint, offset: bigint, left: bigint): Promise<bigint> {
    const size = BigInt(source.chunkSize)
    const within = offset % size
    const first = offset / size
    const whole = within === 0n && left >= size
    const rest = size - within
    const part = min(left, rest)
    let chunks: StoredChunk[]
    let sound: boolean
    try {
      sound = await inspector.sound(source, first)
      const count = whole ? left / size : 1n
      chunks = await source.chunks(first, clipLength(MOST_CHUNKS, count), outbox.rest())
    } catch (error) {
      if (!isDamage(error)) throw error
      frames.failed(at, whole ? size : part, error)
      return whole ? size : part
    }
    if (!whole) {
      sendPart(source, chunks[0]!, at, Number(within), Number(part))
      return part
    }
    let covered = 0n
    for (const chunk of chunks) {
      if (sound && chunk.stored.length <= source.chunkSize) pass(chunk, at + covered, size, false)
      else sendPart(source, chunk, at + covered, 0, source.chunkSize)
      covered += size
    }
    return covered
  }

  function sendPart(
    source: ImageStream,
    chunk: StoredChunk,
    at: bigint,
    within: number,
    length: number,
  ): void {
    let content: Bytes
    try {
      content = source.decode(chunk)
    } catch (error) {
      if (!isDamage(error)) throw error
      frames.failed(at, BigInt(length), error)
      return
    }
    const padding = content.subarray(within + length)
    const padded = within === 0 && content.length === source.chunkSize && isZero(padding)
    const shorter = chunk.codec !== 'none' && chunk.stored.length < source.chunkSize
    if (padded && shorter) pass(chunk, at, BigInt(length), length < source.chunkSize)
    else frames.data(at, content.subarray(within, within + length))
  }

  function pass({ codec, stored }: StoredChunk, offset: bigint, length: bigint, padded: boolean): void {
    passed += length
    outbox.push({ type: 'data', stream, time: now(), offset, length, codec, padded, payload: stored })
  }

  const wrong = await open.check()
  for (const extent of extents) {
    const { start, length, content } = extent
    if (content === 'stored') yield* send(extent, open.chunkSize)
    else if (typeof content !== 'number') frames.fill(content, start, length)
    else {
      passed += length
      outbox.push({ type: 'fill', stream, time: 0n, offset: start, length, fill: 'byte', value: content })
    }
    yield* outbox.pause()
  }
  frames.finish()
  const damage = [...(wrong === undefined ? [] : [wrong]), ...inspector.damage]
  for (const message of damage) frames.note('error', message)
  yield outbox.take()
  const [first] = damage
  return {
    covered: passed + frames.tally.covered,
    damage: first === undefined || damage.length === 1 ? first : `${first}, nor do ${damage.length - 1} more`,
  }
}

/** Compares each bevy that is asked about with its CRC, once. */
function createInspector() {
  const verdicts = new Map<ImageStream, Map<bigint, boolean>>()
  const damage: string[] = []
  return {
    damage,
    async sound(stream: ImageStream, chunk: bigint): Promise<boolean> {
      const bevy = (chunk * BigInt(stream.chunkSize)) / stream.bevyBytes
      const known = verdicts.get(stream) ?? new Map<bigint, boolean>()
      verdicts.set(stream, known)
      const verdict = known.get(bevy)
      if (verdict !== undefined) return verdict
      const wrong = await stream.checkBevy(chunk)
      if (wrong !== undefined) damage.push(wrong)
      known.set(bevy, wrong === undefined)
      return wrong === undefined
    },
  }
}
