import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { findAttribute } from '../../../src/formats/ntfs/file.js'
import { NAME_INDEX, openFileIndex } from '../../../src/formats/ntfs/file-index.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { openNtfs } from '../../../src/formats/ntfs/open.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import type { ClusterRun } from '../../../src/formats/ntfs/runs.js'
import { type NtfsVolume, RECORD } from '../../../src/formats/ntfs/volume.js'
import { bufferSource } from '../buffer-source.js'
import { attributeOf, type Editor, edit } from './images/editor.js'
import { image } from './images/image.js'
import { icat } from './images/peers.js'

async function open(bytes: Buffer): Promise<{ volume: NtfsVolume; messages: string[] }> {
  const messages: string[] = []
  const volume = await openNtfs(bufferSource(bytes), {}, ({ message }) => messages.push(message))
  return { volume, messages }
}

async function contentOf(volume: NtfsVolume, path: string): Promise<Buffer> {
  const { file } = await findTarget(volume, parseTarget(path))
  return volume.read(findAttribute(file, ATTRIBUTE.DATA)!, 1n << 20n)
}

const BOOT_DAMAGES: readonly [string, (boot: Buffer) => void][] = [
  ['the name of the system', (boot) => boot.fill(0, 3, 11)],
  ['no bytes a sector', (boot) => boot.writeUInt16LE(0, 11)],
  ['sectors of 1024 bytes', (boot) => boot.writeUInt16LE(1024, 11)],
  ['no sectors a cluster', (boot) => boot.writeUInt8(0, 13)],
  ['two sectors a cluster', (boot) => boot.writeUInt8(2, 13)],
  ['$MFT and its mirror elsewhere', (boot) => boot.fill(7, 48, 49).fill(9, 56, 57)],
  ['$MFT where no cluster is', (boot) => boot.fill(0xff, 48, 64)],
  ['records of no bytes', (boot) => boot.writeInt8(0, 64)],
  ['records of 512 bytes', (boot) => boot.writeInt8(-9, 64)],
  ['records of 2048 bytes', (boot) => boot.writeInt8(-11, 64)],
]

for (const [name, damage] of BOOT_DAMAGES)
  test(`the backup of the boot sector is used, padding behind it or not: ${name}`, async (t) => {
    const { bytes } = edit(await image('small'))
    const sound = await contentOf((await open(bytes)).volume, 'size-100')
    damage(bytes.subarray(0, 512))
    for (const padding of [0, 1 << 20]) {
      const { volume, messages } = await open(Buffer.concat([bytes, Buffer.alloc(padding, 0xee)]))
      t.deepEqual(await contentOf(volume, 'size-100'), sound)
      t.regex(messages.join('\n'), /the backup of the boot sector is used/)
    }
  })

test('a boot sector that claims 2 MiB more or less than there is costs what lies there', async (t) => {
  for (const sectors of [4096n, -4096n]) {
    const { bytes } = edit(await image('small'))
    const sound = await contentOf((await open(bytes)).volume, 'size-100')
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(40) + sectors, 40)
    const { volume, messages } = await open(bytes)
    t.deepEqual(await contentOf(volume, 'size-100'), sound)
    if (sectors > 0) t.regex(messages.join('\n'), /the image ends at/)
  }
})

test('record 0 with a damaged run list is read from the mirror, and a torn one where that is lost', async (t) => {
  const { bytes, edit: change, place, cluster, recordSize } = edit(await image('small'))
  const { runs } = (await open(bytes)).volume.mft.attribute
  const mirror = Number(bytes.readBigUInt64LE(56)) * cluster
  const sound = Buffer.from(bytes)
  change(0, (record) => {
    const data = attributeOf(record, ATTRIBUTE.DATA)
    data.writeUInt8(0x19, data.readUInt16LE(32))
  })
  const repaired = await open(bytes)
  t.deepEqual(repaired.volume.mft.attribute.runs, runs)
  t.regex(repaired.messages.join('\n'), /its copy in \$MFTMirr is used/)

  sound.fill(0, mirror, mirror + recordSize)
  sound.writeUInt16LE(~sound.readUInt16LE(place(1) - 2) & 0xffff, place(1) - 2)
  const torn = await open(sound)
  t.deepEqual(torn.volume.mft.attribute.runs, runs)
  t.regex(torn.messages.join('\n'), /record 0 is torn.*; it is used all the same/)
})

