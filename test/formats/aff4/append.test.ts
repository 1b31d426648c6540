import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { DataFactory } from 'n3'
import { setGuard, undoAppend } from '../../../src/formats/aff4/append-guard.js'
import { PMEM2015 } from '../../../src/formats/aff4/dialect.js'
import { aff4, RDF_TYPE, text } from '../../../src/formats/aff4/lexicon.js'
import { readOldVolume } from '../../../src/formats/aff4/old-volume.js'
import { listStreams, openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume, type Volume } from '../../../src/formats/aff4/volume.js'
import { openVolumeFile } from '../../../src/formats/aff4/volume-file.js'
import { continueVolume, createVolume, type VolumeWriter } from '../../../src/formats/aff4/writer.js'
import type { ByteSink } from '../../../src/formats/byte-source.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { compareWithPython, readWithPython, unzipComplaints } from './python.js'
import { contentOf as contentOfSeed, expectedBytes, type Recipe, recipes, writeRecipe } from './recipe.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A sink that stands at the end of what is there. */
async function behind(old: Buffer, capacity?: number) {
  const sink = bufferSink(capacity === undefined ? undefined : old.length + capacity)
  await sink.write(old)
  return sink
}

const continued = (sink: ByteSink, old: Buffer) => async (): Promise<VolumeWriter> =>
  continueVolume(sink, await readOldVolume(bufferSource(old)))

async function append(old: Buffer, recipe: Recipe): Promise<{ bytes: Buffer; image: string }> {
  const sink = await behind(old)
  const { volume, image } = await writeRecipe(sink, recipe, () => {}, continued(sink, old))
  await volume.finish()
  return { bytes: sink.bytes(), image }
}

async function contentOf(volume: Volume, urn: string): Promise<Buffer> {
  const { size, read } = await openStream([volume], urn)
  return Buffer.from(await read(0n, Number(size)))
}

test('ten appends in a row: every stream of every one opens, and no byte that was there changes', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-append-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const paths: string[] = []
  const wanted: Map<string, string>[] = []
  await fc.assert(
    fc.asyncProperty(fc.array(recipes, { minLength: 11, maxLength: 11 }), async ([first, ...more]) => {
      const sink = bufferSink()
      const begun = await writeRecipe(sink, first!)
      await begun.volume.finish()
      const images = new Map([[begun.image, sha256(expectedBytes(first!.ranges))]])
      let bytes = sink.bytes()
      for (const recipe of more) {
        const next = await append(bytes, recipe)
        t.true(next.bytes.subarray(0, bytes.length).equals(bytes))
        bytes = next.bytes
        images.set(next.image, sha256(expectedBytes(recipe.ranges)))
      }
      const volume = await openVolume(bufferSource(bytes))
      t.is(volume.urn, begun.volume.urn)
      for (const [image, sum] of images) t.is(sha256(await contentOf(volume, image)), sum)
      const name = path.join(folder, `${paths.length}.aff4`)
      writeFileSync(name, bytes)
      t.is(unzipComplaints(name), '')
      paths.push(name)
      wanted.push(images)
    }),
    { numRuns: 6 },
  )
  for (const [index, volume] of readWithPython(paths).entries())
    for (const [image, sum] of wanted[index]!)
      t.is(volume.objects[volume.objects[image]!.dataStream!]!.sha256, sum)
})

/** A recipe that goes over several bevies. */
const RECIPE: Recipe = {
  codec: 'zlib',
  chunkSize: 4096,
  chunksPerBevy: 3,
  appended: false,
  ranges: [
    { offset: 0, length: 30_000, content: 'bytes', seed: 1 },
    { offset: 40_000, length: 5_000, content: 'unreadable', seed: 0 },
    { offset: 50_000, length: 30_000, content: 'bytes', seed: 3 },
  ],
}

test('reference volumes that are appended to keep their streams, members and facts, for Python as for us', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-append-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['Base-Allocated.aff4', 'dream.aff4', 'pmem2015.aff4']) {
    const reference = path.join('test/data/aff4', name)
    const old = readFileSync(reference)
    const before = await openVolume(bufferSource(old))
    const first = await append(old, RECIPE)
    const second = await append(first.bytes, RECIPE)
    t.true(second.bytes.subarray(0, old.length).equals(old))
    const after = await openVolume(bufferSource(second.bytes))
    t.deepEqual(
      [...after.members].filter(([member]) => before.members.has(member) && member !== 'information.turtle'),
      [...before.members].filter(([member]) => member !== 'information.turtle'),
    )
    for (const { urn } of await listStreams([before]))
      t.is(sha256(await contentOf(after, urn)), sha256(await contentOf(before, urn)), urn)
    for (const image of [first.image, second.image])
      t.is(sha256(await contentOf(after, image)), sha256(expectedBytes(RECIPE.ranges)))
    t.is(after.urn, before.urn)
    t.deepEqual(after.version, before.version)
    const grown = path.join(folder, name)
    writeFileSync(grown, second.bytes)
    t.deepEqual(compareWithPython(reference, grown), { lost: [], changed: [], comment: after.urn })
  }
})

test('cut at any write of an append, or within one, a volume reads as it was, and undo restores it', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-append-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const name = path.join(folder, 'out.aff4')
  const sink = bufferSink()
  const { volume, image } = await writeRecipe(sink, RECIPE)
  await volume.finish()
  const old = sink.bytes()
  const next = await behind(old)
  const cuts = new Set<number>()
  const watched: ByteSink = {
    name: 'watched',
    get position() {
      return next.position
    },
    async write(...pieces) {
      for (const piece of pieces) {
        cuts.add(Number(next.position)).add(Number(next.position) + (piece.length >> 1))
        await next.write(piece)
      }
    },
  }
  const more = await writeRecipe(watched, RECIPE, () => {}, continued(watched, old))
  await more.volume.finish()
  t.true(cuts.size > 40)
  const digest = sha256(expectedBytes(RECIPE.ranges))
  for (const cut of [...cuts, next.bytes().length]) {
    writeFileSync(name, old)
    await setGuard(name)
    writeFileSync(name, next.bytes().subarray(0, cut))
    t.is(sha256(await contentOf(await openVolumeFile(name), image)), digest)
    await undoAppend(name)
    t.true(readFileSync(name).equals(old))
  }
})

