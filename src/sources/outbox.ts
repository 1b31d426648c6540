import { setImmediate as nextTurn } from 'node:timers/promises'
import { BATCHES_ALIVE } from '../frames/decode.js'
import type { Batch, FillFrame, Frame } from '../frames/frame.js'

/** What one read asks for, and so the most that one DATA frame of a source carries. */
export const READ_SIZE = 1 << 20

/** Reads of one batch: to hand each of them to a writing thread would cost more than the thread does. */
const MOST_READS = 4
/** What the payloads of all batches take together, unless one read for each takes more. */
const MEMORY = 16 << 20
/** The system copies faster to where a cache line begins; before a large block, malloc has 16 bytes of its own. */
const TO_LINE = 48
const MOST_FRAMES = 512
/** Signals are seen only between turns of the event loop. */
const TURN_MS = 40

/** Collects the frames of a source into batches, and has the memory that evidence is read into. */
export interface Outbox {
  /** A payload in the room it gave takes that room; one elsewhere must stay as it is. */
  push(frame: Frame): void
  /** What a batch has room for: some times READ_SIZE. */
  readonly size: number
  /** `length` free bytes, at most `size`; undefined while the batch holds too many: take it first. */
  room(length: number): Buffer | undefined
  /** All free bytes of the batch. */
  rest(): Buffer
  /** Payloads lie in memory of others: `release` is called when the batch is no longer alive. */
  keep(release: () => void): void
  /** The batch so far, for the next yield. */
  take(): Batch
  /** Yields the batch when it is large or has waited, and gives signals their turn: to be called often. */
  pause(): AsyncGenerator<Batch, void>
}

/** @param batchesAlive how many further batches are taken while the payloads of one stay untouched */
export function createOutbox(batchesAlive = BATCHES_ALIVE): Outbox {
  const count = batchesAlive + 1
  const reads = Math.floor(MEMORY / READ_SIZE / count)
  const size = Math.max(1, Math.min(reads, MOST_READS)) * READ_SIZE
  const slabs = Array.from({ length: count }, () => allocateSlab(size))
  let current = 0
  let used = 0
  let batch: Batch = []
  let turnedAt = performance.now()
  /** For the batch that is made, and those that are alive. */
  const releases: (() => void)[][] = [[]]

  function take(): Batch {
    const taken = batch
    releases.unshift([])
    if (releases.length > batchesAlive + 2) for (const release of releases.pop()!) release()
    batch = []
    if (used > 0) current = (current + 1) % slabs.length
    used = 0
    return taken
  }

  return {
    size,
    keep: (release) => void releases[0]!.push(release),
    push(frame) {
      const last = batch.at(-1)
      if (frame.type === 'fill' && last?.type === 'fill' && continues(last, frame)) {
        last.length += frame.length
        return
      }
      if (frame.type === 'data' && frame.payload.buffer === slabs[current]!.buffer)
        used = Math.max(used, frame.payload.byteOffset - TO_LINE + frame.payload.length)
      batch.push(frame)
    },
    room: (length) => (used + length <= size ? slabs[current]!.subarray(used, used + length) : undefined),
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

/** Memory that bytes are read into over and over, and that threads may share. */
export function allocateSlab(size: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(TO_LINE + size), TO_LINE)
}

function continues(last: FillFrame, next: FillFrame): boolean {
  return (
    last.stream === next.stream &&
    last.fill === next.fill &&
    last.value === next.value &&
    last.offset + last.length === next.offset
  )
}
