import type { CodecName } from '../../../codecs/codec-error.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import type { Dialect } from '../dialect.js'
import { DEFAULT_CHUNK_SIZE, LARGEST_CHUNK_SIZE } from '../image-stream.js'
import { contentOf, type FoundBevy, type FoundStream } from './catalogue.js'
import type { StreamFacts } from './facts.js'
import { type ChunkTable, indexTable } from './index-table.js'
import type { FoundMember } from './scan.js'
import { decodedSize, storedLength } from './stored-length.js'

/** How a stream is stored: as its description says, else as its bytes look. */
export interface StreamShape {
  readonly size: bigint | undefined
  readonly chunkSize: number
  readonly chunksPerBevy: number
  readonly codec: CodecName
  /** A stored length of exactly the chunk size means a raw chunk. */
  readonly rawChunks: boolean
  /** Or, where it decodes, a compressed one. */
  readonly ambiguous: boolean
}

const LARGEST_INDEX = 16n << 20n
/** Chunks looked at for their codec. */
const SAMPLE = 64
/** Sizes of chunks that are believed where only bytes tell them. */
const SMALLEST_GUESSED = 512
const LARGEST_GUESSED = 1 << 20
/** As old writers have it who are known to say nothing. */
const DEFAULT_CHUNKS_PER_BEVY = 2048

/** @returns undefined when nothing tells how large its chunks are, or what compressed them */
export async function shapeOf(
  source: ByteSource,
  stream: FoundStream,
  facts: StreamFacts,
  { rawChunks }: Dialect,
): Promise<StreamShape | undefined> {
  const bevies = [...stream.bevies].sort(([a], [b]) => a - b).map(([, bevy]) => bevy)
  const seen =
    facts.codec === undefined || facts.chunkSize === undefined ? await guess(source, bevies, facts) : facts
  if (!seen) return undefined
  const chunkSize = facts.chunkSize ?? seen.chunkSize
  if (chunkSize === undefined || chunkSize > LARGEST_CHUNK_SIZE) return undefined
  return {
    size: facts.size,
    chunkSize,
    chunksPerBevy: facts.chunksPerBevy ?? (await mostChunks(source, bevies)) ?? DEFAULT_CHUNKS_PER_BEVY,
    codec: facts.codec ?? seen.codec ?? 'none',
    rawChunks,
    ambiguous: facts.ambiguous,
  }
}

/** The index of a bevy, where it is whole. */
export async function wholeIndex(source: ByteSource, { index, data }: FoundBevy) {
  if (index?.member.state !== 'whole' || !data) return undefined
  const bytes = await contentOf(source, index.member, LARGEST_INDEX)
  return bytes && indexTable(bytes, index.packed, data.compressedSize ?? data.available)
}

/** All bevies but the last one have the same number of chunks. */
async function mostChunks(source: ByteSource, bevies: readonly FoundBevy[]): Promise<number | undefined> {
  let most: number | undefined
  for (const bevy of bevies) {
    const count = (await wholeIndex(source, bevy))?.count
    if (count !== undefined && count > (most ?? 0)) most = count
  }
  return most
}

type Guess = Pick<StreamFacts, 'codec' | 'chunkSize'>

/** By the first bevy that has something to show. @returns undefined when its chunks are of a codec that is not known */
async function guess(
  source: ByteSource,
  bevies: readonly FoundBevy[],
  { chunkSize }: StreamFacts,
): Promise<Guess | undefined> {
  for (const bevy of bevies) {
    if (!bevy.data || bevy.data.available === 0n) continue
    const table = await wholeIndex(source, bevy)
    return table
      ? guessIndexed(source, bevy.data, table, chunkSize)
      : guessUnindexed(source, bevy.data, chunkSize)
  }
  return { codec: undefined, chunkSize: undefined }
}

const CODECS = ['snappy', 'zlib', 'lz4'] as const

async function guessIndexed(
  source: ByteSource,
  data: FoundMember,
  table: ChunkTable,
  given: number | undefined,
): Promise<Guess | undefined> {
  const slots = Array.from({ length: Math.min(table.count, SAMPLE) }, (_, slot) => table.at(slot)).filter(
    ({ offset, length }) => length <= LARGEST_CHUNK_SIZE && offset + BigInt(length) <= data.available,
  )
  const longest = Math.max(0, ...slots.map(({ length }) => length))
  for (const { offset, length } of slots) {
    const stored = await source.read(data.start + offset, length)
    for (const codec of CODECS)
      for (const chunkSize of given === undefined ? likelySizes(codec, stored, longest) : [given])
        if (length !== chunkSize && storedLength(codec, stored, chunkSize) === length)
          return { codec, chunkSize }
  }
  if (longest === 0) return { codec: undefined, chunkSize: given }
  // Raw chunks are all of one size but the last one of the stream.
  const isRaw = slots.slice(0, -1).every(({ length }) => length === (given ?? longest))
  return isRaw ? { codec: 'none', chunkSize: given ?? longest } : undefined
}

/** An lz4 block does not say what it decodes to; but where some chunks did not get shorter, they are the longest. */
function likelySizes(codec: (typeof CODECS)[number], stored: Bytes, longest: number): readonly number[] {
  if (codec === 'lz4') return [DEFAULT_CHUNK_SIZE, longest]
  const size = decodedSize(codec, stored, LARGEST_CHUNK_SIZE)
  return size === undefined ? [] : [size]
}

/** Chunks before the first compressed one are raw, and of the usual size where no other is known. */
async function guessUnindexed(
  source: ByteSource,
  data: FoundMember,
  given: number | undefined,
): Promise<Guess> {
  const step = given ?? DEFAULT_CHUNK_SIZE
  const window = 2 * (given ?? LARGEST_GUESSED)
  for (let slot = 0, at = 0n; slot < SAMPLE && at < data.available; slot++, at += BigInt(step)) {
    const left = data.available - at
    const bytes = await source.read(data.start + at, clipLength(window, left))
    for (const codec of CODECS) {
      const chunkSize = given ?? decodedSize(codec, bytes, LARGEST_GUESSED)
      if (chunkSize === undefined || chunkSize < SMALLEST_GUESSED || chunkSize > LARGEST_GUESSED) continue
      if (storedLength(codec, bytes, chunkSize) !== undefined) return { codec, chunkSize }
    }
  }
  return { codec: 'none', chunkSize: step }
}
