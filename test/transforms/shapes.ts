import fc from 'fast-check'
import type { Frame } from '../../src/frames/frame.js'
import { SAMPLE_KINDS, sample } from '../codecs/samples.js'
import { data, fill } from './support.js'

const TERA = 1n << 40n

/** Where streams begin: low, unaligned, beyond what a double holds, near the end of the address space. */
const bases = fc.constantFrom(0n, 1n, 0x1000n, 0x9fc03n, (1n << 52n) + 1n, (1n << 63n) - 5n)
const gaps = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0n) },
  { weight: 3, arbitrary: fc.bigInt(1n, 70_000n) },
  { weight: 1, arbitrary: fc.constant(TERA) },
)
const hole = fc.record({
  fill: fc.constantFrom('zero' as const, 'unreadable' as const, 'unknown' as const),
  length: fc.oneof(fc.bigInt(1n, 100_000n), fc.constant(TERA)),
})
/** A run of bytes, in frames cut anywhere. */
const run = fc.record({
  contents: fc.array(
    fc.record({
      kind: fc.constantFrom(...SAMPLE_KINDS),
      size: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 90_000 })),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  cuts: fc.array(fc.nat(200_000), { maxLength: 4 }),
})

/** DATA and FILL of one stream, ascending: ranges of every shape. */
export const shapes: fc.Arbitrary<Frame[]> = fc
  .record({
    base: bases,
    pieces: fc.array(fc.record({ gap: gaps, piece: fc.oneof({ weight: 3, arbitrary: run }, hole) }), {
      maxLength: 8,
    }),
  })
  .map(({ base, pieces }) => {
    const frames: Frame[] = []
    let at = base
    for (const { gap, piece } of pieces) {
      at += gap
      if ('fill' in piece) {
        frames.push(fill(at, piece.length, { fill: piece.fill }))
        at += piece.length
        continue
      }
      const bytes = Buffer.concat(piece.contents.map(({ kind, size }) => sample(kind, size)))
      const cuts = [...new Set([0, ...piece.cuts.map((cut) => cut % bytes.length), bytes.length])].sort(
        (a, b) => a - b,
      )
      for (let i = 1; i < cuts.length; i++)
        frames.push(data(at + BigInt(cuts[i - 1]!), bytes.subarray(cuts[i - 1], cuts[i])))
      at += BigInt(bytes.length)
    }
    return frames
  })

export const batchSizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 })
