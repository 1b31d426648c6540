import fc from 'fast-check'
import type { Frame } from '../../src/frames/frame.js'
import { data, fill } from './pipeline.js'

interface Part {
  /** Addresses in front of it that nobody sends. */
  readonly gap: number
  readonly size: number
  readonly zeros: boolean
}

export interface LaidParts {
  readonly frames: Frame[]
  readonly runs: [bigint, bigint][]
  /** Of each run. */
  readonly contents: Buffer[]
}

const PART = fc.record({
  gap: fc.constantFrom(0, 0, 0x345, 0x1000, 0x12000),
  size: fc.oneof(fc.integer({ min: 1, max: 0x3000 }), fc.constantFrom(0x1000, 0x40000, 0x120000)),
  zeros: fc.boolean(),
})

/**
 * Any memory in a few pieces, as a stream sends it.
 * @param addressBits it begins below this power of two
 * @param contentOf of the piece with this number
 */
export const anyMemory = (
  addressBits: number,
  contentOf: (size: number, index: number) => Buffer = (size, index) => Buffer.alloc(size, index + 1),
): fc.Arbitrary<LaidParts> =>
  fc
    .tuple(
      fc.array(PART, { minLength: 1, maxLength: 6 }),
      fc.bigInt({ min: 0n, max: (1n << BigInt(addressBits)) - 1n }),
    )
    .map(([parts, base]) => layOut(parts, base, contentOf))

function layOut(
  parts: readonly Part[],
  base: bigint,
  contentOf: (size: number, index: number) => Buffer,
): LaidParts {
  const laid: LaidParts = { frames: [], runs: [], contents: [] }
  let at = base
  for (const [index, { gap, size, zeros }] of parts.entries()) {
    at += BigInt(gap)
    const content = zeros ? Buffer.alloc(size) : contentOf(size, index)
    laid.frames.push(zeros ? fill(at, BigInt(size), 'zero') : data(at, content))
    laid.runs.push([at, BigInt(size)])
    laid.contents.push(content)
    at += BigInt(size)
  }
  return laid
}
