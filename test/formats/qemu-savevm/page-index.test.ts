import test from 'ava'
import fc from 'fast-check'
import { createPageLog, PAGE_KIND, type PageKind } from '../../../src/formats/qemu-savevm/page-index.js'

const STRIDE = 0x1008
const KINDS = Object.values(PAGE_KIND)

interface Added {
  readonly page: number
  readonly kind: PageKind
  readonly value: number
}

/** Pages as a stream has them: rounds of runs. */
const rounds = fc.array(
  fc.record({
    page: fc.nat(40),
    count: fc.integer({ min: 1, max: 12 }),
    kind: fc.constantFrom(...KINDS),
    apart: fc.boolean(),
  }),
  { maxLength: 30 },
)

function* items(
  runs: readonly { page: number; count: number; kind: PageKind; apart: boolean }[],
): Generator<Added> {
  let at = 1000
  for (const { page, count, kind, apart } of runs)
    for (let i = 0; i < count; i++) {
      at += apart ? STRIDE + 7 : STRIDE
      yield {
        page: page + i,
        kind,
        value: kind === PAGE_KIND.fill ? page % 2 : kind === PAGE_KIND.lost ? 0 : at,
      }
    }
}

test('of each page the last place counts, in whatever order they come', (t) => {
  fc.assert(
    fc.property(rounds, (runs) => {
      const log = createPageLog(STRIDE)
      const expected = new Map<number, Added>()
      for (const added of items(runs)) {
        log.add(added.page, added.kind, added.value)
        expected.set(added.page, added)
      }
      const index = log.index()
      let next = 0
      const found = new Map<number, Added>()
      for (let i = 0; i < index.count; i++) {
        const { page, count, kind, value } = index.at(i)
        if (page < next) throw new Error(`run ${i} begins before the end of the one before`)
        next = page + count
        for (let n = 0; n < count; n++)
          found.set(page + n, {
            page: page + n,
            kind,
            value: kind === PAGE_KIND.whole ? value + n * STRIDE : value,
          })
      }
      t.deepEqual(
        [...found.values()],
        [...expected.values()].sort((a, b) => a.page - b.page),
      )
      for (let page = 0; page < 60; page++) {
        const run = index.find(page)
        t.is(run !== undefined && page < run.page + run.count, expected.has(page))
      }
      const known = index.ranges('known').reduce((sum, { length }) => sum + length, 0n)
      const lost = index.ranges('lost').reduce((sum, { length }) => sum + length, 0n)
      t.is(Number(known + lost), expected.size)
    }),
    { numRuns: 300 },
  )
})

test('a memory in order is one run, however large', (t) => {
  const log = createPageLog(STRIDE)
  for (let page = 0; page < 100_000; page++) log.add(page, PAGE_KIND.whole, 500 + page * STRIDE)
  const index = log.index()
  t.is(index.count, 1)
  t.deepEqual(index.at(0), { page: 0, count: 100_000, kind: PAGE_KIND.whole, value: 500 })
})
