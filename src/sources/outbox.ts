import { setImmediate as nextTurn } from 'node:timers/promises'
import { BATCHES_ALIVE } from '../frames/decode.js'
import type { Batch, FillFrame, Frame } from '../frames/frame.js'

/** What one read asks for, and so the most that one DATA frame of a source carries. */
export const SLAB = 1 << 20

const MOST_FRAMES = 512
/** Signals are seen only between turns of the event loop. */
const TURN_MS = 40

/** Collects the frames of a source into batches, and has the memory that evidence is read into. */
export interface Outbox {
  /** A payload in the room it gave takes that room; one elsewhere must stay as it is. */
  push(frame: Frame): void
  /** `length` free bytes, at most SLAB; undefined while the batch holds too many: take it first. */
  room(length: number): Buffer | undefined
  /** All free bytes of the batch. */
  rest(): Buffer
  /** The batch so far, for the next yield. */
  take(): Batch
  /** Yields the batch when it is large or has waited, and gives signals their turn: to be called often. */
  pause(): AsyncGenerator<Batch, void>
}

/** @param batchesAlive how many further batches are taken while the payloads of one stay untouched */
export function createOutbox(batchesAlive = BATCHES_ALIVE): Outbox {
  const slabs = Array.from({ length: batchesAlive + 1 }, () => Buffer.from(new SharedArrayBuffer(SLAB)))
  let current = 0
  let used = 0
  let batch: Batch = []
  let turnedAt = performance.now()

  function take(): Batch {
    const taken = batch
    batch = []
    if (used > 0) current = (current + 1) % slabs.length
    used = 0
    return taken
  }

  return {
    push(frame) {
      const last = batch.at(-1)
      if (frame.type === 'fill' && last?.type === 'fill' && continues(last, frame)) {
        last.length += frame.length
        return
      }
      if (frame.type === 'data' && frame.payload.buffer === slabs[current]!.buffer)
        used = Math.max(used, frame.payload.byteOffset + frame.payload.length)
      batch.push(frame)
    },
    room: (length) => (used + length <= SLAB ? slabs[current]!.subarray(used, used + length) : undefined),
    rest: () => slabs[current]!.subarray(used),
    take,
    async *pause() {
      const late = performance.now() - turnedAt >= TURN_MS
      if (batch.length >= (late ? 1 : MOST_FRAMES)) yield take()
      if (!late) return
      await nextTurn()
      turnedAt = performance.now()
    },
  }
}

function continues(last: FillFrame, next: FillFrame): boolean {
  return (
    last.stream === next.stream &&
    last.fill === next.fill &&
    last.value === next.value &&
    last.offset + last.length === next.offset
  )
}
