import { copyBytes } from '../copy-bytes.js'

/** Fewer are copied one by one: a call costs more. */
const WORTH_A_CALL = 64

/** Copies bytes between buffers that do not overlap. */
export function copyLiterals(into: Buffer, to: number, from: Uint8Array, at: number, count: number): void {
  if (count >= WORTH_A_CALL) copyBytes(into, to, from.subarray(at, at + count))
  else for (let i = 0; i < count; i++) into[to + i] = from[at + i]!
}

/** Repeats bytes of a buffer behind them: where `distance` is the shorter one, those that it has just written, too. */
export function copyMatch(into: Buffer, to: number, distance: number, count: number): void {
  const from = to - distance
  if (count >= WORTH_A_CALL && distance >= count) into.copyWithin(to, from, from + count)
  else for (let i = 0; i < count; i++) into[to + i] = into[from + i]!
}