test('a volume of 2015 goes on in its own words, though what it holds is spelt alike in all', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test', dialect: PMEM2015 })
  await volume.segment(`${volume.urn}/file`, Buffer.from('content'))
  await volume.finish()
  const { dialect, graph } = await readOldVolume(bufferSource(sink.bytes()))
  t.is(dialect, PMEM2015)
  t.is(graph.value(volume.urn, RDF_TYPE), aff4('ZipVolume'))
  const next = await behind(sink.bytes())
  const writer = await continued(next, sink.bytes())()
  const urn = `${volume.urn}/stream`
  const stream = writer.imageStream({ urn, chunkSize: 512 })
  const content = contentOfSeed(1, 10_000)
  stream.append(content)
  await stream.close(10_000n)
  await writer.finish()
  const after = await openVolume(bufferSource(next.bytes()))
  t.is(after.dialect, PMEM2015)
  t.is(after.version, undefined)
  t.true((await contentOf(after, urn)).equals(content))
})

test('what could be opened no more, or not as what it is, is not appended to', async (t) => {
  for (const [name, why] of [
    ['Base-Linear-prestandard.af4', /before the Standard/],
    ['encrypted.aff4', /encrypted/],
  ] as const)
    await t.throwsAsync(readOldVolume(bufferSource(readFileSync(path.join('test/data/aff4', name)))), {
      message: why,
    })
})

test('blank nodes of one append stay apart from those of another', async (t) => {
  const sink = bufferSink()
  const { volume } = await writeRecipe(sink, { ...RECIPE, ranges: [] })
  await volume.finish()
  let bytes = sink.bytes()
  for (const name of ['first', 'second']) {
    const next = await behind(bytes)
    const writer = await continued(next, bytes)()

    const label = DataFactory.blankNode('n')
    writer.graph.add(writer.urn, 'http://example.org/has', label)
    writer.graph.add('_:n', 'http://example.org/name', text(name))
    await writer.finish()
    bytes = next.bytes()
  }
  const { graph, urn } = await openVolume(bufferSource(bytes))
  const nodes = graph.all(urn, 'http://example.org/has').map(({ id }) => id)
  t.deepEqual(
    nodes.map((node) => graph.all(node, 'http://example.org/name').map(({ value }) => value)),
    [['first'], ['second']],
  )
})

test('a volume behind other bytes whose offsets do not count them keeps that way of counting', async (t) => {
  const sink = bufferSink()
  const { volume, image } = await writeRecipe(sink, RECIPE)
  await volume.finish()
  const old = Buffer.concat([Buffer.alloc(5000, '#!'), sink.bytes()])
  const next = await append(old, RECIPE)
  t.true(next.bytes.subarray(0, old.length).equals(old))
  const grown = await openVolume(bufferSource(next.bytes))
  for (const urn of [image, next.image])
    t.is(sha256(await contentOf(grown, urn)), sha256(expectedBytes(RECIPE.ranges)))
  const whole = await openVolume(bufferSource(next.bytes.subarray(5000)))
  t.is(sha256(await contentOf(whole, next.image)), sha256(expectedBytes(RECIPE.ranges)))
})

test('an append to a full disk can be finished with what came, in the room that it says it needs', async (t) => {
  const sink = bufferSink()
  const first = await writeRecipe(sink, RECIPE)
  await first.volume.finish()
  const old = sink.bytes()
  const { bytes } = await append(old, RECIPE)
  let full = 0
  for (let capacity = 0; capacity < bytes.length - old.length; capacity += 997) {
    const small = await behind(old, capacity)
    let writer: VolumeWriter | undefined
    try {
      const written = await writeRecipe(
        small,
        RECIPE,
        (begun) => {
          writer = begun.volume
        },
        continued(small, old),
      )
      await written.volume.finish()
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, 'ENOSPC')
      full++
      await writer!.dropUnflushed()
      t.true(writer!.intact >= BigInt(old.length))
      small.truncate(writer!.intact)
      small.capacity = Number(writer!.intact) + writer!.finishBytes
      await writer!.finish()
      t.true(small.bytes().subarray(0, old.length).equals(old))
      const volume = await openVolume(bufferSource(small.bytes()))
      t.is(sha256(await contentOf(volume, first.image)), sha256(expectedBytes(RECIPE.ranges)))
    }
  }
  t.true(full > 10)
})

test('a comment of any length that is no URN keeps nobody from appending', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  await volume.segment(`${volume.urn}/file`, Buffer.from('content'))
  await volume.finish()
  const plain = sink.bytes()
  const length = plain.lastIndexOf('PK\x05\x06') + 20
  const old = Buffer.concat([plain.subarray(0, length), Buffer.alloc(2 + 0xffff, 0xff)])
  const next = await behind(old)
  const more = await continued(next, old)()
  await more.segment(`${more.urn}/another`, Buffer.from('content'))
  await more.finish()
  const after = await openVolume(bufferSource(next.bytes()))
  t.is(after.urn, volume.urn)
  t.deepEqual(after.warnings, [])
  t.truthy(after.find(`${volume.urn}/file`) && after.find(`${volume.urn}/another`))
})
