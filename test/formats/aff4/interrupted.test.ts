import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { Run } from '../../../src/formats/address-space.js'
import { aff4 } from '../../../src/formats/aff4/lexicon.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { rebuildWithPython, unzipComplaints } from './python.js'
import { expectedBytes, type Recipe, recipes, type Written, writeRecipe } from './recipe.js'

/** Writes a recipe onto a disk of so many bytes; when it is full, makes a volume of what is there. */
async function writeOntoFullDisk(recipe: Recipe, capacity: number) {
  const sink = bufferSink(capacity)
  let written: Written | undefined
  try {
    await writeRecipe(sink, recipe, (began) => {
      written = began
    })
    await written!.volume.finish()
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
  if (!written) return undefined
  const { volume, image, map } = written
  const handed = map.runs()
  const lost = await volume.dropUnflushed()
  sink.truncate(volume.intact)
  // The reserve that a tool kept on the disk.
  sink.capacity = Number(volume.intact) + volume.finishBytes
  await volume.finish()
  return { bytes: sink.bytes(), handed, lost, image }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const total = (runs: readonly Run[]) => runs.reduce((sum, { length }) => sum + length, 0n)

test('when the disk is full at any point, everything before the failed write opens', async (t) => {
  let full = 0
  await fc.assert(
    fc.asyncProperty(recipes, fc.integer({ min: 5, max: 99 }), async (recipe, percent) => {
      const sink = bufferSink()
      await (await writeRecipe(sink, recipe)).volume.finish()
      const outcome = await writeOntoFullDisk(recipe, Math.floor((percent / 100) * sink.bytes().length))
      if (!outcome) return
      full++
      const stream = await openStream([await openVolume(bufferSource(outcome.bytes))], outcome.image)
      const expected = expectedBytes(recipe.ranges)
      for (const { start, length } of stream.runs) {
        const bytes = await stream.read(start, Number(length))
        t.true(expected.subarray(Number(start), Number(start + length)).equals(bytes))
      }
      t.is(total(stream.runs) + total(outcome.lost), total(outcome.handed))
    }),
    { numRuns: 80 },
  )
  t.true(full > 30)
})

test('finishing needs no more than it says, whatever comes last', async (t) => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const sink = bufferSink()
      const { volume } = await writeRecipe(sink, recipe)
      await volume.dropUnflushed()
      const bound = volume.finishBytes
      const before = sink.position
      await volume.finish()
      t.true(Number(sink.position - before) <= bound)
    }),
    { numRuns: 50 },
  )
})

test('a volume cut anywhere is rebuilt by its local headers: every whole bevy, and where its bytes belong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-aff4-'))
  try {
    const cuts: { path: string; recipe: Recipe }[] = []
    for (const [index, recipe] of fc.sample(recipes, { numRuns: 30, seed: 7 }).entries()) {
      const sink = bufferSink()
      const { volume } = await writeRecipe(sink, recipe)
      const size = Number(volume.intact)
      await volume.finish()
      for (const share of [0.3, 0.6, 0.9, 1]) {
        const path = join(folder, `${index}-${share}.aff4`)
        await writeFile(path, sink.bytes().subarray(0, Math.floor(size * share)))
        cuts.push({ path, recipe })
      }
    }
    const rebuilt = rebuildWithPython(cuts.map(({ path }) => path))
    let whole = 0
    for (const [index, { recipe }] of cuts.entries()) {
      const { pieces, stored } = rebuilt[index]!
      const expected = expectedBytes(recipe.ranges)
      let placed = 0
      for (const [offset, length, digest] of pieces) {
        t.is(sha256(expected.subarray(offset, offset + length)), digest)
        placed += length
      }
      // What is not placed pads chunks: at the end of a range, and of the stream.
      t.true(stored - placed <= recipe.chunkSize * (recipe.ranges.length + 1))
      if (stored > 0) whole++
    }
    t.true(whole > 20)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('checkpoints are not in the directory, and no reader minds them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-aff4-'))
  try {
    const path = join(folder, 'volume.aff4')
    const sink = bufferSink()
    const ranges = [{ offset: 0, length: 60_000, content: 'bytes', seed: 1 }] as const
    const { volume } = await writeRecipe(sink, {
      codec: 'none',
      chunkSize: 4096,
      chunksPerBevy: 3,
      appended: true,
      ranges,
    })
    await volume.finish()
    await writeFile(path, sink.bytes())
    t.is(unzipComplaints(path), '')
    const { members } = rebuildWithPython([path])[0]!
    const checkpoints = members.filter((name) => name.includes('/checkpoint/'))
    // Five bevies: a delta of the map before each, its one target once, the statements once.
    t.is(checkpoints.filter((name) => name.endsWith('.map')).length, 5)
    t.is(checkpoints.filter((name) => name.endsWith('.idx')).length, 1)
    t.is(checkpoints.filter((name) => name.startsWith('information.turtle')).length, 1)
    const { graph, find } = await openVolume(bufferSource(sink.bytes()))
    t.is(find(`${volume.urn}/information.turtle/checkpoint/00000000`), undefined)
    t.true([...graph.subjects()].some((subject) => graph.isA(subject, aff4('Map'))))
  } finally {
    await rm(folder, { recursive: true })
  }
})