/** Where a record lies by the runs of $MFT. */
const placeIn = (runs: readonly ClusterRun[], { cluster, recordSize }: Editor, number: number): number => {
  const offset = number * recordSize
  const run = runs.find(({ vcn, length }) => offset < (vcn + length) * cluster)!
  return (run.lcn! - run.vcn) * cluster + offset
}

function encodeRuns(runs: readonly ClusterRun[]): Buffer {
  const bytes = Buffer.alloc(7 * runs.length + 1)
  let lcn = 0
  runs.forEach((run, index) => {
    bytes.writeUInt8(0x42, 7 * index)
    bytes.writeUInt16LE(run.length, 7 * index + 1)
    bytes.writeInt32LE(run.lcn! - lcn, 7 * index + 3)
    lcn = run.lcn!
  })
  return bytes
}

const aligned = (size: number) => Math.ceil(size / 8) * 8

/** An extent of $MFT:$DATA; its sizes count in the first one alone. */
function extentOf(runs: readonly ClusterRun[], id: number, size: number): Buffer {
  const list = encodeRuns(runs)
  const bytes = Buffer.alloc(aligned(64 + list.length))
  const last = runs.at(-1)!
  bytes.writeUInt32LE(ATTRIBUTE.DATA, 0)
  bytes.writeUInt32LE(bytes.length, 4)
  bytes.writeUInt8(1, 8)
  bytes.writeUInt16LE(id, 14)
  bytes.writeBigUInt64LE(BigInt(runs[0]!.vcn), 16)
  bytes.writeBigUInt64LE(BigInt(last.vcn + last.length - 1), 24)
  bytes.writeUInt16LE(64, 32)
  if (runs[0]!.vcn === 0) for (const at of [40, 48, 56]) bytes.writeBigUInt64LE(BigInt(size), at)
  list.copy(bytes, 64)
  return bytes
}

interface Listed {
  readonly type: number
  readonly vcn: number
  readonly record: number
  readonly sequence: number
  readonly id: number
}

function listOf(entries: readonly Listed[]): Buffer {
  const bytes = Buffer.alloc(24 + 32 * entries.length)
  bytes.writeUInt32LE(ATTRIBUTE.ATTRIBUTE_LIST, 0)
  bytes.writeUInt32LE(bytes.length, 4)
  bytes.writeUInt16LE(24, 10)
  bytes.writeUInt16LE(0x40, 14)
  bytes.writeUInt32LE(32 * entries.length, 16)
  bytes.writeUInt16LE(24, 20)
  entries.forEach(({ type, vcn, record, sequence, id }, index) => {
    const at = 24 + 32 * index
    bytes.writeUInt32LE(type, at)
    bytes.writeUInt16LE(32, at + 4)
    bytes.writeUInt8(26, at + 7)
    bytes.writeBigUInt64LE(BigInt(vcn), at + 8)
    bytes.writeUIntLE(record, at + 16, 6)
    bytes.writeUInt16LE(sequence, at + 22)
    bytes.writeUInt16LE(id, at + 24)
  })
  return bytes
}

/** Puts a record together whose fixups say what stands in it anyway. */
function recordOf(header: Buffer, attributes: readonly Buffer[], size: number): Buffer {
  const record = Buffer.alloc(size)
  header.copy(record)
  let at = 56
  for (const attribute of attributes) at += attribute.copy(record, at)
  record.writeUInt32LE(0xffffffff, at)
  record.writeUInt16LE(48, 4)
  record.writeUInt16LE(size / 512 + 1, 6)
  record.writeUInt16LE(56, 20)
  record.writeUInt32LE(at + 8, 24)
  record.writeUInt16LE(1, 48)
  for (let end = 512; end <= size; end += 512) {
    record.copy(record, 48 + end / 256, end - 2, end)
    record.writeUInt16LE(1, end - 2)
  }
  return record
}

