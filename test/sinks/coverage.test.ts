import test from 'ava'
import fc from 'fast-check'
import type { MapBlock } from '../../src/formats/mapfile.js'
import { createCoverage, wholeMap, within } from '../../src/sinks/coverage.js'
import { data, fill } from './pipeline.js'

const runs = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 9 })), { maxLength: 8 })
  .map((pairs) => {
    let at = 0
    return pairs.map(([gap, length]) => {
      const start = at + gap
      at = start + length
      return { start: BigInt(start), length: BigInt(length) }
    })
  })
const addresses = (list: Iterable<{ start: bigint; length: bigint }>): number[] =>
  [...list].flatMap(({ start, length }) =>
    Array.from({ length: Number(length) }, (_, i) => Number(start) + i),
  )

test('neighbours of one kind are one block, and the rest was never tried', (t) => {
  const coverage = createCoverage()
  for (const frame of [
    data(0x10n, Buffer.alloc(0x10)),
    fill(0x20n, 0x10n, 'zero'),
    fill(0x30n, 0x10n, 'byte', 7),
    fill(0x40n, 0x10n, 'unreadable'),
    fill(0x50n, 0x10n, 'unreadable'),
    fill(0x60n, 0x10n, 'unknown'),
  ])
    coverage.add(frame)
  t.is(coverage.end, 0x70n)
  t.deepEqual(wholeMap(coverage.blocks(), 0x90n), [
    { start: 0n, length: 0x10n, status: '?' },
    { start: 0x10n, length: 0x30n, status: '+' },
    { start: 0x40n, length: 0x20n, status: '-' },
    { start: 0x60n, length: 0x30n, status: '?' },
  ])
})

test('frames in any order make an ascending map', (t) => {
  const coverage = createCoverage()
  for (const offset of [0x30n, 0x10n, 0x20n]) coverage.add(data(offset, Buffer.alloc(0x10)))
  t.deepEqual(wholeMap(coverage.blocks(), 0x40n), [
    { start: 0n, length: 0x10n, status: '?' },
    { start: 0x10n, length: 0x30n, status: '+' },
  ])
})

test('a whole map covers each address once, and within is the intersection', (t) => {
  fc.assert(
    fc.property(runs, runs, fc.nat(150), (a, b, size) => {
      const blocks = a.map((run): MapBlock => ({ ...run, status: '+' }))
      const both = addresses(within(blocks, b))
      const inB = new Set(addresses(b))
      t.deepEqual(
        both,
        addresses(a).filter((address) => inB.has(address)),
      )
      const whole = wholeMap(blocks, BigInt(size))
      const end = Math.max(size, ...addresses(a).map((address) => address + 1), 0)
      t.deepEqual(
        addresses(whole),
        Array.from({ length: end }, (_, i) => i),
      )
      t.deepEqual(addresses(whole.filter(({ status }) => status === '+')), addresses(a))
    }),
  )
})
