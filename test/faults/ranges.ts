import type { Span } from './contents.js'

/** Of the memory that the sources read. */
export const RUNS: readonly Span[] = [
  [0x1000, 0x9f000],
  [0x100000, 0x500000],
  [0x800000, 0xb80000],
]
