import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import test from 'ava'
import { clusterUse } from '../../../src/formats/ntfs/cluster-use.js'
import { scanDeleted } from '../../../src/formats/ntfs/deleted.js'
import { readDeletedLinks } from '../../../src/formats/ntfs/deleted-links.js'
import { findTarget } from '../../../src/formats/ntfs/find-target.js'
import { scanMft } from '../../../src/formats/ntfs/mft-scan.js'
import {
  createPathFinder,
  formatPath,
  formerSequence,
  namesOf,
  pathsOf,
} from '../../../src/formats/ntfs/parent-path.js'
import { parseTarget } from '../../../src/formats/ntfs/path.js'
import { type NtfsVolume, openVolume } from '../../../src/formats/ntfs/volume.js'
import { deleteRecord, makeVolume, openImage, recordAt } from './small-volume.js'

const find = async (volume: NtfsVolume, path: string) =>
  (await findTarget(volume, parseTarget(path))).file.reference.record

/** Where the parent of the only name of a record stands. */
function parentAt(bytes: Buffer, record: number): number {
  for (let at = record + bytes.readUInt16LE(record + 20); at < record + 1024; ) {
    if (bytes.readUInt32LE(at) === 0x30) return at + bytes.readUInt16LE(at + 20)
    at += bytes.readUInt32LE(at + 4)
  }
  throw new Error('the record has no name')
}

async function deletedPaths(volume: NtfsVolume): Promise<string[]> {
  const findPath = createPathFinder(volume)
  const paths: string[] = []
  for await (const batch of scanDeleted(volume))
    for (const { record, fileName } of batch) {
      const path = await findPath(fileName)
      paths.push(`${record} ${path.state} ${formatPath(path)}`)
    }
  return paths
}

test('deleted files by the paths that they had, and orphans', async (t) => {
  const { image, bytes } = makeVolume(t, { a: 'a', b: 'b', c: 'c', d: 'd' })
  const { volume } = await openImage(bytes)
  const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map((name) => find(volume, name)))
  // a has hung in c, which is a file; b in a directory before $Extend had its record; d in $Extend.
  for (const record of [a, b, d]) await deleteRecord(bytes, record!)
  const extend = await find(volume, '$Extend')
  const hang = async (record: number, parent: number, sequence: number) => {
    const at = parentAt(bytes, await recordAt(bytes, record))
    bytes.writeUIntLE(parent, at, 6)
    bytes.writeUInt16LE(sequence, at + 6)
  }
  await hang(a!, c!, 1)
  await hang(b!, extend, 9)
  await hang(d!, extend, 11)
  const { volume: changed } = await openImage(bytes)
  t.deepEqual(await deletedPaths(changed), [
    `${a} orphan $Orphan/a`,
    `${b} orphan $Orphan/b`,
    `${d} live $Extend/d`,
  ])
  fs.writeFileSync(image, bytes)
  const listed = execFileSync('fls', ['-rdp', image], { encoding: 'utf8' })
  t.true(listed.includes(`${d}-128-2:\t$Extend/d\n`), listed)

  await deleteRecord(bytes, extend)
  const { volume: later } = await openImage(bytes)
  t.deepEqual(await deletedPaths(later), [
    `${extend} live $Extend`,
    `${a} orphan $Orphan/a`,
    `${b} orphan $Orphan/b`,
    `${d} deleted $Extend/d`,
  ])
  bytes.writeUInt16LE(20, (await recordAt(bytes, extend)) + 16)
  const { volume: last } = await openImage(bytes)
  t.true((await deletedPaths(last)).includes(`${d} orphan $Orphan/d`))
})

test('deleted files and orphans are found by their paths when that is asked for', async (t) => {
  const { bytes } = makeVolume(t, { kept: '1', Gone: '2', lost: '3' })
  const { volume } = await openImage(bytes)
  const [gone, lost] = [await find(volume, 'Gone'), await find(volume, 'lost')]
  await deleteRecord(bytes, gone)
  await deleteRecord(bytes, lost)
  bytes.writeUInt16LE(999, parentAt(bytes, await recordAt(bytes, lost)) + 6)
  const { volume: changed } = await openImage(bytes)
  const deleted = () => readDeletedLinks(changed)
  t.is((await deleted()).count, 2)
  const found = async (path: string) => (await findTarget(changed, parseTarget(path), deleted)).file.reference
  t.deepEqual(await found('$Orphan/LOST'), { record: lost, sequence: 2 })
  await t.throwsAsync(found('$Orphan/gone'), { message: 'there is no gone in $Orphan' })
  await t.throwsAsync(found('$Orphan'), { message: '$Orphan is no file' })
  t.is((await found('kept')).sequence, 1)
})

