import { deflateRawSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { listStreams, openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { createZipWriter } from '../../../src/formats/aff4/zip/writer.js'
import type { Bytes } from '../../../src/formats/byte-source.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'
import { type Recipe, recipes, writeRecipe } from './recipe.js'

const VOLUME = 'aff4://11111111-1111-4111-8111-111111111111'
const MAP = 'aff4://22222222-2222-4222-8222-222222222222'
const STREAM = 'aff4://33333333-3333-4333-8333-333333333333'

const MiB = 1 << 20
const LARGEST_READ = 2 * MiB

/** Reads all there is, at most 4 MiB a stream. @returns bytes read */
async function readAll(bytes: Bytes): Promise<number> {
  const source = bufferSource(bytes)
  let total = 0
  const volume = await openVolume(source)
  for (const { urn } of await listStreams([volume])) {
    const stream = await openStream([volume], urn)
    for (const { start, length } of stream.runs.slice(0, 100)) {
      const piece = length < 4n * BigInt(MiB) ? Number(length) : 4 * MiB
      total += (await stream.read(start, piece)).length
    }
  }
  if (source.largestRead > LARGEST_READ) throw new Error(`${source.largestRead} bytes at once`)
  return total
}

async function refusedOrRead(bytes: Bytes): Promise<'refused' | 'read'> {
  try {
    await readAll(bytes)
    return 'read'
  } catch (error) {
    if (error instanceof FormatError) return 'refused'
    throw error
  }
}

async function sample(): Promise<Buffer> {
  const ranges = [
    { offset: 4096, length: 50_000, content: 'bytes', seed: 3 },
    { offset: 70_000, length: 4096, content: 'unreadable', seed: 0 },
    { offset: 80_000, length: 30_000, content: 'bytes', seed: 1 },
  ] as const
  const recipe: Recipe = { codec: 'zlib', chunkSize: 4096, chunksPerBevy: 5, appended: false, ranges }
  const sink = bufferSink()
  const { volume } = await writeRecipe(sink, recipe)
  await volume.finish()
  return sink.bytes()
}

test('a volume cut anywhere is refused', async (t) => {
  const bytes = await sample()
  for (let size = 0; size < bytes.length; size += size % 1024 === 0 ? 1 : 97) {
    const error = await t.throwsAsync(readAll(bytes.subarray(0, size)), { instanceOf: FormatError })
    t.regex(error.message, /\S/)
  }
})

test('a volume with bytes changed anywhere is read or refused, never worse', async (t) => {
  const outcomes = { read: 0, refused: 0 }
  const change = fc.record({ at: fc.nat(), value: fc.nat({ max: 255 }), fromEnd: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(recipes, fc.array(change, { minLength: 1, maxLength: 4 }), async (recipe, changes) => {
      const sink = bufferSink()
      const { volume } = await writeRecipe(sink, recipe)
      await volume.finish()
      const bytes = sink.bytes()
      for (const { at, value, fromEnd } of changes)
        bytes[fromEnd ? bytes.length - 1 - (at % Math.min(3000, bytes.length)) : at % bytes.length] = value
      outcomes[await refusedOrRead(bytes)]++
    }),
    { numRuns: 150 },
  )
  t.true(outcomes.refused > 15 && outcomes.read > 15)
})

interface Crafted {
  chunkSize?: string
  chunksInSegment?: string
  compressionMethod?: string
  streamSize?: string
  mapSize?: string
  index?: Bytes
  bevy?: Bytes
  map?: Bytes
  idx?: string
  turtle?: string
}

/** A sound volume of one map with two chunks of 4096, but for what a test changes. */
async function craft(changes: Crafted): Promise<Buffer> {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const member = (urn: string, content: Bytes | string) =>
    zip.write({ name: urn.replace('aff4://', 'aff4%3A%2F%2F'), pieces: [Buffer.from(content)] })
  await member('container.description', VOLUME)
  await member('version.txt', 'major=1\nminor=0\ntool=test\n')
  await member(`${STREAM}/00000000`, changes.bevy ?? Buffer.alloc(8192, 'b'))
  await member(
    `${STREAM}/00000000.index`,
    changes.index ?? Buffer.concat([indexEntry(0n, 4096), indexEntry(4096n, 4096)]),
  )
  await member(`${MAP}/map`, changes.map ?? mapEntry(0n, 8192n, 0n, 0))
  await member(`${MAP}/idx`, changes.idx ?? `${STREAM}\n`)
  await member(
    'information.turtle',
    changes.turtle ??
      `@prefix aff4: <http://aff4.org/Schema#> .
<${MAP}> a aff4:Map ; aff4:size ${changes.mapSize ?? '8192'} ; aff4:dependentStream <${STREAM}> .
<${STREAM}> a aff4:ImageStream ; aff4:size ${changes.streamSize ?? '8192'} ;
  aff4:chunkSize ${changes.chunkSize ?? '4096'} ; aff4:chunksInSegment ${changes.chunksInSegment ?? '1024'} ;
  aff4:compressionMethod <${changes.compressionMethod ?? 'http://aff4.org/Schema#NullCompressor'}> .`,
  )
  await zip.finish(VOLUME)
  return sink.bytes()
}

function indexEntry(offset: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64LE(offset, 0)
  bytes.writeUInt32LE(length, 8)
  return bytes
}

function mapEntry(offset: bigint, length: bigint, target: bigint, id: number): Buffer {
  const bytes = Buffer.alloc(28)
  bytes.writeBigUInt64LE(offset, 0)
  bytes.writeBigUInt64LE(length, 8)
  bytes.writeBigUInt64LE(target, 16)
  bytes.writeUInt32LE(id, 24)
  return bytes
}

async function refuses(t: ExecutionContext, what: string, changes: Crafted, message: RegExp) {
  const error = await t.throwsAsync(readAll(await craft(changes)), { instanceOf: FormatError }, what)
  t.regex(error?.message ?? '', message, what)
}

const ZLIB = 'https://www.ietf.org/rfc/rfc1950.txt'
const SNAPPY = 'http://code.google.com/p/snappy/'
const LZ4 = 'https://code.google.com/p/lz4/'

test('the crafted volume itself is sound', async (t) => {
  t.is(await readAll(await craft({})), 2 * 8192)
})

test('chunks that are short, missing, bombs or outside their bevy are refused by place', async (t) => {
  await refuses(
    t,
    'beyond bevy',
    { index: Buffer.concat([indexEntry(0n, 4096), indexEntry(4097n, 4096)]) },
    /chunk 1 of bevy 0 reaches past/,
  )
  await refuses(
    t,
    'huge offset',
    { index: Buffer.concat([indexEntry(0n, 4096), indexEntry((1n << 64n) - 1n, 4096)]) },
    /chunk 1 of bevy 0 reaches past/,
  )
  await refuses(t, 'missing entry', { index: indexEntry(0n, 4096) }, /chunk 1 of bevy 0 is not in its index/)
  await refuses(
    t,
    'empty',
    { index: Buffer.concat([indexEntry(0n, 0), indexEntry(0n, 4096)]) },
    /chunk 0 of bevy 0 is stored in 0 bytes/,
  )
  await refuses(t, 'missing bevy', { chunksInSegment: '1' }, /bevy 1 is not in the volume/)
  await refuses(
    t,
    'raw but short',
    { index: Buffer.concat([indexEntry(0n, 4095), indexEntry(4096n, 4096)]) },
    /chunk 0 of bevy 0 holds 4095 bytes of 4096/,
  )
  const bomb = (codec: string, bevy: Bytes) =>
    refuses(
      t,
      codec,
      {
        compressionMethod: codec,
        bevy,
        index: Buffer.concat([indexEntry(0n, bevy.length), indexEntry(0n, bevy.length)]),
      },
      /chunk 0 of bevy 0: /,
    )
  await bomb(
    ZLIB,
    Buffer.concat([Buffer.from('789c', 'hex'), deflateRawSync(Buffer.alloc(4 * MiB)), Buffer.alloc(4)]),
  )
  await bomb(SNAPPY, Buffer.from('ffffffff0f00', 'hex'))
  await bomb(
    LZ4,
    Buffer.concat([
      Buffer.from('1f00010 0'.replace(' ', ''), 'hex'),
      Buffer.alloc(4000, 0xff),
      Buffer.from('00', 'hex'),
    ]),
  )
  await bomb(ZLIB, Buffer.from('not zlib at all'))
})

test('descriptions of streams that no memory could hold are refused before anything is allocated', async (t) => {
  await refuses(t, 'chunk size 0', { chunkSize: '0' }, /chunk size of 0/)
  await refuses(t, 'huge chunks', { chunkSize: '4294967296' }, /chunk size of 4294967296/)
  await refuses(t, 'huge bevies', { chunksInSegment: '9223372036854775807' }, /chunks in a bevy/)
  await refuses(t, 'no size', { streamSize: '-1' }, /no size/)
  await refuses(
    t,
    'unknown codec',
    { compressionMethod: 'http://example.org/zstd' },
    /compression method http:\/\/example.org\/zstd is not known/,
  )
  await refuses(
    t,
    'stream shorter than its map',
    { streamSize: '8191' },
    /reaches past the end of aff4:\/\/33333333/,
  )
})

test('maps that overlap, leave themselves or the address space, or lack a target are refused', async (t) => {
  const two = (a: Buffer, b: Buffer) => Buffer.concat([a, b])
  await refuses(
    t,
    'overlap',
    { map: two(mapEntry(0n, 4097n, 0n, 0), mapEntry(4096n, 4096n, 0n, 0)) },
    /overlap at 0x1000/,
  )
  await refuses(
    t,
    'unsorted overlap',
    { map: two(mapEntry(4096n, 4096n, 0n, 0), mapEntry(0n, 4097n, 0n, 0)) },
    /overlap at 0x1000/,
  )
  await refuses(
    t,
    'behind its size',
    { map: mapEntry(1n, 8192n, 0n, 0) },
    /ends at 8193, behind the map's size of 8192/,
  )
  await refuses(t, 'no target', { map: mapEntry(0n, 4096n, 0n, 1) }, /entry 0 has target 1 of 1/)
  await refuses(t, 'past 2^64', { map: mapEntry(4096n, (1n << 64n) - 1n, 0n, 0) }, /leaves the address space/)
  await refuses(t, 'half an entry', { map: Buffer.alloc(27) }, /entries of 27 bytes/)
  await refuses(t, 'itself', { idx: `${MAP}\n` }, /rest on one another/)
  await refuses(t, 'elsewhere', { idx: 'aff4://elsewhere\n' }, /aff4:\/\/elsewhere is not in the volume/)
})

test('a map of many exabytes costs nothing until it is read', async (t) => {
  const map = mapEntry(0n, (1n << 63n) - 1n, 0n, 0)
  const volume = await openVolume(
    bufferSource(
      await craft({ map, mapSize: '9223372036854775807', idx: 'http://aff4.org/Schema#UnknownData\n' }),
    ),
  )
  const stream = await openStream([volume], MAP)
  t.is(stream.size, (1n << 63n) - 1n)
  t.is(Buffer.from(await stream.read(1n << 62n, 7)).toString(), 'UNKNOWN')
})

test('turtle that is none is refused with its line', async (t) => {
  await refuses(
    t,
    'broken',
    { turtle: '@prefix aff4: <http://aff4.org/Schema#> .\n<x> aff4:size "' },
    /turtle: .*line 2/,
  )
})

/** The three end records of a volume, to be changed in place. */
const endOf = (bytes: Buffer) => bytes.subarray(bytes.length - 98 - VOLUME.length)

test('end records and directory entries that promise too much are refused', async (t) => {
  const sound = await craft({})
  const directoryAt = Number(endOf(sound).readBigUInt64LE(48))
  const cases: [string, (bytes: Buffer) => void, RegExp][] = [
    [
      'count',
      (bytes) => endOf(bytes).writeBigUInt64LE(1n << 40n, 32),
      /no room for 1099511627776 directory entries/,
    ],
    ['size', (bytes) => endOf(bytes).writeBigUInt64LE(1n << 60n, 40), /reaches past its end record/],
    ['offset', (bytes) => endOf(bytes).writeBigUInt64LE(1n << 60n, 48), /reaches past its end record/],
    [
      'member size',
      (bytes) => bytes.writeUInt32LE(0x7fffffff, directoryAt + 20),
      /reaches into the central directory/,
    ],
    [
      'member offset',
      (bytes) => bytes.writeUInt32LE(0x7fffffff, directoryAt + 42),
      /reaches into the central directory/,
    ],
    ['zip64 field', (bytes) => bytes.writeUInt32LE(0xffffffff, directoryAt + 42), /a zip64 field is missing/],
    ['other size', (bytes) => bytes.writeUInt32LE(44, directoryAt + 24), /stored, but in another size/],
    ['no header', (bytes) => bytes.writeUInt32LE(1, directoryAt + 42), /no local header/],
    ['method', (bytes) => bytes.writeUInt16LE(12, directoryAt + 10), /method 12 is not known/],
    ['content', (bytes) => bytes.write('AFF4', 30 + 21), /CRC does not match/],
  ]
  for (const [what, change, message] of cases) {
    const bytes = Buffer.from(sound)
    change(bytes)
    const error = await t.throwsAsync(readAll(bytes), { instanceOf: FormatError }, what)
    t.regex(error?.message ?? '', message, what)
  }
})

test('a deflated member that inflates beyond its size is refused', async (t) => {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const zeros = Buffer.alloc(32 * MiB)
  await zip.write({
    name: 'container.description',
    pieces: [deflateRawSync(zeros)],
    inflated: zeros.subarray(0, 43),
  })
  await zip.finish(VOLUME)
  const error = await t.throwsAsync(openVolume(bufferSource(sink.bytes())), { instanceOf: FormatError })
  t.regex(error.message, /container\.description/)
})
