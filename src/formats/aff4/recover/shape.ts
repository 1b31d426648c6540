import type { CodecName } from '../../../codecs/codec.js'
import type { ByteSource } from '../../byte-source.js'
import type { Dialect } from '../dialect.js'
import { DEFAULT_CHUNK_SIZE, LARGEST_CHUNK_SIZE } from '../image-stream.js'
import { contentOf, type FoundBevy, type FoundStream } from './catalogue.js'
import type { StreamFacts } from './facts.js'
import { indexTable } from './index-table.js'
import type { FoundMember } from './scan.js'
import { snappyPreamble, storedLength } from './stored-length.js'

/** How a stream is stored: as its description says, else as its bytes look. */
export interface StreamShape {
  readonly size: bigint | undefined
  readonly chunkSize: number
  readonly chunksPerBevy: number
  readonly codec: CodecName
  /** A stored length of exactly the chunk size means a raw chunk. */
  readonly rawChunks: boolean
}

const LARGEST_INDEX = 16n << 20n
/** Chunks looked at for their codec. */
const SAMPLE = 64
/** As old writers have it who are known to say nothing. */
const DEFAULT_CHUNKS_PER_BEVY = 2048

/** @returns undefined when nothing tells how large its chunks are */
export async function shapeOf(
  source: ByteSource,
  stream: FoundStream,
  facts: StreamFacts,
  { rawChunks }: Dialect,
): Promise<StreamShape | undefined> {
  const bevies = [...stream.bevies].sort(([a], [b]) => a - b).map(([, bevy]) => bevy)
  const seen =
    facts.codec === undefined || facts.chunkSize === undefined ? await guess(source, bevies, facts) : facts
  const chunkSize = facts.chunkSize ?? seen.chunkSize
  if (chunkSize === undefined || chunkSize > LARGEST_CHUNK_SIZE) return undefined
  return {
    size: facts.size,
    chunkSize,
    chunksPerBevy: facts.chunksPerBevy ?? (await mostChunks(source, bevies)) ?? DEFAULT_CHUNKS_PER_BEVY,
    codec: facts.codec ?? seen.codec ?? 'none',
    rawChunks,
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

type Guess = Pick<Partial<StreamFacts>, 'codec' | 'chunkSize'>

async function guess(source: ByteSource, bevies: readonly FoundBevy[], facts: StreamFacts): Promise<Guess> {
  for (const bevy of bevies) {
    const { data } = bevy
    if (!data || data.available === 0n) continue
    const table = await wholeIndex(source, bevy)
    const found = table
      ? await guessIndexed(source, data, table, facts.chunkSize)
      : await guessUnindexed(source, data, facts.chunkSize)
    if (found) return found
  }
  return { codec: undefined, chunkSize: undefined }
}

async function guessIndexed(
  source: ByteSource,
  data: FoundMember,
  table: ReturnType<typeof indexTable>,
  chunkSize: number | undefined,
): Promise<Guess | undefined> {
  let longest = 0
  for (let slot = 0; slot < Math.min(table.count, SAMPLE); slot++) {
    const { offset, length } = table.at(slot)
    if (length > LARGEST_CHUNK_SIZE || offset + BigInt(length) > data.available) continue
    longest = Math.max(longest, length)
    const stored = await source.read(data.start + offset, length)
    const size = chunkSize ?? snappyPreamble(stored)?.size ?? DEFAULT_CHUNK_SIZE
    for (const codec of ['snappy', 'zlib', 'lz4'] as const)
      if (
        length !== size &&
        storedLength(codec, stored, codec === 'snappy' ? size : (chunkSize ?? DEFAULT_CHUNK_SIZE)) === length
      )
        return { codec, chunkSize: codec === 'snappy' ? size : (chunkSize ?? DEFAULT_CHUNK_SIZE) }
  }
  // Nothing is compressed, or nothing that is known.
  return longest > 0 ? { codec: 'none', chunkSize: chunkSize ?? longest } : undefined
}

async function guessUnindexed(
  source: ByteSource,
  data: FoundMember,
  given: number | undefined,
): Promise<Guess | undefined> {
  const size = given ?? DEFAULT_CHUNK_SIZE
  for (let slot = 0, at = 0n; slot < SAMPLE && at < data.available; slot++, at += BigInt(size)) {
    const left = data.available - at
    const bytes = await source.read(data.start + at, left < 2n * BigInt(size) ? Number(left) : 2 * size)
    for (const codec of ['snappy', 'zlib', 'lz4'] as const)
      if (storedLength(codec, bytes, size) !== undefined) return { codec, chunkSize: size }
    const preamble = snappyPreamble(bytes)
    const likely = preamble && preamble.size >= 512 && (preamble.size & (preamble.size - 1)) === 0
    if (given === undefined && likely && preamble.size <= LARGEST_CHUNK_SIZE && slot === 0) {
      const all = await source.read(data.start, Math.min(2 * preamble.size, Number(left)))
      if (storedLength('snappy', all, preamble.size) !== undefined)
        return { codec: 'snappy', chunkSize: preamble.size }
    }
  }
  return { codec: 'none', chunkSize: size }
}
