import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { isDamage } from '../formats/format-error.js'
import type { Batch } from '../frames/frame.js'
import { READ_SIZE } from './outbox.js'
import { readAhead } from './read-ahead.js'
import { type Reach, type Reading, readDamaged } from './reading.js'
import type { Medium } from './salvage.js'

/** Less is read before threads have begun. */
const WORTH_READING_AHEAD = 4n << 20n

/**
 * Turns one run of a medium into DATA, FILL zero where all that one read gave is zeros, and FILL unreadable
 * with a NOTE where bytes cannot be read. Reads are of 1 MiB and end at multiples of it.
 */
export async function* readRun(reading: Reading, run: Run): AsyncGenerator<Batch, Reach> {
  const { frames, medium, interrupted, reader, zeros, pieces } = reading
  const { outbox } = frames
  const runEnd = run.start + run.length
  if (pieces) {
    for (const piece of pieces(run)) yield* readRun({ ...reading, pieces: undefined }, piece)
    return { end: runEnd }
  }
  if (reader && medium.place && zeros !== 'unreadable' && run.length >= WORTH_READING_AHEAD)
    return yield* readAhead(reading, { reader, place: medium.place, run })
  let end = run.start
  while (end < runEnd && !interrupted?.aborted) {
    const length = lengthOfRead(end, runEnd)
    let slab = outbox.room(length)
    if (!slab) {
      yield outbox.take()
      slab = outbox.room(length)!
    }
    const whole = await readWhole(medium, end, slab)
    if (whole) {
      frames.data(end, whole, zeros)
      end += BigInt(length)
    } else {
      const reach = await readDamaged(reading, end, slab)
      if (reach.end < end + BigInt(length)) return reach
      ;({ end } = reach)
    }
    yield* outbox.pause()
  }
  return { end }
}

/** Up to the next multiple of READ_SIZE, or to the end of the run. */
function lengthOfRead(at: bigint, end: bigint): number {
  const toBoundary = BigInt(READ_SIZE) - (at % BigInt(READ_SIZE))
  return Number(end - at < toBoundary ? end - at : toBoundary)
}

/** The common case; undefined when there is more to it than one read. */
async function readWhole(medium: Medium, address: bigint, slab: Bytes): Promise<Bytes | undefined> {
  try {
    const bytes = await medium.read(address, slab.length, slab)
    return bytes.length === slab.length ? bytes : undefined
  } catch (error) {
    if (!isDamage(error)) throw error
    return undefined
  }
}
