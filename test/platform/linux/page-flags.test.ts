import test from 'ava'
import fc from 'fast-check'
import {
  type FaultyRun,
  faultyRuns,
  type ReadFlags,
  scanPageFlags,
} from '../../../src/platform/linux/page-flags.js'
import { listOf, run } from './fixture.js'

const HWPOISON = 1n << 19n
const NOPAGE = 1n << 20n
const OFFLINE = 1n << 23n

function flagsFile(pages: number, marks: Record<number, bigint>): Buffer {
  const file = Buffer.alloc(pages * 8)
  for (let page = 0; page < pages; page++) file.writeBigUInt64LE(marks[page] ?? 0x8000000000000868n, page * 8)
  return file
}

/** As the kernel serves it: only whole entries at whole entries. */
const readerOf =
  (file: Buffer, most = Number.POSITIVE_INFINITY): ReadFlags =>
  (position, into) => {
    if (position % 8n !== 0n || into.length % 8 !== 0) throw new Error('EINVAL')
    const from = Number(position)
    return from >= file.length
      ? 0
      : file.copy(into, 0, from, Math.min(file.length, from + into.length, from + most))
  }

test('poisoned, offline and absent pages are told apart and joined', async (t) => {
  const file = flagsFile(16, {
    2: HWPOISON | 0x868n,
    3: HWPOISON,
    5: OFFLINE,
    6: OFFLINE | HWPOISON,
    8: NOPAGE,
    9: NOPAGE,
  })
  t.deepEqual(await listOf(faultyRuns(readerOf(file), run(0x1000n, 0x9000n), 0x1000n)), [
    { fault: 'poisoned', start: 0x2000n, length: 0x2000n },
    { fault: 'offline', start: 0x5000n, length: 0x1000n },
    { fault: 'poisoned', start: 0x6000n, length: 0x1000n },
    { fault: 'absent', start: 0x8000n, length: 0x1000n },
  ])
})

test('a run over several reads is one run, and pages past the end of the file are good', async (t) => {
  const file = flagsFile(100, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i + 60, OFFLINE])))
  const expected: FaultyRun[] = [{ fault: 'offline', start: 60n * 0x10000n, length: 30n * 0x10000n }]
  t.deepEqual(await listOf(faultyRuns(readerOf(file, 64), run(0n, 0x10000n * 200n), 0x10000n)), expected)
  t.deepEqual(await listOf(faultyRuns(readerOf(Buffer.alloc(0)), run(0n, 1n << 40n), 0x1000n)), [])
})

test('what is found is what is marked', (t) => {
  const entry = fc.constantFrom(0n, 0x868n, HWPOISON, OFFLINE, NOPAGE, (1n << 63n) | 1n)
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
      const file = flagsFile(entries.length, Object.fromEntries(entries.entries()))
      const found = new Map<number, string>()
      for (const { fault, first, pages } of scanPageFlags(Uint8Array.from(file)))
        for (let page = first; page < first + pages; page++) found.set(page, fault)
      const expected = entries.flatMap((flags, page): [number, string][] =>
        flags & HWPOISON
          ? [[page, 'poisoned']]
          : flags & OFFLINE
            ? [[page, 'offline']]
            : flags & NOPAGE
              ? [[page, 'absent']]
              : [],
      )
      t.deepEqual([...found], expected)
    }),
  )
})
