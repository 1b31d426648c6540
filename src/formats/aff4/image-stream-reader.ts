import { decompressUpTo } from '../../codecs/codec.js'
import type { CodecName } from '../../codecs/codec-error.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { type ChunkForm, type ChunkFormat, formOfChunk } from './chunk-form.js'
import { checkMember, type Member } from './container.js'
import { type Dialect, indexOf } from './dialect.js'
import {
  axiomBevyUrn,
  bevyUrn,
  DEFAULT_CHUNK_SIZE,
  INDEX_ENTRY_SIZE,
  LARGEST_CHUNK_SIZE,
  readIndexEntry,
  readIndexOffsets,
  type StoredRange,
} from './image-stream.js'
import { aff4, codecOf, GITHUB_SNAPPY } from './lexicon.js'
import type { Volume } from './volume.js'

/** Decoded chunks, and indexes of bevies, that are kept at hand. */
const CACHED_BYTES = 2 << 20
const CACHED_INDEX_BYTES = 8 << 20
/** Stored bytes of neighbouring chunks that are read at once. */
const READ_AHEAD = 1 << 20
/** What c-aff4 stores for a stream without bytes: one empty chunk. */
const LARGEST_EMPTY_BEVY = 64n
export const LARGEST_INDEX = 16n << 20n

/** A chunk as it is stored. */
export interface StoredChunk extends ChunkForm {
  readonly number: bigint
}

/** Chunks that lie back to back. */
export interface StoredRun {
  readonly source: ByteSource
  /** Of the first one, in the source. */
  readonly offset: bigint
  /** Of each. */
  readonly lengths: readonly number[]
  /** Of all. */
  readonly bytes: number
}

/** The bytes of an image stream, and the chunks that they are stored in. */
export interface ImageStream extends ByteSource {
  readonly urn: string
  readonly chunkSize: number
  /** How many bytes of it lie in one bevy. */
  readonly bevyBytes: bigint
  /** Of most chunks: some are raw. */
  readonly codec: CodecName
  readonly format: ChunkFormat
  /**
   * Where a chunk is stored, and at most `most` - 1 that follow it, as far as one read goes.
   * @param room for how many bytes that has; it gives the first chunk in any case
   * @throws {FormatError} when one of them is not in the volume, or outside its bevy
   */
  whereIs(first: bigint, most: number, room?: number): Promise<StoredRun>
  /**
   * The stored form of a chunk and of at most `most` - 1 that follow it, as far as one read goes.
   * @param into room for them: what does not fit with the first one is left for the next read. Without it, or where
   * even the first does not fit, the memory is nobody else's
   * @throws {FormatError} when the first one is not in the volume, or outside its bevy
   */
  chunks(first: bigint, most: number, into?: Bytes): Promise<StoredChunk[]>
  /**
   * The content of a chunk; only the last one of the stream may be shorter than the others.
   * @throws {FormatError} naming it when it is damaged
   */
  decode(chunk: StoredChunk): Bytes
  /** Where a bevy and its index are; undefined when one of them is missing. */
  membersOf(bevy: number): BevyMembers | undefined
  /** Where in its bevy a chunk is stored; undefined when its index does not tell. */
  offsetOf(chunk: bigint): Promise<bigint | undefined>
  /**
   * Reads the bevy of a chunk to compare it with its CRC.
   * @returns what is wrong with it
   * @throws {FormatError} when it is not in the volume
   */
  checkBevy(chunk: bigint): Promise<string | undefined>
}

export interface BevyMembers {
  readonly volume: Volume
  readonly bevy: Member
  readonly index: Member
}

interface Bevy {
  readonly number: number
  readonly member: Member
  readonly index: Bytes
  readonly stored: ByteSource
}

/**
 * Opens an image stream.
 * @param first where it is described
 * @param volumes where its bevies may be: some writers spread them
 * @throws {FormatError} when its description is not one of a stream that can be read
 */
