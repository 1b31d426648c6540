import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import { isDamage } from '../../formats/format-error.js'
import type { Batch } from '../../frames/frame.js'
import { READ_SIZE } from '../outbox.js'
import type { StreamFrames } from '../stream-frames.js'
import { endStream, noteStream, type Session } from './session.js'

/** Read before the stream is announced, so that what is short is announced with its size. */
const FIRST_READ = 64 << 10

/** Something whose size only its end tells. */
export interface Sequence {
  readonly path: Buffer
  /** Begins the stream. */
  announce(size: bigint | undefined): StreamFrames
  /** The next bytes; 0 at the end. */
  read(into: Buffer): number | Promise<number>
  /** Where to stop though there is more. */
  readonly most?: bigint | undefined
}

/** Reads to the end as one stream, in DATA of up to 1 MiB. An error of the system closes it as failed. */
export async function* readToEnd(session: Session, sequence: Sequence): AsyncGenerator<Batch> {
  const { outbox, interrupted } = session
  let frames: StreamFrames | undefined
  let failure: unknown
  let ended = false
  let at = 0n

  /** Fills the room as far as bytes come before the end, the first error or the interruption. */
  async function fill(room: Buffer): Promise<number> {
    let filled = 0
    while (filled < room.length && !ended && failure === undefined && !interrupted.aborted)
      try {
        const reading = sequence.read(room.subarray(filled))
        const count = typeof reading === 'number' ? reading : await Promise.race([reading, session.stopped])
        if (count === 0) ended = true
        filled += count ?? 0
      } catch (error) {
        if (!isDamage(error)) throw error
        failure = error
      }
    return filled
  }

  while (!ended && failure === undefined && !interrupted.aborted) {
    const length = frames ? READ_SIZE : FIRST_READ
    if (!outbox.room(length)) yield outbox.take()
    const room = outbox.room(length)!
    const count = await fill(room)
    frames ??= sequence.announce(ended ? BigInt(count) : undefined)
    if (count > 0) frames.data(at, room.subarray(0, count))
    at += BigInt(count)
    if (sequence.most !== undefined && at >= sequence.most && !ended)
      failure = new Error(`left after ${showSize(at)}: it may have no end`)
    yield* outbox.pause()
  }
  if (!frames || interrupted.aborted) return
  if (failure !== undefined) noteStream(session, frames, 'error', sequence.path, reasonOf(failure))
  endStream(session, frames, failure)
}
