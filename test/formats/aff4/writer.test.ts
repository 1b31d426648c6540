import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { compress } from '../../../src/codecs/codec.js'
import { aff4, int, iri, RDF_TYPE, text } from '../../../src/formats/aff4/lexicon.js'
import { pathUrn } from '../../../src/formats/aff4/names.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { readWithPython, unzipComplaints } from './python.js'
import { expectedBytes, type Recipe, recipes, writeRecipe } from './recipe.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-aff4-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function finished(recipe: Recipe) {
  const sink = bufferSink()
  const { volume, image, map } = await writeRecipe(sink, recipe)
  await volume.finish()
  return { bytes: sink.bytes(), image, map: map.urn }
}

test('volumes of every codec, chunk size and range shape read back as what was written', async (t) => {
  await fc.assert(
    fc.asyncProperty(recipes, async (recipe) => {
      const { bytes, image } = await finished(recipe)
      const stream = await openStream([await openVolume(bufferSource(bytes))], image)
      const expected = expectedBytes(recipe.ranges)
      t.is(stream.size, BigInt(expected.length))
      const read = await stream.read(0n, expected.length)
      t.true(expected.equals(read))
    }),
    { numRuns: 150 },
  )
})

test("Python's zipfile, rdflib, zlib, snappy and lz4 read the same from them, and unzip has no complaint", async (t) => {
  await inFolder(async (folder) => {
    const made = await Promise.all(
      fc.sample(recipes, { numRuns: 40, seed: 1 }).map(async (recipe, index) => {
        const path = join(folder, `${index}.aff4`)
        const { bytes, image, map } = await finished(recipe)
        await writeFile(path, bytes)
        t.true(bytes.length >= 4096)
        return { path, image, map, recipe }
      }),
    )
    for (const { path } of made) t.is(unzipComplaints(path), '')
    const volumes = readWithPython(made.map(({ path }) => path))
    for (const [index, { image, map, recipe }] of made.entries()) {
      const { objects } = volumes[index]!
      t.is(objects[image]?.dataStream, map)
      t.is(objects[map]?.sha256, sha256(expectedBytes(recipe.ranges)))
      const images = Object.values(objects).filter(({ types }) => types.includes('Image'))
      t.is(images.length, 1)
    }
  })
})

test('an empty image and one of holes alone have a map and no image stream', async (t) => {
  await inFolder(async (folder) => {
    const recipe = { codec: 'none', chunkSize: 4096, chunksPerBevy: 2, appended: true } as const
    const hole = { offset: 4096, length: 1 << 16, content: 'unreadable', seed: 0 } as const
    const made = [
      { path: join(folder, 'empty'), ranges: [] },
      { path: join(folder, 'holes'), ranges: [hole] },
    ]
    for (const { path, ranges } of made) await writeFile(path, (await finished({ ...recipe, ranges })).bytes)
    const [empty, holes] = readWithPython(made.map(({ path }) => path)).map(({ objects }) =>
      Object.values(objects),
    )
    t.is(empty!.find(({ types }) => types.includes('Map'))?.size, 0)
    t.is(holes!.find(({ types }) => types.includes('Map'))?.sha256, sha256(expectedBytes([hole])))
    for (const objects of [empty!, holes!])
      t.false(objects.some(({ types }) => types.includes('ImageStream')))
  })
})

test('ranges at 2^52, holes of 2^40 bytes and addresses at the end of 64 bits are kept to the byte', async (t) => {
  await inFolder(async (folder) => {
    const sink = bufferSink()
    const volume = await createVolume(sink, { tool: 'test' })
    const map = volume.map()
    const stream = volume.imageStream({ chunkSize: 4096 }, map)
    const page = Buffer.alloc(4096, 'page')
    const last = (1n << 64n) - 4096n
    map.addSymbolic(0n, 1n << 40n, 'zero')
    for (const offset of [1n << 52n, last]) {
      map.add({ offset, length: 4096n, targetOffset: stream.position, target: stream.urn })
      stream.append(page)
    }
    map.addSymbolic((1n << 52n) + 4096n, 1n << 40n, 'unreadable')
    await volume.finish()

    const path = join(folder, 'far.aff4')
    await writeFile(path, sink.bytes())
    const [python] = readWithPython([path], false)
    t.deepEqual(python!.objects[map.urn]!.entries, [
      ['0', String(1n << 40n), '0', aff4('Zero')],
      [String(1n << 52n), '4096', '0', stream.urn],
      [String((1n << 52n) + 4096n), String(1n << 40n), String((1n << 52n) + 4096n), aff4('UnreadableData')],
      [String(last), '4096', '4096', stream.urn],
    ])
    const back = await openStream([await openVolume(bufferSource(sink.bytes()))], map.urn)
    t.is(back.size, 1n << 64n)
    t.true(page.equals(await back.read(last, 4096)))
    t.deepEqual(back.runs, [
      { start: 0n, length: 1n << 40n },
      { start: 1n << 52n, length: 4096n + (1n << 40n) },
      { start: last, length: 4096n },
    ])
  })
})

