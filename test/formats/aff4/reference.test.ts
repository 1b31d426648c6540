import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { aff4, DIGESTS } from '../../../src/formats/aff4/lexicon.js'
import { listStreams, type OpenStream, openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { openVolumeFile } from '../../../src/formats/aff4/volume-file.js'
import { packageFile } from '../../frames/support.js'
import { bufferSource } from '../buffer-source.js'

const reference = async (name: string) =>
  openVolume(bufferSource(await readFile(packageFile(`test/data/aff4/${name}`)), name))

/** In steps that fall across chunks, entries and tiles. */
async function digestOf(stream: OpenStream, algorithm: string): Promise<string> {
  const sum = createHash(algorithm)
  const step = 1_000_003
  for (let at = 0n; at < stream.size; at += BigInt(step))
    sum.update(await stream.read(at, Number(stream.size - at < step ? stream.size - at : BigInt(step))))
  return sum.digest('hex')
}

test('Base-Allocated.aff4 of the reference images reads with its known and its stored digests', async (t) => {
  const volume = await reference('Base-Allocated.aff4')
  t.is(volume.urn, 'aff4://ce24a0d0-a540-442a-939e-938b848add9a')
  t.like(volume.version, { major: 1, minor: 0, tool: 'Evimetry 2.2.0' })
  t.deepEqual(volume.warnings, [])
  const streams = await listStreams([volume])
  t.deepEqual(
    streams.map(({ form, backing }) => [form, backing]),
    [
      ['image', false],
      ['map', true],
      ['image-stream', true],
    ],
  )
  const [image, , backing] = await Promise.all(streams.map(({ urn }) => openStream([volume], urn)))
  t.is(await digestOf(image!, 'sha256'), 'c1c99315c2ff74e3f37247639e4f8bb2fb7c49ad09f9d6965ac567ce5e6e3c75')
  t.is(
    [...image!.extents()].filter(({ content }) => content === 'unknown').length > 0,
    true,
    'what was not allocated is unknown',
  )
  t.is(await digestOf(backing!, 'sha256'), '800fca7ff33114ee0bb53169c143aed95c98045e05ddc02b954ddd0313918926')
  for (const { datatype, node } of [DIGESTS.md5, DIGESTS.sha1]) {
    const value = await digestOf(backing!, node)
    t.true(
      volume.graph.all(backing!.urn, aff4('hash')).some(({ id }) => id === `"${value}"^^${aff4(datatype)}`),
    )
  }
})

test('Base-Linear-AllHashes.aff4 reads with its known digests', async (t) => {
  const volume = await reference('Base-Linear-AllHashes.aff4')
  const [image, , backing] = await Promise.all(
    (await listStreams([volume])).map(({ urn }) => openStream([volume], urn)),
  )
  t.is(await digestOf(image!, 'sha256'), 'd7d6df4534f06568eb90a06e252592c9b79378b95bb9a7e01db3a388feda6c13')
  t.is(await digestOf(backing!, 'sha256'), 'ab2a60618a6812269f4f349e0cace7a8815d29f7f15942da499d2e15c03588e9')
})

test('Base-Linear-prestandard.af4, an image from before the Standard, reads in the terms of the Standard', async (t) => {
  const volume = await reference('Base-Linear-prestandard.af4')
  t.is(volume.version, undefined)
  t.is(volume.dialect.generation, 'evimetry')
  const [map, backing, ...others] = await listStreams([volume])
  t.deepEqual(others, [])
  t.like(map, { form: 'map', backing: false })
  t.like(backing, { form: 'image-stream', backing: true })
  const stream = await openStream([volume], map!.urn)
  t.is(await digestOf(stream, 'sha1'), '5d5f183ae7355b8dc8938b67aab77c0215c29ab4')
  const stored = await openStream([volume], backing!.urn)
  t.is(stored.chunkSize, 32768)
  for (const { datatype, node } of [DIGESTS.md5, DIGESTS.sha1]) {
    const value = await digestOf(stored, node)
    t.true(
      volume.graph.all(stored.urn, aff4('hash')).some(({ id }) => id === `"${value}"^^${aff4(datatype)}`),
      node,
    )
  }
  t.is(volume.graph.value(map!.urn, aff4('diskMake')), 'Seagate')
  t.is(volume.graph.value(map!.urn, aff4('dependentStream')), stored.urn)
  const { graph: written } = await volume.asWritten()
  t.is(written.value(map!.urn, 'http://afflib.org/2009/aff4#make'), 'Seagate')
})

test('pmem2015.aff4, whose files have nothing but a name, gives them as unzip does', async (t) => {
  const file = fileURLToPath(packageFile('test/data/aff4/pmem2015.aff4'))
  const volume = await openVolumeFile(file)
  const entries = await listStreams([volume])
  t.deepEqual(entries.map(({ urn }) => volume.graph.value(urn, aff4('originalFileName'))).sort(), [
    'fcat.exe',
    'winpmem_x64.sys',
    'winpmem_x86.sys',
  ])
  for (const { urn, form } of entries) {
    t.is(form, 'segment')
    const name = urn.slice(volume.urn.length + 1)
    // unzip takes the missing descriptors of this writer for overlaps, which it only says.
    const { stdout } = spawnSync('unzip', ['-p', file, name], { maxBuffer: 1 << 24 })
    const stream = await openStream([volume], urn)
    t.is(Number(stream.size), stdout.length)
    t.is(await digestOf(stream, 'sha256'), createHash('sha256').update(stdout).digest('hex'))
  }
})

test('dream.aff4, a logical image by pyaff4, gives its file with the stored digest', async (t) => {
  const volume = await reference('dream.aff4')
  const [file, ...others] = await listStreams([volume])
  t.is(others.length, 0)
  t.is(file!.form, 'segment')
  const stream = await openStream([volume], file!.urn)
  t.is(stream.size, 8688n)
  t.is(await digestOf(stream, 'md5'), '75d83773f8d431a3ca91bfb8859e486d')
})
