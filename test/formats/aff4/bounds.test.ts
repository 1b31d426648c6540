import { spawnSync } from 'node:child_process'
import { deflateRawSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { createTurtleReader } from '../../../src/formats/aff4/turtle.js'
import { openVolume, openVolumeIn } from '../../../src/formats/aff4/volume.js'
import { openVolumeFile } from '../../../src/formats/aff4/volume-file.js'
import { openMember, readDirectory } from '../../../src/formats/aff4/zip/reader.js'
import { createZipWriter } from '../../../src/formats/aff4/zip/writer.js'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { packageFile } from '../../frames/support.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { memoryContainer } from './memory-container.js'
import { contentOf } from './recipe.js'

const VOLUME = 'aff4://11111111-1111-4111-8111-111111111111'
const AFF4 = 'http://aff4.org/Schema#'
const MiB = 1 << 20

async function zipOf(members: Record<string, Buffer | string>): Promise<Buffer> {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  for (const [name, content] of Object.entries({ 'container.description': VOLUME, ...members }))
    await zip.write({ name, pieces: [Buffer.from(content)] })
  await zip.finish(VOLUME)
  return sink.bytes()
}

test('opening a volume of 100,000 members reads its directory and its turtle, and nothing else', async (t) => {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const count = 100_000
  await zip.write({ name: 'container.description', pieces: [Buffer.from(VOLUME)] })
  const files = Array.from({ length: count }, (_, number) => ({
    name: `folder/${number}`,
    pieces: [Buffer.from(`content of ${number}`)],
  }))
  for (let at = 0; at < count; at += 1000) await zip.write(...files.slice(at, at + 1000))
  const evidence = { start: 0n, end: sink.position }
  const turtle = files.map(({ name }) => `<${VOLUME}/${name}> a <${AFF4}ZipSegment> .\n`).join('')
  await zip.write({ name: 'information.turtle', pieces: [Buffer.from(turtle)] })
  await zip.finish(VOLUME)
  const bytes = bufferSource(sink.bytes())
  let read = 0
  let ofEvidence = 0
  const source: ByteSource = {
    ...bytes,
    size: bytes.size,
    async read(offset, length) {
      const piece = await bytes.read(offset, length)
      read += piece.length
      // The description at the beginning is read, and the headers of members say where they begin.
      if (offset >= evidence.start && offset < evidence.end) ofEvidence += piece.length
      return piece
    },
  }
  const volume = await openVolume(source)
  t.is(volume.members.size, count + 2)
  t.true(ofEvidence < 200, `${ofEvidence} bytes of members`)
  const rest = Number(bytes.size - evidence.end)
  t.true(read < rest * 1.05 + 200_000, `${read} bytes of ${rest}`)
  t.true(bytes.largestRead <= MiB)
  const one = await openStream([volume], `${VOLUME}/folder/77777`)
  t.is(Buffer.from(await one.read(0n, Number(one.size))).toString(), 'content of 77777')
})

test('a map of 64 GiB is read in flat memory', async (t) => {
  const count = 1 << 16
  const entries = Buffer.alloc(28 * count)
  for (let number = 0; number < count; number++) {
    entries.writeBigUInt64LE(BigInt(number) << 20n, 28 * number)
    entries.writeBigUInt64LE(4096n, 28 * number + 8)
    entries.writeBigUInt64LE(BigInt((number * 7919) % 2047) * 4096n, 28 * number + 16)
  }
  const chunks = 256
  const index = Buffer.alloc(12 * chunks)
  for (let chunk = 0; chunk < chunks; chunk++) {
    index.writeBigUInt64LE(BigInt(chunk * 32768), 12 * chunk)
    index.writeUInt32LE(32768, 12 * chunk + 8)
  }
  const volume = await openVolumeIn(
    memoryContainer({
      'container.description': VOLUME,
      'map/map': entries,
      'map/idx': `${VOLUME}/data\n`,
      'data/00000000': contentOf(1, 32768 * chunks),
      'data/00000000.index': index,
      'information.turtle': `<${VOLUME}/map> a <${AFF4}Map> ; <${AFF4}size> ${64n << 30n} .
        <${VOLUME}/data> a <${AFF4}ImageStream> ; <${AFF4}size> ${chunks * 32768} ; <${AFF4}compressionMethod> <${AFF4}NullCompressor> .`,
    }),
  )
  const stream = await openStream([volume], `${VOLUME}/map`)
  t.is(stream.size, 64n << 30n)
  t.is(stream.runs.length, count)
  await stream.read(0n, 8192)
  const before = process.memoryUsage()
  for (let number = 1; number < count; number++) await stream.read(BigInt(number) << 20n, 8192)
  const after = process.memoryUsage()
  const grown = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
  t.true(grown < 200 * MiB, `${grown >> 20} MiB more`)
})

test('an index that claims 2^31 entries is refused before anything is allocated', async (t) => {
  const said = (perBevy: string) =>
    `<${VOLUME}/data> a <${AFF4}ImageStream> ; <${AFF4}size> 4096 ; <${AFF4}chunkSize> 4096 ;
     <${AFF4}chunksInSegment> ${perBevy} .`
  const claimed = await zipOf({ 'information.turtle': said('2147483648') })
  await t.throwsAsync(
    openVolume(bufferSource(claimed)).then((volume) => openStream([volume], `${VOLUME}/data`)),
    { instanceOf: FormatError, message: /2147483648 chunks in a bevy/ },
  )
  // A few deflated bytes that claim to be 2 GiB.
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const zeros = Buffer.alloc(12_000)
  await zip.write(
    { name: 'container.description', pieces: [Buffer.from(VOLUME)] },
    { name: 'information.turtle', pieces: [Buffer.from(said('1024'))] },
    { name: 'data/00000000', pieces: [Buffer.alloc(4096)] },
    { name: 'data/00000000.index', pieces: [deflateRawSync(zeros)], inflated: zeros },
  )
  await zip.finish(VOLUME)
  const bytes = sink.bytes()
  bytes.writeUInt32LE(0x7fffffff, bytes.lastIndexOf('data/00000000.index') - 46 + 24)
  const volume = await openVolume(bufferSource(bytes))
  const stream = await openStream([volume], `${VOLUME}/data`)
  await t.throwsAsync(stream.read(0n, 4096), {
    instanceOf: FormatError,
    message: /data\/00000000\.index: 2147483647 bytes are too many \(at 0x/,
  })
})

test('members that share bytes are refused, by name and place', async (t) => {
  const bytes = await zipOf({
    'information.turtle': 'x',
    first: contentOf(1, 5000),
    second: contentOf(2, 5000),
  })
  const { members } = await readDirectory(bufferSource(bytes))
  const entry = bytes.lastIndexOf('second') - 46
  for (const at of [members.get('first')!.headerOffset, members.get('first')!.headerOffset + 100n]) {
    bytes.writeUInt32LE(Number(at), entry + 42)
    await t.throwsAsync(openVolume(bufferSource(bytes)), {
      instanceOf: FormatError,
      message: /(second overlaps first|first overlaps second) \(at 0x/,
    })
  }
})

test('a large deflated member is inflated as it is read, in any order, and checked at its end', async (t) => {
  const content = Buffer.concat(Array.from({ length: 40 }, (_, seed) => contentOf(seed, 250_000)))
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  await zip.write({ name: 'file', pieces: [deflateRawSync(content)], inflated: content })
  await zip.finish(VOLUME)
  const bytes = sink.bytes()
  const source = bufferSource(bytes)
  const member = (await readDirectory(source)).members.get('file')!
  const file = await openMember(source, member)
  source.largestRead = 0
  const places = fc.record({ at: fc.nat({ max: content.length + 10 }), length: fc.nat({ max: 70_000 }) })
  await fc.assert(
    fc.asyncProperty(places, async ({ at, length }) => {
      const piece = await file.read(BigInt(at), length)
      return content.subarray(at, at + length).equals(piece)
    }),
    { numRuns: 20 },
  )
  t.true(source.largestRead <= MiB)
  await file.close()
  const all = async (changed: typeof member) => {
    const damaged = await openMember(source, changed)
    const read = damaged.read(0n, Number(changed.size))
    await read.finally(() => damaged.close())
  }
  await t.throwsAsync(all({ ...member, crc: 1 }), { message: /file: CRC does not match \(at 0x0\)/ })
  await t.throwsAsync(all({ ...member, size: member.size - 1n }), {
    message: /inflates to more than 9999999/,
  })
  await t.throwsAsync(all({ ...member, size: member.size + 1n }), {
    message: /inflates to 10000000 bytes, not/,
  })
  bytes.fill(0xff, 200_000, 200_020)
  await t.throwsAsync(all(member), { instanceOf: FormatError })
})

test('a folder that is no volume is told before it is walked', async (t) => {
  await t.throwsAsync(openVolumeFile('/usr'), {
    instanceOf: FormatError,
    message: /^\/usr: a folder without a container.description: no AFF4 volume$/,
  })
})

test('a stub that says all of a stream but holds none of it names the volume that does', async (t) => {
  const other = VOLUME.replaceAll('1', '2')
  const stub = `<${VOLUME}/data> a <${AFF4}ImageStream> ; <${AFF4}size> 4096 ; <${AFF4}chunkSize> 4096 ; <${AFF4}stored> <${other}> .
    <${VOLUME}/map> a <${AFF4}Map> ; <${AFF4}size> 4096 .`
  const volume = await openVolumeIn(
    memoryContainer({
      'container.description': VOLUME,
      'map/map': Buffer.alloc(28),
      'map/idx': `${VOLUME}/data\n`,
      'information.turtle': stub,
    }),
  )
  for (const name of ['data', 'map'])
    await t.throwsAsync(openStream([volume], `${VOLUME}/${name}`), {
      instanceOf: FormatError,
      message: `memory: ${VOLUME}/data is in volume ${other}, which is not given`,
    })
})

test('turtle that never ends, nests without end or floods is refused in bounded time and memory', (t) => {
  const hostile: [string, string, string][] = [
    ['literal', '<a> <b> "', 'x'],
    ['long literal', '<a> <b> """', 'x"y\n'],
    ['escapes', '<a> <b> "', '\\u0041'],
    ['IRI', '<a> <b> <', 'x'],
    ['nesting', '<a> <b> ', '[ <p> '],
    ['comment', '# ', 'x'],
    ['nothing', '', '\n'],
  ]
  for (const [what, begin, more] of hostile) {
    let fed = 0
    const reader = createTurtleReader(VOLUME, () => {})
    const piece = more.repeat(MiB / more.length)
    const error = t.throws(
      () => {
        reader.write(begin)
        for (; fed < 100; fed++) reader.write(piece)
      },
      { instanceOf: FormatError },
      what,
    )
    t.regex(error?.message ?? '', /^turtle: a statement of more than 4 MiB/, what)
    t.true(fed < 10, what)
  }
})

test('turtle of more statements than memory holds is refused, not died of', (t) => {
  const module = packageFile('dist/src/formats/aff4/turtle.js').href
  const script = `import { createGraph, createTurtleReader } from '${module}'
    const graph = createGraph()
    const reader = createTurtleReader('x:', ({ subject, predicate, object }) => graph.add(subject, predicate, object))
    const piece = '[] <b> [] .\\n'.repeat(20_000)
    for (;;) reader.write(piece)`
  const args = ['--max-old-space-size=96', '--input-type=module', '-e', script]
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 300_000 })
  t.regex(stderr, /FormatError: turtle: more statements than memory holds/)
})
