import type { Run } from '../formats/address-space.js'
import { min } from '../formats/min-max.js'

/** Chooses what is read of streams whose size and kind are wanted, not their bytes. */
export interface Sampling {
  /**
   * The pieces to read of a stream of that many bytes: asked for each run in turn, ascending, they lie at equal
   * distances, the first one at its start.
   */
  piecesOf(size: bigint): PiecesOf
}
export type PiecesOf = (run: Run) => Iterable<Run>

const PIECE = 256n << 10n
/** Of one stream, and of all. */
export const MOST_OF_STREAM = 64n << 20n
const MOST_OF_ALL = 128n << 20n

export function createSampling(): Sampling {
  let left = MOST_OF_ALL
  return {
    piecesOf(size) {
      const quota = min(min(MOST_OF_STREAM, left), size)
      left -= quota
      const pieces = (quota + PIECE - 1n) / PIECE
      const distance = pieces === 0n ? undefined : (size + pieces - 1n) / pieces
      return spread(distance)
    },
  }
}

/** @param distance between the starts of two pieces; undefined for none */
function spread(distance: bigint | undefined): PiecesOf {
  let passed = 0n
  let next = 0n
  return function* ({ start, length }) {
    const before = passed
    passed += length
    if (distance === undefined) return
    for (; next < passed; next += distance) {
      const at = next - before
      yield { start: start + at, length: min(min(PIECE, distance), length - at) }
    }
  }
}
