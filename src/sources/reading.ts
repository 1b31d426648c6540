import type { PiecesOf } from '../cli/sampling.js'
import type { ChunkReader } from '../codecs/chunk-reader.js'
import type { Bytes } from '../formats/byte-source.js'
import { type Medium, salvage } from './salvage.js'
import type { StreamFrames } from './stream-frames.js'

export interface Reading {
  /** Of the stream that is open. */
  readonly frames: StreamFrames
  readonly medium: Medium
  /** Stops between two reads. */
  readonly interrupted?: AbortSignal
  /** Reads and compresses what is large, where `medium` allows it. */
  readonly reader?: ChunkReader | undefined
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
 * Turns a stretch that could not be read in one piece into frames: what can be read of it, and FILL unreadable with a
 * NOTE.
 * @param room of as many bytes, in the outbox
 * @returns its end, unless the medium ends or fails before that, or is interrupted
 */
export async function readDamaged(reading: Reading, at: bigint, room: Bytes): Promise<Reach> {
  const { frames, medium, interrupted, zeros } = reading
  const { parts, reached, failure } = await salvage(medium, at, room, interrupted)
  for (const { from, to, error } of parts)
    if (error === undefined) frames.data(at + BigInt(from), room.subarray(from, to), zeros)
    else frames.failed(at + BigInt(from), BigInt(to - from), error)
  const end = at + BigInt(reached)
  return failure === undefined ? { end } : { end, failure }
}
