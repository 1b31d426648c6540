import test from 'ava'
import fc from 'fast-check'
import type { Run } from '../../../src/formats/address-space.js'
import { encodeBitmap, readBitmap } from '../../../src/formats/crash-dump/bitmap.js'
import {
  dumpShape,
  encodeDumpStart,
  templateOf,
  UNTOLD_END,
  wholePages,
} from '../../../src/formats/crash-dump/dump-layout.js'
import { DUMP_TYPE } from '../../../src/formats/crash-dump/header.js'
import { bufferSource } from '../buffer-source.js'

const PAGE = 0x1000n

/** Runs of whole pages with gaps between them: pairs of gap and length. */
const runsOf = (pairs: readonly (readonly [gap: number, length: number])[]): Run[] => {
  let at = 0n
  return pairs.map(([gap, length]) => {
    const start = at + BigInt(gap) * PAGE
    at = start + BigInt(length) * PAGE
    return { start, length: BigInt(length) * PAGE }
  })
}

const anyRuns = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 })), {
    minLength: 1,
    maxLength: 60,
  })
  .map(runsOf)

test('a bitmap made in steps of any size reads back', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyRuns, fc.integer({ min: 1, max: 40 }), async (runs, step) => {
      const end = runs.at(-1)!.start + runs.at(-1)!.length
      const bits = end / PAGE
      const bytes = Buffer.alloc(Math.ceil(Number(bits) / 8), 0xee)
      let from = 0
      for (let at = 0; at < bytes.length; at += step)
        from = encodeBitmap(runs, bytes.subarray(at, at + step), at, from)
      const found = await readBitmap(bufferSource(bytes), 0n, { bits, firstPage: 0n, pages: 0n })
      t.deepEqual(
        found.map(({ start, length }) => ({ start, length })),
        runs,
      )
      let offset = 0n
      for (const run of found) {
        t.is(run.offset, offset)
        offset += run.length
      }
    }),
    { numRuns: 200 },
  )
})

test('runs are rounded outwards, and joined where they share a page', (t) => {
  t.deepEqual(
    wholePages([
      { start: 0x10n, length: 0x10n },
      { start: 0x800n, length: 0x801n },
      { start: 0x4fffn, length: 1n },
      { start: 0x5000n, length: 0x1000n },
      { start: 0x8001n, length: 0xffen },
    ]),
    [
      { start: 0n, length: 0x2000n },
      { start: 0x4000n, length: 0x2000n },
      { start: 0x8000n, length: 0x1000n },
    ],
  )
})

/** A header as a fact, of a dump of these runs. */
function headerOf(runs: readonly Run[], type?: bigint) {
  const last = runs.at(-1)!
  const shape = dumpShape({}, undefined, type === undefined ? runs : undefined, last.start + last.length)
  const bytes = encodeDumpStart({
    shape: type === undefined ? shape : { ...shape, type },
    facts: { ntBuild: 19041n },
    template: undefined,
    runs,
    size: 0x10_0000n,
    label: undefined,
  })
  return { crashDumpHeader: bytes }
}

test('memory that came from a dump of active memory goes back into one', (t) => {
  const runs = runsOf([[1, 2]])
  const facts = headerOf(runs, DUMP_TYPE.ACTIVE)
  const shape = dumpShape(facts, templateOf(facts), runs, 0x3000n)
  t.like(shape, { bits: 64, type: DUMP_TYPE.ACTIVE })
})

test('a header that its dump could not have is no template', (t) => {
  const facts = headerOf(runsOf([[1, 2]]))
  t.truthy(templateOf(facts))
  t.is(templateOf({}), undefined)
  t.is(templateOf({ crashDumpHeader: facts.crashDumpHeader.subarray(0, 0x1fff) }), undefined)
  t.is(templateOf({ crashDumpHeader: Buffer.alloc(0x2000) }), undefined)
  const bitmap = headerOf(runsOf([[1, 2]]), DUMP_TYPE.BITMAP)
  t.truthy(templateOf(bitmap))
  t.is(templateOf({ crashDumpHeader: bitmap.crashDumpHeader.subarray(0, 0x2000) }), undefined)
})

test('the first page of a former bitmap dump keeps its place only where that is near', (t) => {
  const runs = runsOf([[1, 2]])
  for (const [firstPage, kept] of [
    [0x5000n, true],
    [1n << 40n, false],
  ] as const) {
    const facts = headerOf(runs, DUMP_TYPE.BITMAP)
    Buffer.from(facts.crashDumpHeader.buffer).writeBigUInt64LE(firstPage, 0x2020)
    t.is(dumpShape(facts, templateOf(facts), runs, 0x3000n).firstPage === firstPage, kept)
  }
})

test('where nobody says how far memory reaches, pages begin at 16 MiB', (t) => {
  t.like(dumpShape({}, undefined, undefined, UNTOLD_END), { type: DUMP_TYPE.BITMAP, firstPage: 16n << 20n })
})
