import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { openImage } from '../../../src/formats/image/open-image.js'
import { asRoot, loopDevice } from '../../platform/linux/loop-device.js'
import { ask, folder } from '../../sources/files/support.js'
import { contentOf, writeRecipe } from '../aff4/recipe.js'
import { bufferSink } from '../buffer-sink.js'

const UNIT = 4096

test('a file is opened as it is, even one with a colon in its name', async (t) => {
  const file = path.join(folder(t), 'disk:1.raw')
  const content = randomBytes(10_000)
  fs.writeFileSync(file, content)
  const source = await openImage(file)
  t.is(source.size, 10_000n)
  t.deepEqual(Buffer.from(await source.read(100n, 200)), content.subarray(100, 300))
  await source.close()
})

test('a block device has the size and the bytes of its disk', async (t) => {
  const backing = path.join(folder(t), 'disk.raw')
  const content = randomBytes(3 << 20)
  fs.writeFileSync(backing, content)
  const device = loopDevice(t, backing, '--read-only')
  if (process.getuid?.() !== 0) asRoot('chmod', 'a+r', device)
  const source = await openImage(device)
  t.is(source.size, BigInt(content.length))
  t.deepEqual(Buffer.from(await source.read(12_345n, 100_000)), content.subarray(12_345, 112_345))
  t.is((await source.read(source.size - 5n, 100)).length, 5)
  await source.close()
})

/** A volume with an image: bytes, zeros, bytes that could not be read, a gap. */
async function aff4Volume(t: Parameters<typeof folder>[0]): Promise<{ file: string; image: string }> {
  const sink = bufferSink()
  const ranges = [
    { offset: 0, length: 2 * UNIT, content: 'bytes', seed: 1 },
    { offset: 2 * UNIT, length: UNIT, content: 'zero', seed: 0 },
    { offset: 3 * UNIT, length: UNIT, content: 'unreadable', seed: 0 },
    { offset: 4 * UNIT, length: UNIT, content: 'unknown', seed: 0 },
    { offset: 6 * UNIT, length: UNIT, content: 'bytes', seed: 2 },
  ] as const
  const recipe = { codec: 'zlib', chunkSize: UNIT, chunksPerBevy: 4, appended: false, ranges } as const
  const { volume, image, map } = await writeRecipe(sink, recipe)
  await map.close()
  await volume.finish()
  const file = path.join(folder(t), 'disk.aff4')
  fs.writeFileSync(file, sink.bytes())
  return { file, image }
}

test('the stream of an AFF4 volume reads as the disk; what could not be read of that is refused', async (t) => {
  const { file, image } = await aff4Volume(t)
  for (const name of [file, `${file}:${image}`]) {
    const source = await openImage(name)
    t.is(source.size, BigInt(7 * UNIT))
    t.deepEqual(Buffer.from(await source.read(10n, 2 * UNIT - 20)), contentOf(1, 2 * UNIT).subarray(10, -10))
    t.deepEqual(Buffer.from(await source.read(BigInt(2 * UNIT), UNIT)), Buffer.alloc(UNIT))
    t.deepEqual(Buffer.from(await source.read(BigInt(5 * UNIT), UNIT)), Buffer.alloc(UNIT))
    t.deepEqual(Buffer.from(await source.read(BigInt(6 * UNIT), 2 * UNIT)), contentOf(2, UNIT))
    await t.throwsAsync(source.read(0n, 4 * UNIT), { instanceOf: FormatError, message: /\(at 0x3000\)$/ })
    await t.throwsAsync(source.read(BigInt(3 * UNIT + 1), 1), {
      message: /could not be read .* \(at 0x3001\)$/,
    })
    await t.throwsAsync(source.read(BigInt(4 * UNIT), 1), { message: /not in the image/ })
    t.is((await source.read(source.size, 10)).length, 0)
    await source.close()
  }
})

test('of several streams the one that is named is opened, or they are listed', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  await volume.segment(`${volume.urn}/first`, Buffer.from('one'))
  await volume.segment(`${volume.urn}/second`, Buffer.from('two'))
  volume.declare(`${volume.urn}/first`, 'FileImage')
  volume.declare(`${volume.urn}/second`, 'FileImage')
  await volume.finish()
  const file = path.join(folder(t), 'files.aff4')
  fs.writeFileSync(file, sink.bytes())
  const error = await t.throwsAsync(openImage(file), { instanceOf: FormatError, message: /2 streams/ })
  t.regex(error?.hint ?? '', /files\.aff4:STREAM is one of first, second/)
  t.is(Buffer.from(await (await openImage(`${file}:second`)).read(0n, 10)).toString(), 'two')
  await t.throwsAsync(openImage(`${file}:third`), { message: /no stream is called third/ })
})

test('what cannot be read at any place, or is not there, is refused', async (t) => {
  const fifo = path.join(folder(t), 'fifo')
  ask('mkfifo', fifo)
  await t.throwsAsync(openImage(fifo), { instanceOf: FormatError, message: /not a file or a block device/ })
  await t.throwsAsync(openImage(path.join(folder(t), 'none')), { code: 'ENOENT' })
  const zip = path.join(folder(t), 'plain.zip')
  fs.writeFileSync(zip, 'PK\x03\x04 and no more')
  await t.throwsAsync(openImage(zip), { instanceOf: FormatError })
})
