import { createHash } from 'node:crypto'
import { decompressUpTo } from '../../../codecs/codec.js'
import type { CodecName } from '../../../codecs/codec-error.js'
import { asDataView } from '../../../codecs/views.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { zlibOf } from '../chunk-form.js'
import { DIGESTS, type DigestName } from '../lexicon.js'
import { contentOf, type FoundBevy, type FoundStream } from './catalogue.js'
import type { ChunkTable } from './index-table.js'
import type { FoundMember } from './scan.js'
import { type StreamShape, wholeIndex } from './shape.js'
import { storedLength } from './stored-length.js'

/** A chunk that is there whole. */
export interface FoundChunk {
  /** Its place in the stream, counted in chunks. */
  readonly number: bigint
  /** As it is stored, or as it decodes where it had to be decoded: a view, valid until the next one. */
  readonly stored: Bytes
  readonly codec: CodecName
  /** A checksum vouches for it: the CRC of its bevy, a block hash, or its own. */
  readonly sure: boolean
}

/** Stored bytes of neighbouring chunks that are read at once. */
const READ_AHEAD = 1 << 20
const LARGEST_HASHES = 64n << 20n
/** More chunks than any bevy has. */
const MOST_SLOTS = 1 << 20

/** Decodes a chunk, padded with zeros to the size of one. */
export function decodeChunk(codec: CodecName, stored: Bytes, chunkSize: number): Bytes {
  const content = codec === 'none' ? stored : decompressUpTo(codec, stored, chunkSize)
  if (content.length === chunkSize) return content
  const padded = Buffer.alloc(chunkSize)
  padded.set(content.subarray(0, chunkSize))
  return padded
}

/** The chunks of a stream that are there, ascending. */
export async function* readChunks(
  source: ByteSource,
  stream: FoundStream,
  shape: StreamShape,
): AsyncGenerator<FoundChunk> {
  for (const [number, bevy] of [...stream.bevies].sort(([a], [b]) => a - b)) {
    if (!bevy.data) continue
    const table = (await wholeIndex(source, bevy)) ?? (await walkBevy(source, bevy.data, shape))
    yield* bevyChunks(source, bevy, table, shape, BigInt(number) * BigInt(shape.chunksPerBevy))
  }
}

async function* bevyChunks(
  source: ByteSource,
  bevy: FoundBevy,
  table: ChunkTable,
  shape: StreamShape,
  first: bigint,
): AsyncGenerator<FoundChunk> {
  const { chunkSize } = shape
  const data = bevy.data!
  const doubtful = data.state !== 'whole'
  const hashes = doubtful ? await blockHashes(source, bevy) : undefined
  // They are made anew, of what a chunk decodes to.
  const hashed = bevy.hashes.size > 0
  const chunks =
    shape.size === undefined ? undefined : (shape.size + BigInt(chunkSize) - 1n) / BigInt(chunkSize)
  const count = Math.min(table.count, shape.chunksPerBevy)
  const possible = (slot: number) => {
    const { offset, length } = table.at(slot)
    // Some writers compress what does not get shorter.
    return length > 0 && length <= 2 * chunkSize + 4096 && offset + BigInt(length) <= data.available
  }

  for (let slot = 0; slot < count; ) {
    if (chunks !== undefined && first + BigInt(slot) >= chunks) return
    if (!possible(slot)) {
      slot++
      continue
    }
    const start = table.at(slot).offset
    let end = start
    let next = slot
    for (; next < count && end - start < READ_AHEAD && possible(next); next++) {
      const { offset, length } = table.at(next)
      if (offset !== end) break
      end += BigInt(length)
    }
    const bytes = await source.read(data.start + start, Number(end - start))
    for (let at = 0; slot < next; slot++) {
      const { length } = table.at(slot)
      const stored = withoutLength(shape, bytes.subarray(at, at + length))
      at += length
      if (at > bytes.length) return
      const number = first + BigInt(slot)
      if (chunks !== undefined && number >= chunks) return
      const raw = isRaw(stored, shape)
      const last = slot === count - 1 || number + 1n === chunks
      // The last chunk of a stream may be short, and raw ones of others, or long ones, are none that a stream can have.
      const decode = doubtful || last || hashed || shape.codec === 'deflate' || (!raw && length >= chunkSize)
      if (!decode && (!raw || length === chunkSize)) {
        yield { number, stored, codec: raw ? 'none' : shape.codec, sure: true }
        continue
      }
      const zlib = shape.codec === 'deflate' && !raw ? zlibOf(stored, chunkSize) : undefined
      const codec = zlib ? 'zlib' : raw ? 'none' : shape.codec
      const judged = judge(zlib ?? stored, codec, chunkSize, hashes?.(slot), doubtful)
      // c-aff4 does not pad the last chunk before it stores that raw.
      const rest = shape.rawChunks && !doubtful && number + 1n === chunks && BigInt(length) === restOf(shape)
      if (judged) yield { number, ...judged }
      else if (rest)
        yield { number, stored: decodeChunk('none', stored, chunkSize), codec: 'none', sure: true }
    }
  }
}

