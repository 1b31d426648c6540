import { asDataView } from '../views.js'

/** What a match has at least: so much is looked up at once. */
export const SHORTEST = 4
/** As two bytes say it. */
const FARTHEST = 0xffff
const HASH_BITS = 14
/** Every so many positions without a match one more is stepped over, so that noise costs little. */
const PATIENCE = 32
const MOST_POSITION = 0x7fff_ffff

/** Where words were last seen: `base` and their position; whatever is less lies in an earlier chunk. */
const seen = new Int32Array(1 << HASH_BITS)
let base = 1

/** Bytes from `literals` stand for themselves up to `at`, where `length` bytes repeat those `distance` before. */
export type TakeMatch = (literals: number, at: number, distance: number, length: number) => void

export interface MatchBounds {
  /** No match begins here or behind. */
  readonly start: number
  /** No match goes further. */
  readonly end: number
}

/**
 * Finds what repeats within 64 KiB, each time the first that a table of hashes knows. The same bytes always give
 * the same matches.
 * @returns from where bytes stand for themselves to the end
 */
export function findMatches(bytes: Uint8Array, { start, end }: MatchBounds, take: TakeMatch): number {
  if (base + bytes.length > MOST_POSITION) {
    seen.fill(0)
    base = 1
  }
  const view = asDataView(bytes)
  let literals = 0
  let at = 0
  let misses = PATIENCE
  while (at < start) {
    const word = view.getInt32(at, true)
    const slot = Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS)
    const earlier = seen[slot]! - base
    seen[slot] = base + at
    const distance = at - earlier
    if (earlier < 0 || distance > FARTHEST || view.getInt32(earlier, true) !== word) {
      at += Math.trunc(misses++ / PATIENCE)
      continue
    }
    let behind = at + SHORTEST
    while (behind + 4 <= end && view.getInt32(behind, true) === view.getInt32(behind - distance, true))
      behind += 4
    while (behind < end && bytes[behind] === bytes[behind - distance]) behind++
    take(literals, at, distance, behind - at)
    at = literals = behind
    misses = PATIENCE
  }
  base += bytes.length
  return literals
}
