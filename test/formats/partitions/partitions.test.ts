import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openFileSource } from '../../../src/formats/file-source.js'
import { findPartitions } from '../../../src/formats/partitions/find-partitions.js'
import type { PartitionTable } from '../../../src/formats/partitions/partition.js'
import { bufferSource } from '../buffer-source.js'

const MIB = 1 << 20

/** A disk as sfdisk makes it from a script. */
function makeDisk(t: ExecutionContext, script: string, size = 64 * MIB): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-disk-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const disk = path.join(folder, 'disk.raw')
  fs.closeSync(fs.openSync(disk, 'w'))
  fs.truncateSync(disk, size)
  execFileSync('sfdisk', ['-q', '--no-reread', disk], { input: script })
  return disk
}

interface Listed {
  readonly start: number
  readonly size: number
  readonly type: string
  readonly name?: string
  readonly node: string
}

/** The partitions as sfdisk lists them. */
const listed = (disk: string) =>
  (
    JSON.parse(execFileSync('sfdisk', ['--json', disk], { encoding: 'utf8' })) as {
      partitiontable: { partitions: Listed[] }
    }
  ).partitiontable.partitions.map(({ node, start, size, name }) => ({
    index: Number(/\d+$/.exec(node)![0]),
    start: BigInt(start) * 512n,
    length: BigInt(size) * 512n,
    name: name ?? '',
  }))

async function found(disk: string): Promise<PartitionTable> {
  const source = openFileSource(disk)
  try {
    return (await findPartitions(source))!
  } finally {
    await source.close()
  }
}

const withoutType = ({ partitions }: PartitionTable) =>
  partitions.map(({ index, start, length, name }) => ({ index, start, length, name }))

const SCRIPT_MBR = `label: dos
start=2048, size=8192, type=7
start=10240, size=90000, type=5
start=100352, size=4096, type=83
start=12288, size=4096, type=7
start=20480, size=4096, type=83
start=30720, size=2048, type=c
`
const SCRIPT_GPT = `label: gpt
start=2048, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI"
start=10240, size=32768, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Basic data \u00e4\u20ac"
start=43008, size=4096, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
`

test('primary and logical partitions are those that sfdisk made', async (t) => {
  const disk = makeDisk(t, SCRIPT_MBR)
  const table = await found(disk)
  t.like(table, { scheme: 'MBR', sectorSize: 512, complaints: [] })
  t.deepEqual(
    withoutType(table),
    listed(disk).filter(({ index }) => index !== 2),
  )
  t.deepEqual(
    table.partitions.map(({ type }) => type),
    ['0x07', '0x83', '0x07', '0x83', '0x0c'],
  )
})

test('the partitions of a GPT are those that sfdisk made', async (t) => {
  const disk = makeDisk(t, SCRIPT_GPT)
  const table = await found(disk)
  t.like(table, { scheme: 'GPT', sectorSize: 512, complaints: [] })
  t.deepEqual(withoutType(table), listed(disk))
  t.is(table.partitions[1]!.type, 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7')
})

test('a damaged GPT gives way to its backup', async (t) => {
  const disk = makeDisk(t, SCRIPT_GPT)
  const sound = await found(disk)
  const bytes = fs.readFileSync(disk)
  for (const [what, at, why] of [
    ['header', 512 + 50, /header that is damaged/],
    ['signature', 512, /no header/],
    ['entries', 1024 + 40, /entries that are damaged/],
    ['count', 512 + 83, /header that is damaged/],
  ] as const) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 0xff
    const table = await findPartitions(bufferSource(damaged))
    t.deepEqual(table?.partitions, sound.partitions, what)
    t.regex(table!.complaints.join('\n'), why, what)
    t.regex(table!.complaints.join('\n'), /its backup at 0x3fffe00 is used/, what)
  }
})

test('a GPT whose backup is cut off or damaged is read, and one damaged twice as far as it goes', async (t) => {
  const bytes = fs.readFileSync(makeDisk(t, SCRIPT_GPT))
  const sound = await findPartitions(bufferSource(bytes))
  t.deepEqual(await findPartitions(bufferSource(bytes.subarray(0, 32 * MIB))), sound)
  bytes[1024 + 40]! ^= 1
  bytes.fill(0, bytes.length - 512)
  const table = await findPartitions(bufferSource(bytes))
  t.is(table?.partitions.length, 3)
  t.deepEqual(table?.complaints, ['the GPT has entries that are damaged'])
})