/** Bytes of the last chunk that are the stream's. */
const restOf = ({ size = 0n, chunkSize }: StreamShape) => size % BigInt(chunkSize)

function isRaw(stored: Bytes, { codec, chunkSize, rawChunks, ambiguous }: StreamShape): boolean {
  if (codec === 'none') return true
  if (!rawChunks || stored.length !== chunkSize) return false
  return !ambiguous || storedLength(codec, stored, chunkSize) !== chunkSize
}

/** Some writers put the length of an lz4 block before it: no block begins with a token that means the same. */
function withoutLength({ codec, chunkSize }: StreamShape, stored: Bytes): Bytes {
  const length = codec === 'lz4' && chunkSize % 256 === 0 && stored.length > 4
  const view = asDataView(stored)
  return length && view.getUint32(0, true) === chunkSize ? stored.subarray(4) : stored
}

function judge(
  stored: Bytes,
  codec: CodecName,
  chunkSize: number,
  hash: ((content: Bytes) => boolean) | undefined,
  doubtful: boolean,
): Omit<FoundChunk, 'number'> | undefined {
  let content: Bytes
  try {
    content = decodeChunk(codec, stored, chunkSize)
  } catch {
    return undefined
  }
  if (hash && !hash(content)) return undefined
  const sure = !doubtful || hash !== undefined || codec === 'zlib'
  const keep =
    codec !== 'none' && codec !== 'deflate' && stored.length < chunkSize && isWhole(codec, stored, chunkSize)
  return keep ? { stored, codec, sure } : { stored: content, codec: 'none', sure }
}

/** Whether a chunk decodes to all of its size, so that it can stand in a stream as it is. */
const isWhole = (codec: CodecName, stored: Bytes, chunkSize: number) =>
  storedLength(codec, stored, chunkSize) === stored.length

/** Tells for a slot whether a content has its block hash; undefined where there is none. */
async function blockHashes(
  source: ByteSource,
  { hashes }: FoundBevy,
): Promise<(slot: number) => ((content: Bytes) => boolean) | undefined> {
  for (const digest of ['sha256', 'sha512', 'blake2b', 'sha1', 'md5'] satisfies DigestName[]) {
    const member = hashes.get(digest)
    if (member?.state !== 'whole') continue
    const { node, size } = DIGESTS[digest]
    const sums = await contentOf(source, member, LARGEST_HASHES)
    if (!sums) continue
    return (slot) => {
      const sum = sums.subarray(slot * size, (slot + 1) * size)
      return sum.length === size
        ? (content) => createHash(node).update(content).digest().equals(sum)
        : undefined
    }
  }
  return () => undefined
}

/**
 * Where the chunks of a bevy lie whose index is lost: one after another, each as long as its decoder takes. What
 * doesn't decode is a raw chunk, when what follows it decodes again or the bevy ends there.
 */
async function walkBevy(source: ByteSource, data: FoundMember, shape: StreamShape): Promise<ChunkTable> {
  const { chunkSize, codec, rawChunks } = shape
  const most = Math.min(shape.chunksPerBevy, MOST_SLOTS)
  const lengths: number[] = []
  const offsets: number[] = []
  const end = Number(data.available)
  let at = 0
  /** As many of the chunks as are beyond doubt. */
  let confirmed = 0
  while (at < end && offsets.length < most) {
    const bytes = await source.read(data.start + BigInt(at), Math.min(2 * chunkSize + 4096, end - at))
    const length = codec === 'none' ? chunkSize : storedLength(codec, bytes, chunkSize)
    if (length === undefined && !rawChunks) break
    const taken = length ?? chunkSize
    if (at + taken > end) {
      // A last chunk that is not padded ends with the bevy.
      const short =
        data.state === 'whole' &&
        (storedLength(codec, bytes, chunkSize, true) === end - at || codec === 'none')
      if (short) {
        offsets.push(at)
        lengths.push(end - at)
        confirmed = offsets.length
      }
      break
    }
    offsets.push(at)
    lengths.push(taken)
    at += taken
    if (length !== undefined) confirmed = offsets.length
  }
  // In a bevy that is cut or whole nothing says that the raw ones are damage.
  const count = data.state === 'damaged' && at !== end ? confirmed : offsets.length
  return { count, at: (slot) => ({ offset: BigInt(offsets[slot]!), length: lengths[slot]! }) }
}