export function openImageStream(first: Volume, urn: string, volumes: readonly Volume[]): ImageStream {
  const home = largestOf(first, urn, volumes)
  const { graph, dialect } = home
  const refuse = (why: string): never => {
    throw new FormatError(`${home.name}: stream ${urn}: ${why}`)
  }
  const property = (name: string) => graph.integer(urn, aff4(name))
  const declaredSize = property('size')
  const size = declaredSize ?? refuse('no size')
  const begun = size === 0n ? home.find(bevyUrn(urn, 0)) : undefined
  if (begun && begun.size > LARGEST_EMPTY_BEVY)
    throw new FormatError(
      `${home.name}: stream ${urn}: it goes on in a volume that is not given, which alone says its size`,
      undefined,
      'volumes that are given together are read as one',
    )
  const chunkSize = Number(property('chunkSize') ?? BigInt(DEFAULT_CHUNK_SIZE))
  if (chunkSize < 1 || chunkSize > LARGEST_CHUNK_SIZE) refuse(`a chunk size of ${chunkSize}`)
  const chunksPerBevy = Number(
    property('chunksInSegment') ?? (dialect.generation === 'pmem2015' ? 1024n : 2048n),
  )
  if (chunksPerBevy < 1 || chunksPerBevy > Number(LARGEST_INDEX) / INDEX_ENTRY_SIZE)
    refuse(`${chunksPerBevy} chunks in a bevy`)
  const method = graph.value(urn, aff4('compressionMethod'))
  const codec: CodecName =
    method === undefined ? 'none' : (codecOf(method) ?? refuse(`compression method ${method} is not known`))

  const format: ChunkFormat = {
    chunkSize,
    codec,
    rawChunks: dialect.rawChunks,
    undeclared: method === undefined,
    snappyByGithub: method === GITHUB_SNAPPY,
  }
  const entryAt = dialect.index === 'entries' ? readIndexEntry : readIndexOffsets
  const axiomPath = home.version?.tool?.includes('AXIOMProcess')
    ? graph.value(urn, aff4('originalFileName'))
    : undefined
  const bevies = new Map<number, Bevy>()
  let indexBytes = 0
  const chunks = new Map<bigint, Bytes>()
  /** What stored chunks are read into: nobody's while a read has it. */
  let spare: Bytes | undefined
  const chunkBytes = BigInt(chunkSize)
  const perBevy = BigInt(chunksPerBevy)
  /** How many bytes of the stream are left for a last chunk that is not whole. */
  const rest = Number(size % chunkBytes)
  const roomBytes = size < BigInt(READ_AHEAD) ? Math.ceil(Number(size) / chunkSize) * chunkSize : READ_AHEAD

  async function bevyOf(number: number): Promise<Bevy> {
    const cached = bevies.get(number)
    if (cached) return cached
    const members = membersOf(number)
    if (!members) return refuse(`bevy ${number} is not in the volume${volumes.length > 1 ? 's' : ''}`)
    const bevy = {
      number,
      member: members.bevy,
      index: await members.volume.read(members.index, LARGEST_INDEX),
      stored: await members.volume.open(members.bevy),
    }
    bevies.set(number, bevy)
    indexBytes += bevy.index.length
    for (const [oldest, { index: old }] of bevies) {
      if (indexBytes <= CACHED_INDEX_BYTES || oldest === number) break
      bevies.delete(oldest)
      indexBytes -= old.length
    }
    return bevy
  }

  function membersOf(number: number): BevyMembers | undefined {
    const names = namesOf(number, dialect)
    for (const volume of [home, ...volumes]) {
      const index = volume.find(names.index)
      const bevy = volume.find(names.bevy)
      if (index && bevy) return { volume, bevy, index }
    }
    return undefined
  }

  function namesOf(number: number, used: Dialect): { bevy: string; index: string } {
    if (axiomPath === undefined) return { bevy: bevyUrn(urn, number), index: indexOf(urn, number, used) }
    const bevy = axiomBevyUrn(home.urn, axiomPath, number)
    return { bevy, index: `${bevy}.index` }
  }

  function entryOf(bevy: Bevy, slot: number): StoredRange {
    const where = `chunk ${slot} of bevy ${bevy.number}`
    const entry = entryAt(bevy.index, slot, bevy.stored.size) ?? refuse(`${where} is not in its index`)
    if (entry.offset + BigInt(entry.length) > bevy.stored.size)
      refuse(`${where} reaches past the end of its bevy`)
    // Some writers compress what does not get shorter.
    if (entry.length <= 0 || entry.length > 2 * chunkSize + 4096)
      refuse(`${where} is stored in ${entry.length} bytes`)
    return entry
  }

  function decode({ number, codec, stored }: StoredChunk): Bytes {
    const where = `chunk ${number % perBevy} of bevy ${number / perBevy}`
    let bytes: Bytes
    try {
      bytes = decompressUpTo(codec, stored, chunkSize)
    } catch (error) {
      return refuse(`${where}: ${(error as Error).message}`)
    }
    const left = size - number * chunkBytes
    const needed = clipLength(chunkSize, left)
    if (bytes.length < needed) refuse(`${where} holds ${bytes.length} bytes of ${needed}`)
    return bytes
  }

  async function whereIs(first: bigint, most: number, room = READ_AHEAD): Promise<StoredRun> {
    const bevy = await bevyOf(Number(first / perBevy))
    const slot = Number(first % perBevy)
    const { offset, length } = entryOf(bevy, slot)
    const lengths = [length]
    let bytes = length
    for (const last = Math.min(most, chunksPerBevy - slot); lengths.length < last && bytes < room; ) {
      const next = entryOf(bevy, slot + lengths.length)
      if (next.offset !== offset + BigInt(bytes) || bytes + next.length > room) break
      lengths.push(next.length)
      bytes += next.length
    }
    return { source: bevy.stored, offset, lengths, bytes }
  }

  async function chunksFrom(first: bigint, most: number, into?: Bytes): Promise<StoredChunk[]> {
    const room = into?.length ?? READ_AHEAD
    const { source, offset, lengths, bytes } = await whereIs(first, most, room)
    const stored = await source.read(offset, bytes, bytes > room ? undefined : into)
    let from = 0
    return lengths.map((length, index) => {
      const number = first + BigInt(index)
      const piece = stored.subarray(from, from + length)
      from += length
      return { number, ...formOfChunk(format, piece, number === size / chunkBytes ? rest : undefined) }
    })
  }

  async function read(offset: bigint, length: number, into?: Bytes): Promise<Bytes> {
    const left = size > offset ? size - offset : 0n
    const wanted = clipLength(length, left)
    const result = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
    const room = spare ?? Buffer.allocUnsafe(roomBytes)
    spare = undefined
    for (let done = 0; done < wanted; ) {
      const at = offset + BigInt(done)
      const number = at / chunkBytes
      let within = Number(at % chunkBytes)
      const cached = chunks.get(number)
      if (cached) {
        done += place(cached, within, result, done)
        continue
      }
      const most = Math.ceil((within + wanted - done) / chunkSize)
      for (const chunk of await chunksFrom(number, most, room)) {
        const content = decode(chunk)
        const taken = place(content, within, result, done)
        done += taken
        within = 0
        // What was used whole is not likely to be asked for again.
        if (taken < content.length)
          keep(chunks, chunk.number, Uint8Array.from(content), Math.ceil(CACHED_BYTES / chunkSize))
      }
    }
    spare = room
    return result
  }

  async function checkBevy(chunk: bigint): Promise<string | undefined> {
    const { member, stored } = await bevyOf(Number(chunk / perBevy))
    return checkMember(member, stored)
  }

  return {
    name: `${home.name}: ${urn}`,
    urn,
    size,
    chunkSize,
    bevyBytes: perBevy * chunkBytes,
    membersOf,
    async offsetOf(chunk) {
      const { index, stored } = await bevyOf(Number(chunk / perBevy))
      return entryAt(index, Number(chunk % perBevy), stored.size)?.offset
    },
    codec,
    format,
    whereIs,
    read,
    chunks: chunksFrom,
    decode,
    checkBevy,
    async close() {},
  }
}

/** The size of a stream as a volume says it; 0 where it doesn't. */
export const sizeIn = ({ graph }: Volume, urn: string): bigint => graph.integer(urn, aff4('size')) ?? 0n

/** Of a stream that goes on from volume to volume, c-aff4 says in the last one only what it is like. */
const largestOf = (first: Volume, urn: string, volumes: readonly Volume[]) =>
  volumes.reduce((most, volume) => (sizeIn(volume, urn) > sizeIn(most, urn) ? volume : most), first)

/** Copies what fits of a chunk from `within` on; returns how many bytes. */
function place(chunk: Bytes, within: number, into: Bytes, at: number): number {
  const piece = chunk.subarray(within, within + into.length - at)
  into.set(piece, at)
  return piece.length
}

/** Keeps the most recent entries. */
function keep<K, V>(cache: Map<K, V>, key: K, value: V, most: number): void {
  cache.delete(key)
  cache.set(key, value)
  if (cache.size > most) cache.delete(cache.keys().next().value as K)
}
