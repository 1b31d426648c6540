import test from 'ava'
import fc from 'fast-check'
import { UNNAMED } from '../../../src/formats/aff4/content-name.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { expectedBytes, type Recipe, recipes, writeRecipe } from './recipe.js'
import { readStream, recoverBytes } from './recover/recovering.js'
import { check, faults } from './verify/check.js'

/** A volume that is called by its content, finished or as far as a crash has let it come. */
async function write(recipe: Recipe, finished = true): Promise<{ bytes: Buffer; tail: string }> {
  const sink = bufferSink()
  const rewrite = async (offset: bigint, bytes: Uint8Array) => {
    sink.bytes().set(bytes, Number(offset))
  }
  const { volume, image } = await writeRecipe(sink, recipe, undefined, () =>
    createVolume(sink, { tool: 'test', rewrite }),
  )
  if (finished) await volume.finish()
  return { bytes: sink.bytes(), tail: image.slice(UNNAMED.length) }
}

const nameOf = async (bytes: Buffer) => (await openVolume(bufferSource(bytes))).urn

test('what is written twice is the same to the last byte, and holds what it says', async (t) => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { bytes, tail } = await write(recipe)
      t.deepEqual((await write(recipe)).bytes, bytes)
      const volume = await openVolume(bufferSource(bytes))
      t.regex(volume.urn, /^aff4:\/\/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      t.deepEqual(volume.warnings, [])
      t.true((await readStream(volume, volume.urn + tail)).equals(expectedBytes(recipe.ranges)))
      t.deepEqual(faults(await check(bytes)), [])
    }),
    { numRuns: 25 },
  )
})

test('one byte of evidence that differs, wherever it stands, gives everything another name', async (t) => {
  const recipe: Recipe = {
    codec: 'zlib',
    chunkSize: 512,
    chunksPerBevy: 2,
    appended: false,
    ranges: [1, 2, 3, 4].map((seed, i) => ({ offset: i * 0x1000, length: 0x1000, content: 'bytes', seed })),
  }
  const names = new Set([await nameOf((await write(recipe)).bytes)])
  for (const changed of recipe.ranges) {
    const ranges = recipe.ranges.map((range) => (range === changed ? { ...range, seed: 99 } : range))
    names.add(await nameOf((await write({ ...recipe, ranges })).bytes))
  }
  names.add(await nameOf((await write({ ...recipe, ranges: recipe.ranges.slice(0, 3) })).bytes))
  t.is(names.size, 6)
})

test('a volume that has lost its end is put together under its name, one that got none under a new one', async (t) => {
  let rebuilt = 0
  await fc.assert(
    fc.asyncProperty(recipes, fc.boolean(), async (recipe, finished) => {
      const { bytes, tail } = await write(recipe, finished)
      const name = finished ? await nameOf(bytes) : undefined
      const end = finished ? bytes.indexOf('PK\x01\x02', 0, 'latin1') - 4200 : bytes.length
      const recovered = await recoverBytes(bytes.subarray(0, Math.max(end, 0)))
      if (!recovered) return
      const { volume } = recovered
      t.false(recovered.bytes.includes(UNNAMED))
      if (name !== undefined && end > 300) t.is(volume.urn, name)
      const image = volume.urn + tail
      if ([...volume.graph.predicates(image)].length === 0) return
      const stream = await openStream([volume], image).catch(() => undefined)
      if (!stream) return
      const expected = expectedBytes(recipe.ranges)
      for (const { start, length, content } of stream.extents()) {
        if (content !== 'stored') continue
        rebuilt++
        const read = await stream.read(start, Number(length))
        t.true(expected.subarray(Number(start), Number(start + length)).equals(read))
      }
    }),
    { numRuns: 60 },
  )
  t.true(rebuilt > 15)
})
