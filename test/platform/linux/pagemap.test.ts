import test from 'ava'
import fc from 'fast-check'
import { populatedParts, type ReadPagemap } from '../../../src/platform/linux/pagemap.js'
import { listOf } from './fixture.js'

const PRESENT = 1n << 63n
const SWAPPED = 1n << 62n
const GUARD = 1n << 58n
const SOFT_DIRTY = 1n << 55n

function readerOf(entries: readonly bigint[], first = 0n): ReadPagemap {
  const file = Buffer.alloc(entries.length * 8)
  for (const [i, entry] of entries.entries()) file.writeBigUInt64LE(entry, i * 8)
  return (position, into) => {
    const from = Number(position - first * 8n)
    return from >= file.length ? 0 : file.copy(into, 0, from)
  }
}

test('present and swapped pages are populated; soft-dirty holes and guard pages are not', async (t) => {
  const read = readerOf([0n, SOFT_DIRTY, PRESENT | 0x1234n, SWAPPED, GUARD | SWAPPED, 0n], 0x10n)
  t.deepEqual(await listOf(populatedParts(read, { start: 0x10000n, length: 0x6000n }, 0x1000n)), [
    { start: 0x10000n, length: 0x2000n, populated: false },
    { start: 0x12000n, length: 0x2000n, populated: true },
    { start: 0x14000n, length: 0x2000n, populated: false },
  ])
})

test('a reservation near the end of the address space comes in parts', async (t) => {
  const parts = await listOf(
    populatedParts((_, into) => into.fill(0).length, { start: 0x7fff00000000n, length: 1n << 30n }, 0x1000n),
  )
  t.is(parts.length, 8)
  t.true(parts.every(({ populated, length }) => !populated && length === 128n << 20n))
})

test('what pagemap does not tell counts as populated', async (t) => {
  t.deepEqual(await listOf(populatedParts(readerOf([0n]), { start: 0n, length: 0x3000n }, 0x1000n)), [
    { start: 0n, length: 0x1000n, populated: false },
    { start: 0x1000n, length: 0x2000n, populated: true },
  ])
})

test('parts make up the mapping, and each page is what its entry says', async (t) => {
  const entry = fc.constantFrom(0n, SOFT_DIRTY, PRESENT, SWAPPED | SOFT_DIRTY, GUARD, GUARD | SWAPPED)
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 50 }), async (entries) => {
      const told: boolean[] = []
      let at = 0n
      for await (const part of populatedParts(
        readerOf(entries),
        { start: 0n, length: BigInt(entries.length) * 0x1000n },
        0x1000n,
      )) {
        t.is(part.start, at)
        at += part.length
        for (let page = 0n; page < part.length / 0x1000n; page++) told.push(part.populated)
      }
      t.deepEqual(
        told,
        entries.map((bits) => (bits & (PRESENT | SWAPPED)) !== 0n && (bits & GUARD) === 0n),
      )
    }),
  )
})
