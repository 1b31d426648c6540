/** What Math.min and Math.max are for numbers, for two bigints: offsets, lengths, addresses. */
export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