/**
 * Gives $MFT an attribute list: the first runs stay, the others go to these records, in order.
 * @param listed the order in which the list names the extents; those of other numbers are not
 */
function spread(
  volume: Editor,
  runs: readonly ClusterRun[],
  parts: readonly { readonly from: number; readonly record: number }[],
  listed: readonly number[],
): void {
  const { bytes, place, recordSize, cluster } = volume
  const last = runs.at(-1)!
  const size = (last.vcn + last.length) * cluster
  const own = Buffer.from(bytes.subarray(place(0), place(1)))
  for (let end = 512; end <= recordSize; end += 512) own.copy(own, end - 2, 48 + end / 256, 50 + end / 256)
  const extents = parts.map(({ from, record }, index): Listed => {
    const extent = runs.slice(from, parts[index + 1]?.from ?? runs.length)
    if (record > 0) {
      const header = Buffer.alloc(48)
      header.write('FILE', 0, 'latin1')
      header.writeUInt16LE(1, 16)
      header.writeUInt16LE(1, 22)
      header.writeUInt32LE(recordSize, 28)
      header.writeBigUInt64LE(1n << 48n, 32)
      header.writeUInt32LE(record, 44)
      recordOf(header, [extentOf(extent, 0, size)], recordSize).copy(bytes, placeIn(runs, volume, record))
    }
    return { type: ATTRIBUTE.DATA, vcn: extent[0]!.vcn, record, sequence: 1, id: record === 0 ? 0x41 : 0 }
  })
  const kept = [ATTRIBUTE.STANDARD_INFORMATION, ATTRIBUTE.FILE_NAME, ATTRIBUTE.BITMAP].map((type) =>
    Buffer.from(attributeOf(own, type)),
  )
  const entries = kept.map(
    (attribute): Listed => ({
      type: attribute.readUInt32LE(0),
      vcn: 0,
      record: 0,
      sequence: 1,
      id: attribute.readUInt16LE(14),
    }),
  )
  const self = { type: ATTRIBUTE.ATTRIBUTE_LIST, vcn: 0, record: 0, sequence: 1, id: 0x40 }
  const list = [entries[0]!, self, entries[1]!, ...listed.map((index) => extents[index]!), entries[2]!]
  const first = extentOf(runs.slice(0, parts[1]!.from), 0x41, size)
  recordOf(own.subarray(0, 48), [kept[0]!, listOf(list), kept[1]!, first, kept[2]!], recordSize).copy(
    bytes,
    place(0),
  )
}

const crowded = async () => {
  const volume = edit(await image('crowded'))
  const { runs } = (await open(volume.bytes)).volume.mft.attribute
  return { volume, runs }
}
/** Records that an extent leads to: of files that are given up for it. */
const inside = (runs: readonly ClusterRun[], index: number) => runs[index]!.vcn * 4
const readMft = async (volume: NtfsVolume) => Buffer.from(await volume.mft.read(0n, Number(volume.mft.size)))

test('$MFT is put together by its attribute list, as icat does it', async (t) => {
  const { volume, runs } = await crowded()
  spread(
    volume,
    runs,
    [
      { from: 0, record: 0 },
      { from: 5, record: 16 },
      { from: 90, record: 17 },
    ],
    [0, 1, 2],
  )
  const { volume: opened, messages } = await open(volume.bytes)
  t.deepEqual(opened.mft.attribute.runs, runs)
  t.deepEqual(messages, [])
  t.deepEqual(
    (await opened.file(0)).extensions.map(({ number }) => number),
    [16, 17],
  )
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-mft-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(path.join(folder, 'volume'), volume.bytes)
  t.true((await readMft(opened)).equals(icat(path.join(folder, 'volume'), 0)))
})

test('extents of $MFT may be listed in any order, each leading to the next', async (t) => {
  const { volume, runs } = await crowded()
  const parts = [
    { from: 0, record: 0 },
    { from: 5, record: inside(runs, 130) },
    { from: 50, record: inside(runs, 10) },
    { from: 120, record: 16 },
  ]
  spread(volume, runs, parts, [2, 1, 3, 0])
  const { volume: opened, messages } = await open(volume.bytes)
  t.deepEqual(opened.mft.attribute.runs, runs)
  t.deepEqual(messages, [])
})

