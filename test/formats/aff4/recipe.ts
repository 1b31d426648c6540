import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { compress } from '../../../src/codecs/codec.js'
import type { WritableCodec } from '../../../src/codecs/codec-error.js'
import { aff4, iri, RDF_TYPE } from '../../../src/formats/aff4/lexicon.js'
import type { MapWriter } from '../../../src/formats/aff4/map-writer.js'
import { fillSymbolic, type SymbolicContent } from '../../../src/formats/aff4/symbolic.js'
import { createVolume, type VolumeWriter } from '../../../src/formats/aff4/writer.js'
import type { ByteSink } from '../../../src/formats/byte-source.js'

/** A range of a map that a test writes: symbolic, or bytes that come from a seed. */
export interface Range {
  readonly offset: number
  readonly length: number
  readonly content: SymbolicContent | 'bytes'
  readonly seed: number
}

export interface Recipe {
  readonly codec: WritableCodec
  readonly chunkSize: number
  readonly chunksPerBevy: number
  /** Bytes are added raw as they come, not as chunks. */
  readonly appended: boolean
  /** Not overlapping; in the order in which they are written. */
  readonly ranges: readonly Range[]
}

const MOST = 1 << 16

export const recipes: fc.Arbitrary<Recipe> = fc
  .record({
    codec: fc.constantFrom<WritableCodec>('none', 'zlib', 'snappy', 'lz4'),
    chunkSize: fc.constantFrom(512, 1000, 4096, 32768),
    chunksPerBevy: fc.integer({ min: 1, max: 5 }),
    appended: fc.boolean(),
    pieces: fc.array(
      fc.record({
        gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: MOST })),
        length: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: MOST })),
        content: fc.oneof(
          { weight: 3, arbitrary: fc.constant<SymbolicContent | 'bytes'>('bytes') },
          {
            weight: 1,
            arbitrary: fc.constantFrom<SymbolicContent>('zero', 'unreadable', 'unknown', 0x61, 0xff),
          },
        ),
        seed: fc.integer({ min: 0, max: 1000 }),
      }),
      { maxLength: 12 },
    ),
    start: fc.constantFrom(0, 4096, (1 << 20) - 100),
    shuffle: fc.option(fc.integer({ min: 1, max: 1000 })),
  })
  .map(({ pieces, start, shuffle, ...rest }) => {
    let at = start
    const ranges = pieces.map(({ gap, length, content, seed }) => {
      const offset = at + gap
      at = offset + length
      return { offset, length, content, seed }
    })
    if (shuffle !== null) ranges.sort((a, b) => ((a.offset * shuffle) % 997) - ((b.offset * shuffle) % 997))
    return { ...rest, ranges }
  })

/** Bytes of a seed: some compress well, some not at all. */
export function contentOf(seed: number, length: number): Buffer {
  if (seed % 3 === 0) return Buffer.alloc(length, `seed ${seed} `)
  const bytes = Buffer.alloc(length)
  for (let done = 0, turn = 0; done < length; turn++)
    done += createHash('sha512').update(`${seed}/${turn}`).digest().copy(bytes, done)
  return bytes
}

/** What a map of these ranges reads as. */
export function expectedBytes(ranges: readonly Range[]): Buffer {
  const size = Math.max(0, ...ranges.map(({ offset, length }) => offset + length))
  const bytes = Buffer.alloc(size)
  for (const { offset, length, content, seed } of ranges) {
    const place = bytes.subarray(offset, offset + length)
    if (content === 'bytes') contentOf(seed, length).copy(place)
    else fillSymbolic(content, BigInt(offset), place)
  }
  return bytes
}

export interface Written {
  readonly volume: VolumeWriter
  readonly image: string
  readonly map: MapWriter
}

/** Writes an image of the recipe, as far as the sink goes, and leaves the volume unfinished. */
export async function writeRecipe(
  sink: ByteSink,
  recipe: Recipe,
  began: (written: Written) => void = () => {},
  begin: () => Promise<VolumeWriter> = () => createVolume(sink, { tool: 'test' }),
): Promise<Written> {
  const volume = await begin()
  const image = volume.freshUrn()
  volume.graph.add(image, RDF_TYPE, iri(aff4('MemoryImage')), iri(aff4('Image')))
  const map = volume.map({ image })
  const written = { volume, image, map }
  began(written)
  const { codec, chunkSize, chunksPerBevy } = recipe
  const stream = recipe.ranges.some(({ content }) => content === 'bytes')
    ? volume.imageStream({ chunkSize, chunksPerBevy, blockHashes: ['md5', 'sha256'] }, map)
    : undefined
  for (const { offset, length, content, seed } of recipe.ranges) {
    if (content !== 'bytes' || !stream) {
      if (content !== 'bytes') map.addSymbolic(BigInt(offset), BigInt(length), content)
      continue
    }
    const bytes = contentOf(seed, length)
    const step = recipe.appended ? 10_000 : chunkSize
    for (let done = 0; done < length; done += step) {
      const piece = bytes.subarray(done, done + step)
      const chunk = Buffer.alloc(chunkSize)
      if (!recipe.appended) piece.copy(chunk)
      const stored = recipe.appended ? piece : compress(codec, chunk)
      if (!recipe.appended && codec !== 'none' && stored.length < chunkSize) {
        stream.pad()
        if (stream.full) await stream.flush()
        const targetOffset = stream.add(codec, stored, () => chunk)
        add(done, piece.length, targetOffset)
        if (stream.full) await stream.flush()
        continue
      }
      for (let rest: Buffer = piece; rest.length > 0; ) {
        const targetOffset = stream.position
        const taken = stream.append(rest)
        add(done + piece.length - rest.length, taken, targetOffset)
        rest = rest.subarray(taken)
        if (stream.full) await stream.flush()
      }
    }
    function add(within: number, count: number, targetOffset: bigint): void {
      map.add({
        offset: BigInt(offset + within),
        length: BigInt(count),
        targetOffset,
        target: stream!.urn,
      })
    }
  }
  return written
}
