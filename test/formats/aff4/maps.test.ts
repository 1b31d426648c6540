import { deflateSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { readIndexOffsets } from '../../../src/formats/aff4/image-stream.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { fillSymbolic, type SymbolicContent } from '../../../src/formats/aff4/symbolic.js'
import { openVolumeIn } from '../../../src/formats/aff4/volume.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { memoryContainer } from './memory-container.js'
import { contentOf } from './recipe.js'

const VOLUME = 'aff4://11111111-1111-4111-8111-111111111111'
const CHUNK = 512
const AFF4 = 'http://aff4.org/Schema#'

interface Range {
  readonly offset: number
  readonly length: number
  readonly targetOffset: number
  readonly target: number
}

/** Stored chunks, and symbolic streams by every name that readers know. */
const TARGETS: readonly [string, SymbolicContent | 'stored'][] = [
  [`${VOLUME}/data`, 'stored'],
  [`${AFF4}Zero`, 'zero'],
  [`${AFF4}UnreadableData`, 'unreadable'],
  [`${AFF4}UnknownData`, 'unknown'],
  [`${AFF4}SymbolicStreamA5`, 0xa5],
  [`${AFF4}SymbolicStream00`, 'zero'],
  [`${AFF4}FFDevice`, 0xff],
  ['http://afflib.org/2009/aff4#FF', 0xff],
  ['http://afflib.org/2009/aff4#UnknownData', 'unknown'],
  ['http://afflib.org/2012/SymbolicStream#61', 0x61],
  [`${VOLUME}/data`, 'stored'],
]
const GAPS: readonly [string | undefined, SymbolicContent][] = [
  [undefined, 'zero'],
  [`${AFF4}Zero`, 'zero'],
  [`${AFF4}UnknownData`, 'unknown'],
  [`${AFF4}SymbolicStreamFF`, 0xff],
]

const CHUNKS = 40
const data = Buffer.concat(Array.from({ length: CHUNKS }, (_, seed) => contentOf(seed, CHUNK)))

const shapes = fc.record({
  generation: fc.constantFrom<'standard' | 'pmem2015' | 'evimetry'>('standard', 'pmem2015', 'evimetry'),
  perBevy: fc.integer({ min: 1, max: 50 }),
  gap: fc.constantFrom(...GAPS),
  tail: fc.nat({ max: 1000 }),
  order: fc.nat(),
  pieces: fc.array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.nat({ max: 3000 })),
      length: fc.oneof(fc.constant(CHUNK), fc.nat({ max: 5000 })),
      from: fc.nat({ max: CHUNKS * CHUNK - 5000 }),
      target: fc.nat({ max: TARGETS.length - 1 }),
    }),
    { maxLength: 12 },
  ),
})
type Shape = typeof shapes extends fc.Arbitrary<infer T> ? T : never

function rangesOf({ pieces, order }: Shape): Range[] {
  let at = 0
  const ranges = pieces.map(({ gap, length, from, target }) => {
    const offset = at + gap
    at = offset + length
    return { offset, length, targetOffset: from, target }
  })
  return ranges.sort((a, b) => ((a.offset * (order + 7)) % 101) - ((b.offset * (order + 7)) % 101))
}

