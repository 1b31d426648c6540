import test from 'ava'
import fc from 'fast-check'
import type { Run } from '../../../src/formats/address-space.js'
import { UNNAMED } from '../../../src/formats/aff4/content-name.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { expectedBytes, type Recipe, recipes, type Written, writeRecipe } from './recipe.js'
import { readStream, recoverBytes } from './recover/recovering.js'
import { check, faults } from './verify/check.js'

/** Begins a volume that is called by its content. */
const begin = (sink: ReturnType<typeof bufferSink>) => () =>
  createVolume(sink, {
    tool: 'test',
    rewrite: async (offset, bytes) => sink.bytes().set(bytes, Number(offset)),
  })

/** Such a volume, finished or as far as a crash has let it come. */
async function write(recipe: Recipe, finished = true): Promise<{ bytes: Buffer; tail: string }> {
  const sink = bufferSink()
  const { volume, image } = await writeRecipe(sink, recipe, undefined, begin(sink))
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

test('on a full disk it is finished with what came, in the room that it says it needs', async (t) => {
  let full = 0
  await fc.assert(
    fc.asyncProperty(recipes, fc.integer({ min: 10, max: 99 }), async (recipe, percent) => {
      const whole = (await write(recipe)).bytes
      const sink = bufferSink(Math.floor((percent / 100) * whole.length))
      let written: Written | undefined
      const began = (beginning: Written) => {
        written = beginning
      }
      try {
        const { volume } = await writeRecipe(sink, recipe, began, begin(sink))
        await volume.finish()
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
      if (!written) return
      full++
      const { volume, map, image } = written
      const handed = map.runs()
      const lost = await volume.dropUnflushed()
      sink.truncate(volume.intact)
      sink.capacity = Number(volume.intact) + volume.finishBytes
      await volume.finish()
      const found = await openVolume(bufferSource(sink.bytes()))
      t.not(found.urn, UNNAMED)
      t.deepEqual(faults(await check(sink.bytes())), [])
      const stream = await openStream([found], found.urn + image.slice(UNNAMED.length))
      const expected = expectedBytes(recipe.ranges)
      for (const { start, length } of stream.runs) {
        const bytes = await stream.read(start, Number(length))
        t.true(expected.subarray(Number(start), Number(start + length)).equals(bytes))
      }
      const total = (runs: readonly Run[]) => runs.reduce((sum, { length }) => sum + length, 0n)
      t.is(total(stream.runs) + total(lost), total(handed))
    }),
    { numRuns: 40 },
  )
  t.true(full > 12)
})
