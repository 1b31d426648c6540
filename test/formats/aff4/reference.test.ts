import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import test from 'ava'
import { aff4, DIGESTS } from '../../../src/formats/aff4/lexicon.js'
import { listStreams, type OpenStream, openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
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

test('dream.aff4, a logical image by pyaff4, gives its file with the stored digest', async (t) => {
  const volume = await reference('dream.aff4')
  const [file, ...others] = await listStreams([volume])
  t.is(others.length, 0)
  t.is(file!.form, 'segment')
  const stream = await openStream([volume], file!.urn)
  t.is(stream.size, 8688n)
  t.is(await digestOf(stream, 'md5'), '75d83773f8d431a3ca91bfb8859e486d')
})
