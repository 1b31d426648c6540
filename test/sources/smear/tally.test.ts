import { execFileSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import {
  interval,
  type PageFate,
  smearFacts,
  smearWords,
  tallySmear,
} from '../../../src/sources/smear/tally.js'

/** Of any share, how often the interval that a sample gives has it inside: by the binomial distribution itself. */
function coverage(share: number, compared: number): number {
  let sum = 0
  let log = compared * Math.log(1 - share)
  for (let changed = 0; changed <= compared; changed++) {
    const [from, to] = interval({ changed, compared })
    if (from <= share && share <= to) sum += Math.exp(log)
    log += Math.log(((compared - changed) / (changed + 1)) * (share / (1 - share)))
  }
  return sum
}

test('the interval has the true share inside as often as it says', (t) => {
  for (const compared of [100, 600]) {
    const shares = Array.from({ length: 49 }, (_, index) => 0.01 + index * 0.02)
    const covered = shares.map((share) => coverage(share, compared))
    const mean = covered.reduce((sum, share) => sum + share, 0) / covered.length
    t.true(Math.abs(mean - 0.95) < 0.01, `${mean} of ${compared}`)
    t.true(Math.min(...covered) > 0.91, `${Math.min(...covered)} of ${compared}`)
  }
})

test('the interval is the one that others compute', (t) => {
  const theirs = (changed: number, compared: number) =>
    JSON.parse(
      execFileSync(
        'python3',
        [
          '-c',
          `from statistics import NormalDist
from math import sqrt
x, n = ${changed}, ${compared}
# Where the distance of the share from p is z standard deviations of p: the roots of a quadratic equation.
z2 = NormalDist().inv_cdf(.975) ** 2
a, b, c = n + z2, -(2 * x + z2), x * x / n
d = sqrt(max(0, b * b - 4 * a * c))
print([(-b - d) / (2 * a), (-b + d) / (2 * a)])`,
        ],
        { encoding: 'utf8' },
      ),
    ) as [number, number]
  for (const [changed, compared] of [
    [0, 10],
    [10, 10],
    [3, 1024],
    [512, 1024],
    [16000, 16384],
  ] as const) {
    const ours = interval({ changed, compared })
    for (const [index, bound] of theirs(changed, compared).entries())
      t.true(Math.abs(ours[index]! - bound) < 1e-6, `${changed} of ${compared}: ${ours} and ${bound}`)
  }
})

const RANGES = [
  { start: 0x1000n, length: 0x9e000n },
  { start: 0x100000n, length: 0x100000n },
  { start: 0x1000000n, length: 0x100000n },
]

const PAGES = RANGES.flatMap(({ start, length }) =>
  Array.from({ length: Number(length >> 12n) }, (_, index) => start + (BigInt(index) << 12n)),
)

test('shares are told by range and by age, and add up to the whole', (t) => {
  const fate = fc.record({
    page: fc.nat(PAGES.length - 1),
    age: fc.double({ min: 0, max: 1e8, noNaN: true }),
    fate: fc.constantFrom('same' as const, 'changed' as const, 'unreadable' as const),
  })
  fc.assert(
    fc.property(fc.uniqueArray(fate, { selector: ({ page }) => page }), (drawn) => {
      const fates = drawn
        .sort((a, b) => a.page - b.page)
        .map(({ page, age, fate }): PageFate => {
          return { address: PAGES[page]!, age, fate }
        })
      const smear = tallySmear(fates, RANGES, 1)
      t.is(smear.compared + smear.unreadable, fates.length)
      for (const parts of [smear.byRange, smear.byAge]) {
        t.is(
          parts.reduce((sum, { changed }) => sum + changed, 0),
          smear.changed,
        )
        t.is(
          parts.reduce((sum, { compared }) => sum + compared, 0),
          smear.compared,
        )
      }
    }),
  )
})

test('what is recorded, and what is said', (t) => {
  const page = (address: bigint, age: number, fate: 'same' | 'changed'): PageFate => ({ address, age, fate })
  const smear = tallySmear(
    [
      page(0x1000n, 20_000, 'changed'),
      page(0x9e000n, 12_000, 'same'),
      page(0x100000n, 9_999, 'changed'),
      page(0x101000n, 1_000, 'same'),
      { address: 0x102000n, fate: 'unreadable' },
    ],
    RANGES,
    7,
  )
  t.deepEqual(smearFacts(smear), {
    smear: 'changed=2 compared=4 unreadable=1 share=50.00% from=15.00% to=85.00% confidence=95% seed=7',
    smearByAge: '1s-10s=1/2 10s-1min=1/2',
    smearByRange: '0x1000-0x9f000=1/2 0x100000-0x200000=1/2',
  })
  t.deepEqual(smearWords(smear), {
    summary: [
      'smear: 2 of 4 pages changed before they were read again, 1 could not be read both times: 50.00 % (95 % confidence: 15.00 % to 85.00 %; seed 7)',
      'smear by time between the reads: 1 s to 10 s 1 of 2, 10 s to 1 min 1 of 2',
    ],
    ranges: ['smear of 0x1000-0x9f000: 1 of 2', 'smear of 0x100000-0x200000: 1 of 2'],
  })
  const none = tallySmear([{ address: 0x1000n, fate: 'unreadable' }], RANGES, 7)
  t.deepEqual(smearFacts(none), {
    smear: 'changed=0 compared=0 unreadable=1 seed=7',
    smearByAge: undefined,
    smearByRange: undefined,
  })
  t.deepEqual(smearWords(none).summary, ['smear: no page could be read again (seed 7)'])
})
