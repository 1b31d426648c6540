import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import type { Content } from '../../formats/ntfs/content.js'
import type { Batch } from '../../frames/frame.js'
import { displayPath } from '../files/name.js'
import type { StreamSession } from '../files/session.js'
import { allocateSlab } from '../outbox.js'
import type { StreamFrames } from '../stream-frames.js'

/** Memory for what is larger than a batch of the outbox: one room is read into while another one's bytes are sent. */
export type Rooms = (length: number) => Buffer

/** @param batchesAlive for how many further batches the bytes of a room stay untouched, if each room leaves in its own */
export function createRooms(size: number, batchesAlive: number): Rooms {
  const slabs: Buffer[] = []
  let turn = 0
  return (length) => {
    const index = turn++ % (batchesAlive + 2)
    slabs[index] ??= allocateSlab(size)
    return slabs[index].subarray(0, length)
  }
}

/**
 * The bytes of a stream that has just begun, and its holes.
 * @param rooms of the size of the outbox
 */
export async function* sendContent(
  session: StreamSession,
  frames: StreamFrames,
  path: Buffer,
  content: Content,
  rooms: Rooms,
): AsyncGenerator<Batch> {
  const { outbox, interrupted } = session
  const large = content.size > BigInt(outbox.size)
  /** Where the rooms end whose pieces are still to come: those of one leave in one batch. */
  const ends: bigint[] = []

  function room(offset: bigint, length: number): Buffer {
    ends.push(offset + BigInt(length))
    return large ? rooms(length) : outbox.room(length)!
  }

  if (!large && BigInt(outbox.rest().length) < content.size) yield outbox.take()
  for await (const piece of content.pieces(0n, content.size, room, large ? outbox.size : undefined)) {
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
    if (ends[0] !== undefined && ends[0] <= offset + length) {
      ends.shift()
      if (large) yield outbox.take()
    }
    if (large || ends.length === 0) yield* outbox.pause()
    if (interrupted.aborted) return
  }
  const { unreadable, failure } = frames.tally
  if (unreadable > 0n)
    session.log.error(`${displayPath(path)}: ${showSize(unreadable)} unreadable: ${reasonOf(failure)}`)
}
