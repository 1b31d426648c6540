import { readFile } from 'node:fs/promises'
import { inflateRawSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import type { RecoveredObject } from '../../../../src/formats/aff4/recover/outcome.js'
import { openVolume } from '../../../../src/formats/aff4/volume.js'
import { packageFile } from '../../../frames/support.js'
import { bufferSource } from '../../buffer-source.js'
import { digestOf, readStream, recoverBytes } from './recovering.js'

const reference = (name: string) => readFile(packageFile(`test/data/aff4/${name}`))

/** An entry of a directory, as it was before the volume was damaged. */
interface Entry {
  readonly name: string
  readonly header: number
  readonly start: number
  readonly end: number
  readonly size: number
}

/** The members of a small volume, by its directory. */
function entriesOf(bytes: Buffer): Entry[] {
  const entries: Entry[] = []
  for (let at = bytes.indexOf('PK\x01\x02'); bytes.readUInt32LE(at) === 0x02014b50; ) {
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field))
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength!)
    const extraAt = at + 46 + nameLength! + 4
    const zip64 = bytes.readUInt32LE(at + 20) === 0xffffffff
    const [size, stored, header] = zip64
      ? [0, 8, 16].map((field) => Number(bytes.readBigUInt64LE(extraAt + field)))
      : [24, 20, 42].map((field) => bytes.readUInt32LE(at + field))
    const start = header! + 30 + bytes.readUInt16LE(header! + 26) + bytes.readUInt16LE(header! + 28)
    entries.push({ name, header: header!, start, end: start + stored!, size: size! })
    at += 46 + nameLength! + extra! + comment!
  }
  return entries
}

interface Disk {
  readonly name: string
  readonly image: string
  readonly stream: string
  readonly bevy: RegExp
  readonly index: RegExp
}
const DISKS: Disk[] = [
  {
    name: 'Base-Linear-AllHashes.aff4',
    image: 'aff4://e8733831-f8fc-4573-87d7-beb7fe708e96',
    stream: 'aff4://e53a108a-bb2e-41f4-ab2e-28fe4ef578c1',
    bevy: /00000000$/,
    index: /\.index$/,
  },
  {
    name: 'Base-Allocated.aff4',
    image: 'aff4://8fcced2b-989f-4f51-bfa2-38d4a4d818fe',
    stream: 'aff4://fce3df71-dce8-4a17-af67-36bed58f25c9',
    bevy: /00000000$/,
    index: /\.index$/,
  },
  {
    name: 'Base-Linear-prestandard.af4',
    image: 'aff4://085066db-6315-4369-a87e-bdc7bc777d45',
    stream: 'aff4://c9f68c3a-0843-4a92-bbd8-2596a75b09be',
    bevy: /00000000$/,
    index: /\/index$/,
  },
]

/** A disk of the reference images, and where things stand in its file. */
async function loadDisk(disk: Disk) {
  const bytes = await reference(disk.name)
  const volume = await openVolume(bufferSource(bytes, disk.name))
  const entries = entriesOf(bytes)
  const find = (pattern: RegExp) => entries.find(({ name }) => pattern.test(name))!
  const [bevy, index, turtle] = [find(disk.bevy), find(disk.index), find(/^information/)]
  const table = bytes.subarray(index.start, index.end)
  // Where each chunk ends: of an index before the Standard that is all it says.
  const ends = disk.name.endsWith('.af4')
    ? Array.from({ length: table.length / 4 }, (_, slot) => table.readUInt32LE(slot * 4))
    : Array.from(
        { length: table.length / 12 },
        (_, slot) => Number(table.readBigUInt64LE(slot * 12)) + table.readUInt32LE(slot * 12 + 8),
      )
  return {
    bytes,
    volume,
    entries,
    find,
    bevy,
    index,
    turtle,
    ends,
    content: await readStream(volume, disk.stream),
  }
}

