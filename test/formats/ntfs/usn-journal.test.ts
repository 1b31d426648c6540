import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import type { FileReference } from '../../../src/formats/ntfs/file-reference.js'
import { type Finding, NtfsError } from '../../../src/formats/ntfs/finding.js'
import { decodeJournalFacts } from '../../../src/formats/ntfs/usn-journal/maximum.js'
import { type DirectoryName, usnPaths } from '../../../src/formats/ntfs/usn-journal/paths.js'
import { readUsnJournal } from '../../../src/formats/ntfs/usn-journal/read.js'
import type { UsnRecord } from '../../../src/formats/ntfs/usn-journal/record.js'
import { reasonNames, sourceNames } from '../../../src/formats/ntfs/usn-journal/words.js'
import { bufferSource } from '../buffer-source.js'
import { type Content, content, encodeJournal, PAGE, TIME } from './encode-usn.js'

const reference = fc.record({ record: fc.nat(2 ** 31), sequence: fc.nat(0xffff) })
const word = fc.nat(0xffff_ffff)
const units = fc
  .array(fc.integer({ min: 1, max: 0xffff }), { minLength: 1, maxLength: 255 })
  .map((codes) => String.fromCharCode(...codes))
const named = fc.record({
  major: fc.constantFrom(2, 3),
  file: reference,
  parent: reference,
  reasons: word.map((bits) => bits || 1),
  sources: word,
  time: fc.bigInt(TIME, TIME + 10n ** 12n),
  securityId: word,
  flags: word,
  name: units,
})
const ranged = fc.record({
  major: fc.constant(4),
  file: reference,
  parent: reference,
  reasons: word,
  sources: word,
  extentsLeft: word,
  extents: fc.array(fc.record({ offset: fc.bigInt(0n, 2n ** 60n), length: fc.bigInt(0n, 2n ** 60n) }), {
    maxLength: 5,
  }),
})

async function read(bytes: Buffer, newestFirst = false, first = 0n) {
  const findings: Finding[] = []
  const records: UsnRecord[] = []
  const report = (finding: Finding) => void findings.push(finding)
  for await (const batch of readUsnJournal(bufferSource(bytes), { first, report, newestFirst }))
    records.push(...batch)
  return { records, findings }
}

const contentOf = ({ offset, length, usn, minor, ...content }: UsnRecord): Content => content

test('any journal of versions 2, 3 and 4 reads back as it was written, in both directions', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(named, ranged), { maxLength: 40 }), async (contents) => {
      const { bytes, offsets } = encodeJournal(contents)
      const { records, findings } = await read(bytes)
      t.deepEqual(records.map(contentOf), contents)
      t.deepEqual(
        records.map(({ usn }) => usn),
        offsets,
      )
      t.deepEqual(findings, [])
      t.deepEqual((await read(bytes, true)).records, records.reverse())
    }),
    { numRuns: 100 },
  )
})

test('a journal of terabytes is read from the byte that it is told', async (t) => {
  const first = 1n << 42n
  const { bytes } = encodeJournal([content('a.txt')], first)
  const reads: bigint[] = []
  const journal = {
    name: '$J',
    size: first + BigInt(bytes.length),
    async read(offset: bigint, length: number) {
      reads.push(offset)
      return bytes.subarray(Number(offset - first), Number(offset - first) + length)
    },
    async close() {},
  }
  const batches: UsnRecord[][] = []
  for await (const batch of readUsnJournal(journal, { first, report: () => t.fail() })) batches.push(batch)
  t.deepEqual(reads, [first])
  t.is(batches[0]![0]!.usn, first)
})

test('case 29: damage costs its record; reading goes on behind it, and says where', async (t) => {
  const names = Array.from({ length: 100 }, (_, index) => content(`file-${index}.txt`))
  const { bytes, offsets } = encodeJournal(names)
  const at = Number(offsets[10])
  for (const [damage, why] of [
    [(b: Buffer) => b.writeUInt32LE(4, at), /a length of 4/],
    [(b: Buffer) => b.writeUInt32LE(0xffff_fff8, at), /a length of/],
    [(b: Buffer) => b.writeUInt16LE(5, at + 4), /version 5/],
    [(b: Buffer) => b.writeUInt16LE(0xfffe, at + 56), /a name past its end/],
    [(b: Buffer) => b.writeBigInt64LE(8n, at + 24), /USN 8/],
    [(b: Buffer) => b.writeBigInt64LE(-1n, at + 32), /calendar/],
  ] as const) {
    const damaged = Buffer.from(bytes)
    damage(damaged)
    const { records, findings } = await read(damaged)
    t.is(records.length, 99, String(why))
    t.is(records[10]!.name, 'file-11.txt')
    t.is(findings.length, 1)
    t.is(findings[0]!.offset, BigInt(at))
    t.regex(findings[0]!.message, why)
  }
})

