import { execFileSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import type { Run } from '../../../src/formats/address-space.js'
import { drawPages } from '../../../src/sources/smear/draw.js'

const PAGE = 4096n

/** Ascending runs, some of them no whole pages, some above 4 GiB. */
const runs = fc
  .array(fc.record({ gap: fc.bigInt(1n, 1n << 34n), length: fc.bigInt(1n, 300n * PAGE) }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((steps) => {
    let at = 0n
    return steps.map(({ gap, length }): Run => {
      const start = at + gap
      at = start + length
      return { start, length }
    })
  })

/** Each whole page of the runs, counted one by one. */
function* pagesOf(runs: readonly Run[]): Generator<bigint> {
  for (const { start, length } of runs) {
    let page = start
    while (page % PAGE !== 0n) page++
    for (; page + PAGE <= start + length; page += PAGE) yield page
  }
}

test('a drawing is ascending, of whole pages of the runs, none twice, and as many as are wanted or there', async (t) => {
  await fc.assert(
    fc.asyncProperty(runs, fc.nat(2000), fc.nat(2 ** 32 - 1), async (runs, count, seed) => {
      const all = new Set(pagesOf(runs))
      const drawn = [...(await drawPages(() => runs, 4096, count, seed))]
      t.is(drawn.length, Math.min(count, all.size))
      for (const [index, page] of drawn.entries()) {
        if (index > 0 && page <= drawn[index - 1]!)
          t.fail(`0x${page.toString(16)} is not above the one before`)
        if (!all.has(page)) t.fail(`0x${page.toString(16)} is no page of the runs`)
      }
    }),
    { numRuns: 60 },
  )
})

test('each page is as likely as any other', async (t) => {
  const ranges: Run[] = [
    { start: 0x1000n, length: 7n * PAGE },
    { start: 1n << 40n, length: 13n * PAGE },
  ]
  const times = new Map([...pagesOf(ranges)].map((page) => [page, 0]))
  const drawings = 4000
  for (let seed = 0; seed < drawings; seed++)
    for (const page of await drawPages(() => ranges, 4096, 5, seed)) times.set(page, times.get(page)! + 1)
  const expected = (drawings * 5) / times.size
  const chi2 = [...times.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 19 degrees of freedom: above 43.8 in one of a thousand.
  t.true(chi2 < 43.8, `chi square is ${chi2}`)
})

/** The same by the description in the manual, in another language. */
const BY_THE_MANUAL = `
import hashlib, sys
seed, count, page = sys.argv[1], int(sys.argv[2]), 4096
runs = [tuple(int(n, 16) for n in run.split('+')) for run in sys.argv[3:]]
pages = [a for start, length in runs for a in range(-(-start // page) * page, start + length - page + 1, page)]
total, drawn = len(pages), set()
for i, last in enumerate(range(max(0, total - count), total)):
    head = int.from_bytes(hashlib.sha256(f'{seed}:{i}'.encode()).digest()[:8], 'big')
    number = head * (last + 1) >> 64
    drawn.add(last if number in drawn else number)
print(' '.join(hex(pages[n]) for n in sorted(drawn)))
`

test('anyone can repeat a drawing by what the manual says', async (t) => {
  const ranges: Run[] = [
    { start: 0x1000n, length: 0x9e000n },
    { start: 0x100000n, length: 0x2345678n },
    { start: 0x100000800n, length: 0x8000000n },
  ]
  const words = ranges.map(({ start, length }) => `${start.toString(16)}+${length.toString(16)}`)
  const theirs = execFileSync('python3', ['-c', BY_THE_MANUAL, '4242', '1024', ...words], {
    encoding: 'utf8',
  })
  const ours = [...(await drawPages(() => ranges, 4096, 1024, 4242))].map((page) => `0x${page.toString(16)}`)
  t.is(ours.join(' '), theirs.trim())
  t.notDeepEqual(
    await drawPages(() => ranges, 4096, 1024, 4243),
    await drawPages(() => ranges, 4096, 1024, 4242),
  )
})