for (const disk of DISKS) {
  test(`${disk.name} without its directory is recovered whole`, async (t) => {
    const { bytes, volume, turtle } = await loadDisk(disk)
    for (const cut of [turtle.end + 24, bytes.length - 10]) {
      const recovered = (await recoverBytes(bytes.subarray(0, cut)))!
      t.true(recovered.recovery.complete)
      t.is(await digestOf(recovered.volume, disk.image), await digestOf(volume, disk.image))
      t.is(await digestOf(recovered.volume, disk.stream), await digestOf(volume, disk.stream))
    }
  })

  test(`${disk.name} cut in its turtle, or before it, keeps its image`, async (t) => {
    const { bytes, volume, turtle } = await loadDisk(disk)
    const expected = await digestOf(volume, disk.image)
    for (const cut of [turtle.header, turtle.start + 100, turtle.end - 800]) {
      const { recovery, volume: recovered } = (await recoverBytes(bytes.subarray(0, cut)))!
      t.false(recovery.complete)
      t.is(recovery.objects.length, 1)
      t.deepEqual(recovery.objects[0]!.lost, [])
      t.is(await digestOf(recovered, recovery.objects[0]!.urn), expected)
    }
  })

  test(`${disk.name} cut in its bevy gives every whole chunk before, without an index`, async (t) => {
    const { bytes, bevy, ends, content } = await loadDisk(disk)
    const length = bevy.end - bevy.start
    for (let index = 0; index < 12; index++) {
      const within = index < 4 ? ends[index * 20]! + (index - 2) : (index * 7_919_003) % length
      const recovered = await recoverBytes(bytes.subarray(0, bevy.start + within))
      const whole = ends.filter((end) => end <= within).length
      if (whole === 0) continue
      t.is(recovered!.recovery.objects[0]!.kept, BigInt(whole * 32768), `${within}`)
      const got = await readStream(recovered!.volume, recovered!.recovery.objects[0]!.urn)
      t.true(got.equals(content.subarray(0, whole * 32768)))
    }
  })

  test(`${disk.name} with a damaged index is recovered whole`, async (t) => {
    const { bytes, volume, index } = await loadDisk(disk)
    const damaged = Buffer.from(bytes)
    damaged[index.start + 120]! ^= 0x10
    const recovered = (await recoverBytes(damaged))!
    t.is(await digestOf(recovered.volume, disk.image), await digestOf(volume, disk.image))
    t.true(recovered.recovery.complete)
  })

  test(`${disk.name} with a damaged chunk loses that one alone, by its block hash`, async (t) => {
    const { bytes, volume, bevy, ends, content } = await loadDisk(disk)
    for (const slot of [3, 50]) {
      const damaged = Buffer.from(bytes)
      damaged[bevy.start + ends[slot]! - 5]! ^= 1
      const recovered = (await recoverBytes(damaged))!
      t.false(recovered.recovery.complete)
      const [object] = recovered.recovery.objects
      t.deepEqual(object!.unsure, [])
      t.is(object!.lost.reduce((sum, run) => sum + run.length, 0n) % 32768n, 0n)
      t.is(object!.kept, BigInt(content.length) - 32768n)
      const expected = await readStream(volume, disk.image)
      const got = await readStream(recovered.volume, disk.image)
      let different = 0
      for (let at = 0; at < got.length; at += 32768)
        if (!got.subarray(at, at + 32768).equals(expected.subarray(at, at + 32768))) different += 32768
      t.is(
        BigInt(different),
        object!.lost.reduce((sum, run) => sum + run.length, 0n),
      )
    }
  })
}

test('a header that is destroyed hides no member while the directory leads to it', async (t) => {
  const [disk] = DISKS
  const { bytes, volume, bevy, find } = await loadDisk(disk!)
  for (const { header } of [bevy, find(/\/map$/), find(/^information/), find(/^container/)]) {
    const damaged = Buffer.from(bytes)
    damaged[header]! ^= 0xff
    const recovered = (await recoverBytes(damaged))!
    t.true(recovered.recovery.complete)
    t.is(await digestOf(recovered.volume, disk!.image), await digestOf(volume, disk!.image))
  }
})

test('a lost map makes the chunks stand one after another, and says so', async (t) => {
  const [disk] = DISKS
  const { bytes, content, find } = await loadDisk(disk!)
  const damaged = Buffer.from(bytes)
  damaged[find(/\/map$/).start + 3]! ^= 1
  const recovered = (await recoverBytes(damaged))!
  const [object] = recovered.recovery.objects
  t.is(object!.urn, disk!.image)
  t.regex(object!.remarks.join(), /map is lost/)
  const got = await readStream(recovered.volume, disk!.image)
  t.true(got.subarray(0, content.length).equals(content))
  // What followed in the image is not known.
  t.is(got.length, 268435456)
  t.regex(got.toString('latin1', 200 << 20, (200 << 20) + 14), /^UNKNOWNUNKNOWN$/)
})

/** Files of a volume by their names, as unzip takes them out. */
const filesOf = (bytes: Buffer): Map<string, Buffer> =>
  new Map(
    entriesOf(bytes)
      .filter(({ name }) => !/^(container|version|information)/.test(name))
      .map(({ name, start, end, size }) => {
        const stored = bytes.subarray(start, end)
        return [name, stored.length === size ? stored : inflateRawSync(stored)]
      }),
  )

async function compareFiles(t: ExecutionContext, bytes: Buffer, cut: number, urn: string): Promise<boolean> {
  const recovered = await recoverBytes(bytes.subarray(0, cut))
  if (!recovered) return false
  for (const [name, content] of filesOf(bytes)) {
    const object: RecoveredObject | undefined = recovered.recovery.objects.find(
      (one) => one.urn === `${urn}/${name}` || one.urn.endsWith(name),
    )
    if (!object) continue
    const got = await readStream(recovered.volume, object.urn)
    t.is(got.length, content.length)
    t.true(got.subarray(0, Number(object.kept)).equals(content.subarray(0, Number(object.kept))))
    t.is(object.lost.length === 0, Number(object.kept) === content.length)
  }
  return recovered.recovery.complete
}

for (const [name, urn] of [
  ['pmem2015.aff4', 'aff4://81c68412-ab86-42b0-a456-8e6340b5671b'],
  ['dream.aff4', 'aff4://5aea2dd0-32b4-4c61-a9db-677654be6f83'],
] as const)
  test(`files of ${name}, cut anywhere, keep what is before the cut`, async (t) => {
    const bytes = await reference(name)
    const entries = entriesOf(bytes)
    const directory = Math.max(...entries.map(({ end }) => end))
    for (let index = 0; index < 20; index++)
      await compareFiles(t, bytes, (index * 7_919_003) % bytes.length, urn)
    for (const { start, end } of entries)
      for (const cut of [start + 1, end]) await compareFiles(t, bytes, cut, urn)
    t.true(await compareFiles(t, bytes, bytes.length - 1, urn))
    t.is(await compareFiles(t, bytes, directory, urn), true)
  })
