/** What there is of `length` bytes, or other things, where `left` are left. */
export const clipLength = (length: number, left: bigint): number =>
  left < BigInt(length) ? Number(left) : length