test('case 29: lengths of zero forever, and junk, end', async (t) => {
  t.deepEqual(await read(Buffer.alloc(3 * PAGE)), { records: [], findings: [] })
  const junk = await read(Buffer.alloc(3 << 20, 0xa5))
  t.deepEqual(junk.records, [])
  t.is(junk.findings.length, 3)
  t.deepEqual((await read(Buffer.alloc(PAGE), false, 1n << 60n)).records, [])
})

test('pages that cannot be read cost themselves alone', async (t) => {
  const names = Array.from({ length: 200 }, (_, index) => content(`file-${index}.txt`))
  const { bytes } = encodeJournal(names)
  const source = bufferSource(bytes)
  const journal = {
    ...source,
    async read(offset: bigint, length: number) {
      if (offset < 8192n && offset + BigInt(length) > 4096n)
        throw new FormatError('clusters are missing', 4096n)
      return bytes.subarray(Number(offset), Number(offset) + length)
    },
  }
  const findings: Finding[] = []
  const records: UsnRecord[] = []
  for await (const batch of readUsnJournal(journal, { first: 0n, report: (f) => findings.push(f) }))
    records.push(...batch)
  const whole = (await read(bytes)).records
  t.deepEqual(
    records,
    whole.filter(({ offset }) => offset < 4096n || offset >= 8192n),
  )
  t.is(findings.length, 1)
})

test('mutated journals and random bytes are read to their end', async (t) => {
  const { bytes } = encodeJournal(
    Array.from({ length: 60 }, (_, index) => content(`name-${index}`, { major: 2 + (index % 2) })),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 30 }),
      async (changes) => {
        const mutated = Buffer.from(bytes)
        for (const [at, byte] of changes) mutated[at] = byte
        const { records } = await read(mutated)
        t.true(records.length <= 60)
      },
    ),
    { numRuns: 300 },
  )
})

test('reasons and sources are words', (t) => {
  t.deepEqual(reasonNames(0x8000_0102), ['data-extend', 'file-create', 'close'])
  t.deepEqual(sourceNames(0x12), ['auxiliary-data', '0x10'])
})

test('$Max tells the id and the lowest valid USN', (t) => {
  const value = Buffer.alloc(32)
  value.writeBigUInt64LE(32n << 20n, 0)
  value.writeBigInt64LE(TIME, 16)
  value.writeBigInt64LE(4096n, 24)
  t.deepEqual(decodeJournalFacts(value), {
    maximumSize: 32n << 20n,
    allocationDelta: 0n,
    id: TIME,
    lowestValidUsn: 4096n,
  })
  t.throws(() => decodeJournalFacts(value.subarray(1)), { instanceOf: NtfsError })
})

const directory = { flags: 0x10, file: { record: 100, sequence: 3 } }
/** d was created as /old, got f.txt, became /new, got g.txt. */
const STORY = [
  content('old', { ...directory, reasons: 0x100 }),
  content('f.txt', { parent: directory.file }),
  content('old', { ...directory, reasons: 0x1000 }),
  content('new', { ...directory, reasons: 0x2000 }),
  content('g.txt', { parent: directory.file }),
]
const text = ({ names, reachesRoot }: { names: readonly string[]; reachesRoot: boolean }) =>
  `${reachesRoot ? '/' : '?/'}${names.join('/')}`

test('paths as they are now, and as they were when read from newest to oldest', async (t) => {
  const { bytes } = encodeJournal(STORY)
  const now = async ({ record, sequence }: FileReference): Promise<DirectoryName | undefined> =>
    record === 100 && sequence === 3 ? { name: 'new', parent: { record: 5, sequence: 5 } } : undefined
  const today = await usnPaths(now).pathsOf((await read(bytes)).records)
  t.deepEqual(today.map(text), ['/old', '/new/f.txt', '/old', '/new', '/new/g.txt'])
  const rewind = usnPaths(async () => undefined, { rewind: true })
  const past = await rewind.pathsOf((await read(bytes, true)).records)
  t.deepEqual(past.map(text), ['?/g.txt', '/new', '/old', '/old/f.txt', '/old'])
})

test('directories that are their own ancestors end, and unknown ones are said to be so', async (t) => {
  const loop = { record: 7, sequence: 1 }
  const { bytes } = encodeJournal([content('x', { parent: loop })])
  const { records } = await read(bytes)
  const [path] = await usnPaths(async () => ({ name: 'd', parent: loop })).pathsOf(records)
  t.is(text(path!), '?/d/x')
})
