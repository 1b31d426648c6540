import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { createPageTable, type Page } from '../../../src/formats/qemu-savevm/page-table.js'

const GIB = 2 ** 30

const page: fc.Arbitrary<Page> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('whole' as const, 'deflated' as const),
    offset: fc.integer({ min: 8, max: 2 ** 48 }),
  }),
  fc.record({ kind: fc.constant('fill' as const), byte: fc.nat(255) }),
  fc.constant({ kind: 'lost' as const }),
)

test('of each page the last place counts, in whatever order they come', (t) => {
  const numbers = fc.oneof(fc.nat(50), fc.nat(100_000))
  fc.assert(
    fc.property(fc.array(fc.tuple(numbers, page), { maxLength: 60 }), (added) => {
      const table = createPageTable(0)
      for (const [number, value] of added) table.set(number, value)
      const expected = new Map(added)
      for (const [number, value] of expected) t.deepEqual(table.get(number), value)
      for (let number = 0; number < 60; number++) t.is(table.get(number) === undefined, !expected.has(number))
      for (const kind of ['known', 'lost'] as const) {
        const within = new Set<number>()
        for (const { start, length } of table.ranges(kind))
          for (let i = 0n; i < length; i++) within.add(Number(start + i))
        const wanted = [...expected].filter(([, value]) => (value.kind === 'lost') === (kind === 'lost'))
        t.deepEqual(
          [...within],
          wanted.map(([number]) => number).sort((a, b) => a - b),
        )
      }
    }),
  )
})

test('whole pages that follow one another in the file are read together', (t) => {
  const table = createPageTable(0)
  for (let number = 0; number < 10; number++)
    table.set(number, { kind: 'whole', offset: 100 + number * 0x1008 })
  table.set(10, { kind: 'whole', offset: 100 + 10 * 0x1008 + 7 })
  t.is(table.inARow(0, 0x1008, 5), 5)
  t.is(table.inARow(2, 0x1008, 100), 8)
  t.is(table.inARow(10, 0x1008, 100), 1)
})

test('a small stream cannot make a large table', (t) => {
  const table = createPageTable(1000)
  const strew = () => {
    for (let number = 0; number < 4 * GIB; number += 1 << 14) table.set(number, { kind: 'lost' })
  }
  t.throws(strew, { instanceOf: FormatError, message: /strewn too widely/ })
})