test('70,000 ranges that arrive backwards are written in order', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const map = volume.map()
  const count = 70_000
  for (let index = count - 1; index >= 0; index--) map.addSymbolic(BigInt(index) * 8192n, 4096n, index % 251)
  await volume.finish()
  const back = await openStream([await openVolume(bufferSource(sink.bytes()))], map.urn)
  let next = 0
  for (const { start, length, content } of back.extents()) {
    t.is(start, BigInt(next) * 8192n)
    t.is(length, 4096n)
    t.is(content, next % 251 === 0 ? 'zero' : next % 251)
    next++
  }
  t.is(next, count)
})

test('entries that continue one another become one', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const map = volume.map()
  for (const offset of [8192n, 0n, 4096n]) map.addSymbolic(offset, 4096n, 'zero')
  map.addSymbolic(12288n, 4096n, 'unknown')
  await map.close()
  await volume.finish()
  const back = await openStream([await openVolume(bufferSource(sink.bytes()))], map.urn)
  t.deepEqual(
    [...back.extents()],
    [
      { start: 0n, length: 12288n, content: 'zero' },
      { start: 12288n, length: 4096n, content: 'unknown' },
    ],
  )
})

test('entries that overlap are refused by address, and can be settled', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const map = volume.map()
  map.addSymbolic(0x2000n, 0x2000n, 'unknown')
  map.addSymbolic(0x1000n, 0x1800n, 'zero')
  map.addSymbolic(0x2100n, 0x100n, 'unreadable')
  const error = await t.throwsAsync(map.close(), { instanceOf: FormatError })
  t.regex(error.message, /overlap at 0x2000/)
  t.deepEqual(map.settleOverlaps(), [
    { start: 0x2000n, length: 0x800n },
    { start: 0x2100n, length: 0x100n },
  ])
  await volume.finish()
  const back = await openStream([await openVolume(bufferSource(sink.bytes()))], map.urn)
  t.deepEqual(
    [...back.extents()],
    [
      { start: 0x1000n, length: 0x1800n, content: 'zero' },
      { start: 0x2800n, length: 0x1800n, content: 'unknown' },
    ],
  )
})

test('cover fills what no entry covers', async (t) => {
  const volume = await createVolume(bufferSink(), { tool: 'test' })
  const map = volume.map()
  map.addSymbolic(0x2000n, 0x1000n, 'zero')
  map.addSymbolic(0x5000n, 0x1000n, 'zero')
  map.cover(
    [
      { start: 0x1000n, length: 0x3000n },
      { start: 0x5800n, length: 0x1000n },
    ],
    'unknown',
  )
  t.deepEqual(map.runs(), [
    { start: 0x1000n, length: 0x3000n },
    { start: 0x5000n, length: 0x1800n },
  ])
})

test('a chunk whose stored form would pass for a raw one, or of a second codec, is refused', async (t) => {
  const volume = await createVolume(bufferSink(), { tool: 'test' })
  const stream = volume.imageStream({ chunkSize: 4096 })
  const chunk = Buffer.alloc(4096)
  const decode = () => chunk
  for (const length of [0, 4096, 4097])
    t.throws(() => stream.add('zlib', Buffer.alloc(length), decode), { instanceOf: RangeError })
  stream.add('zlib', compress('zlib', chunk), decode)
  t.throws(() => stream.add('snappy', compress('snappy', chunk), decode), { instanceOf: RangeError })
  t.is(stream.codec, 'zlib')
})