function open(shape: Shape, ranges: readonly Range[], size: number) {
  const { generation, perBevy } = shape
  const members: Record<string, Buffer | string> = { 'container.description': VOLUME }
  for (let first = 0, number = 0; first < CHUNKS; first += perBevy, number++) {
    const stored = Array.from({ length: Math.min(perBevy, CHUNKS - first) }, (_, slot) => {
      const chunk = data.subarray((first + slot) * CHUNK, (first + slot + 1) * CHUNK)
      const packed = deflateSync(chunk)
      return generation !== 'pmem2015' && packed.length >= CHUNK ? chunk : packed
    })
    let end = 0
    const entries = stored.map(({ length }) => {
      const start = end
      end += length
      const entry = Buffer.alloc(generation === 'standard' ? 12 : 4)
      entry.writeUInt32LE(generation === 'evimetry' ? end : start)
      if (generation === 'standard') entry.writeUInt32LE(length, 8)
      return entry
    })
    const bevy = `data/${String(number).padStart(8, '0')}`
    members[bevy] = Buffer.concat(stored)
    members[`${bevy}${generation === 'standard' ? '.' : '/'}index`] = Buffer.concat(entries)
  }
  members['map/map'] = Buffer.concat(
    ranges.map(({ offset, length, targetOffset, target }) => {
      const entry = Buffer.alloc(28)
      entry.writeBigUInt64LE(BigInt(offset), 0)
      entry.writeBigUInt64LE(BigInt(length), generation === 'pmem2015' ? 16 : 8)
      entry.writeBigUInt64LE(BigInt(targetOffset), generation === 'pmem2015' ? 8 : 16)
      entry.writeUInt32LE(target, 24)
      return entry
    }),
  )
  members['map/idx'] = TARGETS.map(([urn]) => urn).join(generation === 'evimetry' ? '\r\n' : '\n')
  const [gap] = shape.gap
  const zlib = 'https://www.ietf.org/rfc/rfc1950.txt'
  const gapSaid = gap === undefined ? '' : `; :mapGapDefaultStream <${gap}>`
  members['information.turtle'] = {
    standard: `@prefix : <${AFF4}> . <${VOLUME}/map> a :Map ; :size ${size} ${gapSaid} .
      <${VOLUME}/data> a :ImageStream ; :size ${data.length} ; :chunkSize ${CHUNK} ; :chunksInSegment ${perBevy} ; :compressionMethod <${zlib}> .`,
    pmem2015: `@prefix : <${AFF4}> . <${VOLUME}/map> a :map ; :size ${size} ${gapSaid} .
      <${VOLUME}/data> a :image ; :size ${data.length} ; :chunk_size ${CHUNK} ; :chunks_per_segment ${perBevy} ; :compression <${zlib}> .`,
    evimetry: `@prefix : <http://afflib.org/2009/aff4#> . <${VOLUME}/map> a :map, :Image ; :size ${size} ${gapSaid} .
      <${VOLUME}/data> a :stream ; :size ${data.length} ; :chunk_size ${CHUNK} ; :chunks_in_segment ${perBevy} ; :CompressionMethod <${zlib}> .`,
  }[generation]
  return openVolumeIn(memoryContainer(members)).then((volume) => openStream([volume], `${VOLUME}/map`))
}

test('maps of any order, gaps and targets read as their entries say, in every generation', async (t) => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(), fc.nat(), async (shape, seed, count) => {
      const ranges = rangesOf(shape)
      const end = Math.max(0, ...ranges.map(({ offset, length }) => offset + length))
      const size = end + shape.tail
      const expected = Buffer.alloc(size)
      fillSymbolic(shape.gap[1], 0n, expected)
      for (const { offset, length, targetOffset, target } of ranges) {
        const [, content] = TARGETS[target]!
        const place = expected.subarray(offset, offset + length)
        if (content === 'stored') data.copy(place, 0, targetOffset, targetOffset + length)
        else fillSymbolic(content, BigInt(targetOffset), place)
      }
      const stream = await open(shape, ranges, size)
      const from = size === 0 ? 0 : seed % size
      const length = size === from ? 0 : count % (size - from)
      const piece = await stream.read(BigInt(from), length)
      t.true(expected.subarray(from, from + length).equals(piece))
      t.true(expected.equals(await stream.read(0n, size)))
      let at = 0n
      for (const extent of stream.extents()) {
        t.true(extent.start >= at && extent.length > 0n)
        at = extent.start + extent.length
      }
      t.true(at <= BigInt(size))
    }),
    { numRuns: 150 },
  )
})

test('entries that overlap are refused by address, in every generation', async (t) => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(), async (shape, seed) => {
      const ranges = rangesOf(shape).filter(({ length }) => length > 0)
      fc.pre(ranges.length > 0)
      const { offset, length } = ranges[seed % ranges.length]!
      const twice = { offset: offset + (seed % length), length: 1, targetOffset: 0, target: 1 }
      const error = await t.throwsAsync(open(shape, [...ranges, twice], 1 << 20), { instanceOf: FormatError })
      t.true(
        error?.message.includes(`overlap at 0x${twice.offset.toString(16)}`) ||
          /overlap at 0x/.test(error!.message),
      )
    }),
    { numRuns: 50 },
  )
})

test('indexes of starts and of ends tell the same, and bytes of any kind never more than there are', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 40 }), (lengths) => {
      const ends = lengths.map((_, slot) => lengths.slice(0, slot + 1).reduce((a, b) => a + b))
      const size = BigInt(ends.at(-1)!)
      const encode = (offsets: number[]) => Buffer.from(Uint32Array.from(offsets).buffer)
      const [starting, ending] = [encode([0, ...ends.slice(0, -1)]), encode(ends)]
      for (const [slot, length] of lengths.entries())
        for (const index of [starting, ending])
          t.deepEqual(readIndexOffsets(index, slot, size), { offset: BigInt(ends[slot]! - length), length })
      t.is(readIndexOffsets(ending, lengths.length, size), undefined)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 20 }), (index, slot) => {
      const entry = readIndexOffsets(index, slot, 1n << 20n)
      t.is(entry === undefined, slot >= Math.floor(index.length / 4))
    }),
  )
})