test('a scan gives the names of every record that it can read, and says what it cannot', async (t) => {
  const { bytes } = makeVolume(t, { a: 'a' })
  const { volume } = await openImage(bytes)
  const names = async (from: NtfsVolume) => {
    const found = new Map<number, string[]>()
    for await (const batch of scanMft(from))
      for (const { number, names } of batch)
        found.set(
          number,
          names.map(({ name }) => name),
        )
    return found
  }
  const all = await names(volume)
  t.is(all.size, volume.recordCount)
  for (const [number, some] of all) {
    const file = await volume.file(number)
    t.deepEqual(
      some,
      namesOf(file).map(({ name }) => name),
    )
  }
  const { source } = volume
  const at = BigInt(await recordAt(bytes, 5))
  const failing = {
    ...source,
    async read(offset: bigint, length: number, into?: Uint8Array) {
      if (offset < at + 1024n && offset + BigInt(length) > at + 512n) throw new Error('a bad sector')
      return source.read(offset, length, into)
    },
  }
  const messages: string[] = []
  const reopened = await openVolume(failing, ({ message }) => messages.push(message))
  const some = await names(reopened)
  t.is(some.size, all.size - 1)
  t.false(some.has(5))
  t.regex(messages.join('\n'), /512 bytes cannot be read: a bad sector/)
})

test('the paths of every link, short names left out; circles end', async (t) => {
  const { bytes } = makeVolume(t, { file: '1', one: '2', two: '3' })
  const { volume } = await openImage(bytes)
  const [one, two] = [await find(volume, 'one'), await find(volume, 'two')]
  t.deepEqual((await pathsOf(await volume.file(24), createPathFinder(volume))).map(formatPath), [
    '$Extend/$Quota',
  ])
  for (const [record, parent] of [
    [one, two],
    [two, one],
  ] as const) {
    const at = await recordAt(bytes, record)
    bytes.writeUInt16LE(bytes.readUInt16LE(at + 22) | 2, at + 22)
    bytes.writeUIntLE(parent, parentAt(bytes, at), 6)
    bytes.writeUInt16LE(1, parentAt(bytes, at) + 6)
  }
  const { volume: circular } = await openImage(bytes)
  const [path] = await pathsOf(await circular.file(one), createPathFinder(circular))
  t.is(path?.state, 'orphan')
  t.deepEqual(path?.names, ['one', 'two', 'one'])
})

test('which clusters of runs are in use', async (t) => {
  const { image, bytes } = makeVolume(t, { file: 'x'.repeat(20000) })
  const { volume } = await openImage(bytes)
  const { file } = await findTarget(volume, parseTarget('file'))
  const { runs } = file.attributes.find(({ type }) => type === 0x80)!
  t.deepEqual(await clusterUse(volume, runs), { clusters: 5, inUse: 5 })
  const all = [{ vcn: 0, lcn: 0, length: volume.geometry.clusterCount }]
  const { inUse } = await clusterUse(volume, all)
  const facts = execFileSync('ntfsinfo', ['-f', '-m', image], { encoding: 'utf8' })
  const [, free] = /Free Clusters:\s+(\d+)/.exec(facts) ?? []
  t.is(inUse, volume.geometry.clusterCount - Number(free), facts)
  t.deepEqual(
    await clusterUse(volume, [
      { vcn: 0, lcn: undefined, length: 9 },
      { vcn: 9, lcn: 2 ** 40, length: 4 },
    ]),
    {
      clusters: 4,
      inUse: 0,
    },
  )
})

test('runs that claim the volume many times over are asked for once', async (t) => {
  const { volume } = await openImage(makeVolume(t, {}).bytes)
  const { clusterCount } = volume.geometry
  const whole = { vcn: 0, lcn: 0, length: clusterCount }
  const once = await clusterUse(volume, [whole])
  t.deepEqual(await clusterUse(volume, Array(100_000).fill(whole)), {
    clusters: 100_000 * clusterCount,
    inUse: once.inUse,
  })
})

test('sequence numbers leave 0 out', (t) => {
  t.deepEqual([2, 1, 0, 65535].map(formerSequence), [1, 65535, 65535, 65534])
})
