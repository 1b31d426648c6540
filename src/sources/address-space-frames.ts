import type { PiecesOf } from '../cli/sampling.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { isDamage } from '../formats/format-error.js'
import { min } from '../formats/min-max.js'
import type { Batch, NoteBody } from '../frames/frame.js'
import { createOutbox } from './outbox.js'
import { readRun } from './read-run.js'
import type { Medium, ReadBytes } from './salvage.js'
import { createStreamFrames, type HoleKind, type Tally } from './stream-frames.js'

export type { ReadBytes, Tally }

const NO_BYTES = new Error('no bytes there')
/** So much without bytes makes it worth asking whether there are any more. */
const BLOCK = 1n << 20n

/** A range of the stream: to be read, or known beforehand to hold nothing that can be. */
export interface Span extends Run {
  /** Emitted as it is, without an attempt to read. */
  readonly fill?: HoleKind
  /** What is to be known about it, as a NOTE. */
  readonly note?: Pick<NoteBody, 'level' | 'message'>
  /** The source gives zeros where it can't read: zeros of this span are then no content. */
  readonly zerosAreUnreadable?: boolean
}

export interface SpansToFrames {
  /** Id of the open stream. */
  readonly stream: number
  /** Ascending, not overlapping. May be made as they are asked for. */
  readonly spans: Iterable<Span> | AsyncIterable<Span>
  /** An error of the operating system or of a format, or no bytes, mean that the page there can't be read. */
  readonly read: ReadBytes
  /** Least unit that can fail alone, a power of two of at most 1 MiB. */
  readonly pageSize: number
  /** Named in notes. */
  readonly program: string
  /** For how many further batches the payloads stay as they are. */
  readonly batchesAlive?: number | undefined
  /** Told of all bytes as they are read. */
  readonly seen?: ((address: bigint, bytes: Bytes) => void) | undefined
  /** What is read of each span in place of all of it. */
  readonly pieces?: PiecesOf | undefined
}

/**
 * The DATA and FILL frames of a memory, between its STREAM and its CLOSE.
 *
 * Reads are of 1 MiB and end at multiples of it. One that fails is halved down to pages, so that a bad page
 * costs only itself. Blocks of zeros become FILL zero.
 * @throws what `read` throws, unless it tells that bytes can't be read
 */
export async function* spansToFrames(job: SpansToFrames): AsyncGenerator<Batch, Tally> {
  const outbox = createOutbox(job.batchesAlive)
  const frames = createStreamFrames(outbox, job.stream, job.program, job.seen)
  const medium: Medium = { read: job.read, unit: job.pageSize, retries: 0, isDamage }
  for await (const span of job.spans) {
    const end = span.start + span.length
    const zeros = span.zerosAreUnreadable ? 'unreadable' : 'zero'
    if (span.fill) frames.fill(span.fill, span.start, span.length)
    if (span.note) frames.note(span.note.level, span.note.message, span)
    let missing = 0n
    for (let at = span.fill ? end : span.start; at < end; ) {
      const reach = yield* readRun(
        { frames, medium, zeros, pieces: job.pieces },
        { start: at, length: end - at },
      )
      if (reach.failure !== undefined) throw reach.failure
      if (reach.end > at) missing = 0n
      at = reach.end
      if (at === end) break
      const page = BigInt(job.pageSize)
      // One page without bytes is a bad page; a whole block of them, and none at the end, is the end.
      const over = missing >= BLOCK && (await endsBefore(job, end))
      const next = over ? end : at - (at % page) + page
      const length = min(next, end) - at
      frames.failed(at, length, NO_BYTES)
      missing += length
      at += length
      yield* outbox.pause()
    }
    yield* outbox.pause()
  }
  frames.finish()
  yield outbox.take()
  return frames.tally
}

/** Whether the source is over at the last page, too: else each missing page would cost a read of its own. */
async function endsBefore({ read, pageSize }: SpansToFrames, end: bigint): Promise<boolean> {
  try {
    return (await read(end - BigInt(pageSize), pageSize, Buffer.alloc(pageSize))).length === 0
  } catch (error) {
    if (isDamage(error)) return false
    throw error
  }
}
