import type { Stretch } from './stretches.js'

/** Bytes of the file that stand in one stretch, and in no later one. */
export interface Piece {
  readonly start: number
  readonly end: number
  readonly stretch: Stretch
}

/**
 * Which stretch counts where.
 * @param stretches in the order in which they were written
 * @returns ascending, not overlapping
 */
export function overlay(stretches: readonly Stretch[]): Piece[] {
  if (stretches.length > 1) {
    const middle = stretches.length >> 1
    return lay(overlay(stretches.slice(0, middle)), overlay(stretches.slice(middle)))
  }
  return stretches.map((stretch) => ({ start: stretch.start, end: stretch.start + stretch.length, stretch }))
}

/** `newer` over `older`. */
function lay(older: readonly Piece[], newer: readonly Piece[]): Piece[] {
  const lastOlder = older.at(-1)
  const lastNewer = newer.at(-1)
  if (!lastOlder || !lastNewer) return [...older, ...newer]
  if (lastOlder.end <= newer[0]!.start) return older.concat(newer)
  if (lastNewer.end <= older[0]!.start) return newer.concat(older)
  const pieces: Piece[] = []
  let next = 0
  /** Takes the newer ones that begin before an offset. @returns where what is covered by them ends */
  function takeBefore(offset: number): number {
    while (next < newer.length && newer[next]!.start < offset) pieces.push(newer[next++]!)
    return next > 0 ? newer[next - 1]!.end : 0
  }
  for (const piece of older) {
    let start = Math.max(piece.start, takeBefore(piece.start))
    while (start < piece.end) {
      const end = Math.min(piece.end, newer[next]?.start ?? piece.end)
      if (end > start) pieces.push({ ...piece, start, end })
      if (end === piece.end) break
      pieces.push(newer[next]!)
      start = newer[next++]!.end
    }
  }
  return pieces.concat(newer.slice(next))
}