/** A GPT on 4096-byte sectors, as on the disks of that kind. */
function largeSectors(): Buffer {
  const sector = 4096
  const disk = Buffer.alloc(16 * MIB)
  const entries = Buffer.alloc(128 * 128)
  entries.write('a2a0d0ebe5b9334487c068b6b72699c7', 0, 'hex')
  entries.fill(7, 16, 32)
  entries.writeBigUInt64LE(256n, 32)
  entries.writeBigUInt64LE(1279n, 40)
  entries.write('data', 56, 'utf16le')
  const last = disk.length / sector - 1
  const header = (at: number, other: number, entriesAt: number) => {
    const bytes = Buffer.alloc(92)
    bytes.write('EFI PART\0\0\x01\0\x5c\0\0\0', 'latin1')
    bytes.writeBigUInt64LE(BigInt(at), 24)
    bytes.writeBigUInt64LE(BigInt(other), 32)
    bytes.writeBigUInt64LE(6n, 40)
    bytes.writeBigUInt64LE(BigInt(last - 5), 48)
    bytes.fill(9, 56, 72)
    bytes.writeBigUInt64LE(BigInt(entriesAt), 72)
    bytes.writeUInt32LE(128, 80)
    bytes.writeUInt32LE(128, 84)
    bytes.writeUInt32LE(crc32(entries), 88)
    bytes.writeUInt32LE(crc32(bytes), 16)
    disk.set(bytes, at * sector)
    disk.set(entries, entriesAt * sector)
  }
  header(1, last, 2)
  header(last, 1, last - 4)
  disk[446 + 4] = 0xee
  disk.writeUInt32LE(1, 446 + 8)
  disk.writeUInt32LE(last, 446 + 12)
  disk.writeUInt16LE(0xaa55, 510)
  return disk
}

test('a disk of 4096-byte sectors is counted in those, as mmls does', async (t) => {
  const bytes = largeSectors()
  const table = await findPartitions(bufferSource(bytes))
  t.like(table, { scheme: 'GPT', sectorSize: 4096, complaints: [] })
  t.like(table?.partitions, [{ index: 1, start: 256n * 4096n, length: 1024n * 4096n, name: 'data' }])
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-disk-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  fs.writeFileSync(path.join(folder, 'disk.raw'), bytes)
  const theirs = execFileSync('mmls', ['-b', '4096', path.join(folder, 'disk.raw')], { encoding: 'utf8' })
  t.regex(theirs, /0000000256 {3}0000001279 {3}0000001024 {3}data/)
})

test('an MBR of 4096-byte sectors is told by what is where it points', async (t) => {
  const disk = Buffer.alloc(4 * MIB)
  disk[446 + 4] = 7
  disk.writeUInt32LE(256, 446 + 8)
  disk.writeUInt32LE(512, 446 + 12)
  disk.writeUInt16LE(0xaa55, 510)
  disk.writeUInt16LE(0xaa55, 256 * 4096 + 510)
  t.like(await findPartitions(bufferSource(disk)), { sectorSize: 4096, partitions: [{ start: 1n << 20n }] })
})

test('a chain of logical partitions that comes back to itself ends there', async (t) => {
  const disk = Buffer.alloc(1 * MIB)
  const entry = (at: number, type: number, start: number, count: number) => {
    disk[at + 4] = type
    disk.writeUInt32LE(start, at + 8)
    disk.writeUInt32LE(count, at + 12)
  }
  entry(446, 0x0f, 100, 1000)
  disk.writeUInt16LE(0xaa55, 510)
  for (const [record, next] of [
    [100, 50],
    [150, 0],
  ] as const) {
    entry(record * 512 + 446, 0x83, 10, 20)
    entry(record * 512 + 462, 5, next, 40)
    disk.writeUInt16LE(0xaa55, record * 512 + 510)
  }
  const table = await findPartitions(bufferSource(disk))
  t.deepEqual(
    table?.partitions.map(({ index, start }) => [index, start]),
    [
      [5, 110n * 512n],
      [6, 160n * 512n],
    ],
  )
  t.regex(table!.complaints[0]!, /comes back to itself/)
})

test('what is no disk has no partitions', async (t) => {
  t.is(await findPartitions(bufferSource(Buffer.alloc(0))), undefined)
  t.is(await findPartitions(bufferSource(Buffer.alloc(MIB))), undefined)
  t.is(await findPartitions(bufferSource(Buffer.alloc(MIB, 0xff))), undefined)
})

test('tampered tables cost little and never the process', async (t) => {
  const mbr = fs.readFileSync(makeDisk(t, SCRIPT_MBR)).subarray(0, 20 * MIB)
  const gpt = fs.readFileSync(makeDisk(t, SCRIPT_GPT))
  const places = [446, 450, 454, 458, 462, 5242880 + 446, 512 + 72, 512 + 80, 512 + 84, 1024 + 32, 1024 + 40]
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(15), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      async (isGpt, changes) => {
        const bytes = isGpt ? gpt : mbr
        const before = changes.map(([place, at]) => [place + at, bytes[place + at]!] as const)
        for (const [place, at, value] of changes) bytes[place + at] = value
        const source = bufferSource(bytes)
        await findPartitions(source)
        for (const [at, value] of before.reverse()) bytes[at] = value
        t.true(source.largestRead <= 4 * MIB)
      },
    ),
    { numRuns: 300 },
  )
})