test('an extent of $MFT that leads only to itself costs its records, and is told', async (t) => {
  const { volume, runs } = await crowded()
  const own = inside(runs, 60)
  spread(
    volume,
    runs,
    [
      { from: 0, record: 0 },
      { from: 5, record: 16 },
      { from: 50, record: own },
    ],
    [0, 1, 2],
  )
  const { volume: opened, messages } = await open(volume.bytes)
  t.deepEqual(opened.mft.attribute.runs, runs.slice(0, 50))
  t.regex(messages.join('\n'), new RegExp(`records ${own}, which say where it goes on, cannot be read`))
  await t.throwsAsync(opened.file(own), { message: /no run covers it/ })
  t.is((await opened.file(5)).reference.record, 5)
})

test('a record that two runs share is read as one', async (t) => {
  const volume = edit(await image('512'))
  const { bytes, cluster, edit: change, place } = volume
  const { runs } = (await open(bytes)).volume.mft.attribute
  const [first] = runs
  const vcn = 2 * 30 + 1
  t.true(cluster === 512 && first!.length > vcn + 1)
  // The last cluster of the volume takes the second half of record 30.
  const far = Number(bytes.readBigUInt64LE(40)) - 1
  const before = (await open(bytes)).volume
  const sound = await before.rawRecord(30)
  bytes.copy(bytes, far * cluster, (first!.lcn! + vcn) * cluster, (first!.lcn! + vcn + 1) * cluster)
  bytes.fill(0, (first!.lcn! + vcn) * cluster, (first!.lcn! + vcn + 1) * cluster)
  const moved = [
    { vcn: 0, lcn: first!.lcn, length: vcn },
    { vcn, lcn: far, length: 1 },
    { vcn: vcn + 1, lcn: first!.lcn! + vcn + 1, length: first!.length - vcn - 1 },
    ...runs.slice(1),
  ]
  const mirror = Number(bytes.readBigUInt64LE(56)) * cluster
  change(0, (record) => {
    const data = attributeOf(record, ATTRIBUTE.DATA)
    const at = data.readUInt16LE(32)
    const list = encodeRuns(moved)
    const room = data.length - at
    const more = aligned(Math.max(0, list.length - room))
    const position = data.byteOffset - record.byteOffset
    record.copyWithin(position + data.length + more, position + data.length, record.length - more)
    list.copy(record, position + at)
    record.writeUInt32LE(data.length + more, position + 4)
    record.writeUInt32LE(record.readUInt32LE(24) + more, 24)
  })
  bytes.copy(bytes, mirror, place(0), place(1))
  const { volume: opened, messages } = await open(bytes)
  t.deepEqual(opened.mft.attribute.runs, moved)
  t.deepEqual(await opened.rawRecord(30), sound)
  t.deepEqual(messages, [])
})

test('an index whose clusters lie behind the end of the image has no blocks there, whatever the boot sector claims', async (t) => {
  const { bytes, edit: change } = edit(await image('small'))
  const { runs } = findAttribute(
    await (await open(bytes)).volume.file(RECORD.ROOT),
    ATTRIBUTE.INDEX_ALLOCATION,
    NAME_INDEX,
  )!
  bytes.writeBigUInt64LE(1n << 50n, 40)
  change(RECORD.ROOT, (record) => {
    const blocks = attributeOf(record, ATTRIBUTE.INDEX_ALLOCATION)
    for (const at of [40, 48, 56]) blocks.writeBigUInt64LE(1n << 40n, at)
    Buffer.from([0x14, 0, 0, 0, 0x10, runs[0]!.lcn!]).copy(blocks, blocks.readUInt16LE(32))
  })
  const { volume } = await open(bytes)
  const index = openFileIndex(volume, await volume.file(RECORD.ROOT), NAME_INDEX)
  t.is(index.blockCount, 1 << 22)
  t.true([...index.storedBlocks()].length <= bytes.length / index.blockSize)
})