test('files keep their path as member, and what cannot be one gets a name of its own', async (t) => {
  await inFolder(async (folder) => {
    const sink = bufferSink()
    const volume = await createVolume(sink, { tool: 'a=b\nc' })
    const paths = [
      '/proc/kallsyms',
      'C:\\Windows\\a b.sys',
      '/boot/ネコ 100%.txt',
      '//x//y',
      '/empty',
      'w?[1]#"|',
    ]
    const names = [
      'proc/kallsyms',
      'C%3A/Windows/a%2520b.sys',
      'boot/ネコ%2520100%2525.txt',
      'x/y',
      'empty',
      'w%253F%255B1%255D%2523%2522%257C',
    ]
    const contents = paths.map((path) => Buffer.from(path === '/empty' ? '' : path.repeat(99)))
    const urns = paths.map((path) => pathUrn(path, volume.urn)!)
    for (const [index, urn] of urns.entries()) {
      volume.declare(urn, 'FileImage', 'ZipSegment')
      await volume.segment(urn, contents[index]!)
      t.true(volume.has(urn))
    }
    for (const path of [
      '',
      '/',
      '..',
      '/version.txt',
      'information.turtle/checkpoint/1',
      'container.description',
    ])
      t.is(pathUrn(path, volume.urn), undefined)
    await volume.finish()
    const path = join(folder, 'files.aff4')
    await writeFile(path, sink.bytes())
    t.is(unzipComplaints(path), '')
    const opened = await openVolume(bufferSource(sink.bytes()))
    for (const [index, urn] of urns.entries()) {
      const stream = await openStream([opened], urn)
      t.true(contents[index]!.equals(await stream.read(0n, Number(stream.size))))
    }
    const { members } = readZip(path)
    t.deepEqual(members.slice(2, -1), names)
    t.is(opened.version?.tool, 'a b c')
  })
  function readZip(path: string): { members: string[] } {
    return readWithPython([path], false)[0]!
  }
})

test('what a turtle may hold comes back from rdflib as it went in', async (t) => {
  await inFolder(async (folder) => {
    const sink = bufferSink()
    const volume = await createVolume(sink, { tool: 'test' })
    const strings = [
      '"quoted" \\ back',
      'line\nand\ttab\r',
      '\u0001\u007f',
      'ネコ 🐈',
      '',
      "'''",
      '<>',
      '@prefix',
    ]
    for (const value of strings) volume.graph.add('aff4://x', aff4('notes'), text(value))
    volume.graph.add('aff4://x', 'http://example.org/a b{c}', iri('http://example.org/<odd>'), int(5))
    volume.graph.add('aff4://x', RDF_TYPE, iri(aff4('memory/physical')))
    await volume.finish()
    const path = join(folder, 'turtle.aff4')
    await writeFile(path, sink.bytes())
    const facts = readWithPython([path], false)[0]!.properties['aff4://x']!
    t.deepEqual([...facts[aff4('notes')]!].sort(), [...strings].sort())
    t.deepEqual(facts['http://example.org/a%20b%7Bc%7D']!.sort(), ['5', 'http://example.org/%3Codd%3E'])
    t.deepEqual(facts[RDF_TYPE], [aff4('memory/physical')])
  })
})

test('a volume of version 1.1 names its members by their URNs as they are', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test', minor: 1 })
  const map = volume.map()
  const stream = volume.imageStream({ chunkSize: 512 }, map)
  stream.append(Buffer.alloc(512, 'm'))
  map.add({ offset: 0n, length: 512n, targetOffset: 0n, target: stream.urn })
  const file = `${volume.urn}//etc/a%20file%25.txt`
  volume.declare(file, 'FileImage', 'Image', 'ZipSegment')
  await volume.segment(file, Buffer.from('hello'))
  t.true(volume.has(file))
  await volume.finish()
  const read = await openVolume(bufferSource(sink.bytes()))
  t.like(read.version, { major: 1, minor: 1 })
  for (const name of ['/etc/a file%25.txt', `${map.urn}/map`, `${map.urn}/idx`, `${stream.urn}/00000000`])
    t.true(read.members.has(name), name)
  t.deepEqual(Buffer.from(await read.read(read.find(file)!, 5n)), Buffer.from('hello'))
  t.is((await (await openStream([read], map.urn)).read(0n, 512)).length, 512)
})
