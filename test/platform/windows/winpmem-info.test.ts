import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { decodeWinpmemInfo } from '../../../src/platform/windows/winpmem-info.js'
import { GENERATIONS, type Generation, infoAnswer, KPCR_ADDRESSES } from './scripted-win32.js'

const RAM = [
  { start: 0x1000n, length: 0x9e000n },
  { start: 0x100000n, length: 0x700000n },
  { start: 0x100000000n, length: 0x10000000n },
]

/** Ascending ranges of whole pages below 2^63, touching ones among them. */
const ranges = fc
  .array(fc.tuple(fc.bigInt(0n, 1n << 20n), fc.bigInt(1n, 1n << 20n)), { minLength: 1, maxLength: 20 })
  .map((steps) => {
    let at = 0n
    return steps.map(([gap, pages]) => {
      const start = at + gap * 4096n
      at = start + pages * 4096n
      return { start, length: pages * 4096n }
    })
  })

for (const generation of GENERATIONS) {
  test(`the layout of ${generation} is told by its ranges`, (t) => {
    t.deepEqual(decodeWinpmemInfo(infoAnswer(generation, RAM)), {
      cr3: 0x1ad002n,
      ntBuildNumber: 0xf0004a61n,
      kernBase: 0xfffff80312c00000n,
      kdbg: 0n,
      kernel: {
        kpcr: KPCR_ADDRESSES,
        pfnDataBase: 0xffffde0000000000n,
        psLoadedModuleList: 0n,
        psActiveProcessHead: 0n,
        ntBuildNumberAddr: 0xfffff803138f8a10n,
      },
      runs: RAM,
    })
  })

  test(`an answer of ${generation} in a larger buffer of zeros reads the same`, (t) => {
    fc.assert(
      fc.property(ranges, (runs) => {
        const answer = infoAnswer(generation, runs)
        const buffer = Buffer.alloc(1 << 16)
        answer.copy(buffer)
        t.deepEqual(decodeWinpmemInfo(buffer), decodeWinpmemInfo(answer))
        t.deepEqual(decodeWinpmemInfo(buffer).runs, runs)
      }),
      { numRuns: 100 },
    )
  })

  test(`more ranges than ${generation} has room for, or none: they are not known, the rest is`, (t) => {
    const cut = decodeWinpmemInfo(infoAnswer(generation, RAM, 3, 2))
    t.is(cut.runs, undefined)
    t.deepEqual(cut.kernel?.kpcr, KPCR_ADDRESSES)
    t.is(decodeWinpmemInfo(infoAnswer(generation, RAM, 4, 20)).runs, undefined)
    const empty = decodeWinpmemInfo(infoAnswer(generation, [], 0, 20))
    t.is(empty.runs, undefined)
    t.is(empty.cr3, 0x1ad002n)
  })
}

const WRONG: Record<string, (typeof RAM)[number][]> = {
  'not of whole pages': [{ start: 0x1000n, length: 0x123n }],
  'at no page': [{ start: 0x1001n, length: 0x1000n }],
  overlapping: [
    { start: 0x1000n, length: 0x3000n },
    { start: 0x2000n, length: 0x3000n },
  ],
  descending: [
    { start: 0x8000n, length: 0x1000n },
    { start: 0x1000n, length: 0x1000n },
  ],
  'above 2^63': [{ start: 0x7ffffffffffff000n, length: 0x2000n }],
  'beyond 2^64': [{ start: 0xfffffffffffff000n, length: 0x2000n }],
}
for (const [what, runs] of Object.entries(WRONG))
  test(`ranges ${what} are no ranges of memory`, (t) => {
    for (const generation of ['2.0.1', '4.1'] as const) {
      const answer = infoAnswer(generation, runs)
      // Nor can the other layout be meant, whose count stands elsewhere.
      answer.writeBigUInt64LE(2n ** 60n, 0x930)
      t.throws(() => decodeWinpmemInfo(answer), { instanceOf: FormatError })
    }
  })

test('any bytes are refused or give ranges that memory can have', (t) => {
  const generation = fc.constantFrom<Generation>(...GENERATIONS)
  const damage = fc.array(fc.tuple(fc.nat(0xb00), fc.bigInt(0n, (1n << 64n) - 1n)), { maxLength: 4 })
  fc.assert(
    fc.property(generation, ranges, damage, fc.nat(0xc00), (kind, runs, damages, length) => {
      const answer = infoAnswer(kind, runs)
      for (const [at, word] of damages) answer.writeBigUInt64LE(word, Math.min(at, answer.length - 8))
      try {
        let end = 0n
        for (const run of decodeWinpmemInfo(answer.subarray(0, length)).runs ?? []) {
          t.true(run.start >= end && run.length > 0n && (run.start | run.length) % 4096n === 0n)
          end = run.start + run.length
        }
        t.true(end <= 1n << 63n)
      } catch (error) {
        t.true(error instanceof FormatError, String(error))
      }
    }),
    { numRuns: 300 },
  )
})
