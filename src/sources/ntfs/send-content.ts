import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import type { Content } from '../../formats/ntfs/content.js'
import type { Batch } from '../../frames/frame.js'
import { displayPath } from '../files/name.js'
import type { StreamSession } from '../files/session.js'
import { SLAB } from '../outbox.js'
import type { StreamFrames } from '../stream-frames.js'

/** The outbox has to be made for one batch more than its reader keeps: one may wait here while the next is filled. */
export const BATCHES_WAITING = 1

/** The bytes of a stream that has just begun, and its holes. */
export async function* sendContent(
  session: StreamSession,
  frames: StreamFrames,
  path: Buffer,
  content: Content,
): AsyncGenerator<Batch> {
  const { outbox, interrupted } = session
  let waiting: Batch | undefined
  /** Where the pieces end that share the room given last: they have to leave in one batch. */
  let roomEnd = 0n

  function room(offset: bigint, length: number): Buffer {
    roomEnd = offset + BigInt(length)
    const free = outbox.room(length)
    if (free) return free
    waiting = outbox.take()
    return outbox.room(Math.min(length, SLAB))!
  }

  for await (const piece of content.pieces(0n, content.size, room)) {
    if (waiting) yield waiting
    waiting = undefined
    const { offset } = piece
    const length = piece.kind === 'bytes' ? BigInt(piece.bytes.length) : piece.length
    if (piece.kind === 'bytes') frames.data(offset, piece.bytes)
    else if (piece.kind === 'unreadable') frames.failed(offset, length, piece.reason)
    else {
      frames.fill('zero', offset, length)
      if (piece.why === 'uninitialised') {
        const message = `never written from byte ${offset} on, where it reads as zeros`
        frames.note('info', message, { start: offset, length })
        session.log.verbose(`${displayPath(path)}: ${message}`)
      }
    }
    if (offset + length >= roomEnd) yield* outbox.pause()
    if (interrupted.aborted) return
  }
  const { unreadable, failure } = frames.tally
  if (unreadable > 0n)
    session.log.error(`${displayPath(path)}: ${showSize(unreadable)} unreadable: ${reasonOf(failure)}`)
}
