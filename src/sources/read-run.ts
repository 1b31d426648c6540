import type { PiecesOf } from '../cli/sampling.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import type { Batch } from '../frames/frame.js'
import { READ_SIZE } from './outbox.js'
import { type Medium, salvage } from './salvage.js'
import type { StreamFrames } from './stream-frames.js'

export interface Reading {
  /** Of the stream that is open. */
  readonly frames: StreamFrames
  readonly medium: Medium
  /** Stops between two reads. */
  readonly interrupted?: AbortSignal
  /** What zeros mean: content, or that the medium could not read. */
  readonly zeros?: 'zero' | 'unreadable'
  /** What is read in place of all of it: nothing stands for the rest. */
  readonly pieces?: PiecesOf | undefined
}

/** How far a run was covered. */
export interface Reach {
  /** The first address without a frame: the run's end, or where the medium ended, failed or was interrupted. */
  readonly end: bigint
  /** The error that ended the reading. */
  readonly failure?: unknown
}

/**
 * Turns one run of a medium into DATA, FILL zero where all that one read gave is zeros, and FILL unreadable
 * with a NOTE where bytes cannot be read. Reads are of 1 MiB and end at multiples of it.
 */
export async function* readRun(reading: Reading, run: Run): AsyncGenerator<Batch, Reach> {
  const { frames, medium, interrupted, zeros, pieces } = reading
  const { outbox } = frames
  const runEnd = run.start + run.length
  if (pieces) {
    for (const piece of pieces(run)) yield* readRun({ ...reading, pieces: undefined }, piece)
    return { end: runEnd }
  }
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
      const { parts, reached, failure } = await salvage(medium, end, slab, interrupted)
      for (const { from, to, error } of parts)
        if (error === undefined) frames.data(end + BigInt(from), slab.subarray(from, to), zeros)
        else frames.failed(end + BigInt(from), BigInt(to - from), error)
      end += BigInt(reached)
      if (reached < length) return failure === undefined ? { end } : { end, failure }
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
  } catch {
    return undefined
  }
}
