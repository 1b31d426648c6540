import { type CodecName, decompressUpTo } from '../../codecs/codec.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { bevyUrn, INDEX_ENTRY_SIZE, indexUrn, LARGEST_CHUNK_SIZE, readIndexEntry } from './image-stream.js'
import { aff4, codecOf } from './lexicon.js'
import type { Volume } from './volume.js'

/** Decoded chunks and open bevies that are kept at hand. */
const CACHED_BYTES = 2 << 20
const CACHED_BEVIES = 16
/** Stored bytes of neighbouring chunks that are read at once. */
const READ_AHEAD = 1 << 20
const LARGEST_INDEX = 16n << 20n

interface Bevy {
  readonly number: number
  readonly index: Bytes
  readonly stored: ByteSource
}

/**
 * The bytes of an image stream.
 * @throws {FormatError} when its description is not one of a stream that can be read
 */
export function openImageStream(volume: Volume, urn: string): ByteSource {
  const { graph } = volume
  const refuse = (why: string): never => {
    throw new FormatError(`${volume.name}: stream ${urn}: ${why}`)
  }
  const property = (name: string) => graph.integer(urn, aff4(name))
  const declaredSize = property('size')
  const size = declaredSize ?? refuse('no size')
  const chunkSize = Number(property('chunkSize') ?? 32768n)
  if (chunkSize < 1 || chunkSize > LARGEST_CHUNK_SIZE) refuse(`a chunk size of ${chunkSize}`)
  const chunksPerBevy = Number(property('chunksInSegment') ?? 2048n)
  if (chunksPerBevy < 1 || chunksPerBevy > Number(LARGEST_INDEX) / INDEX_ENTRY_SIZE)
    refuse(`${chunksPerBevy} chunks in a bevy`)
  const method = graph.value(urn, aff4('compressionMethod'))
  const codec: CodecName =
    method === undefined ? 'none' : (codecOf(method) ?? refuse(`compression method ${method} is not known`))

  const bevies = new Map<number, Bevy>()
  const chunks = new Map<bigint, Bytes>()
  const chunkBytes = BigInt(chunkSize)

  async function bevyOf(number: number): Promise<Bevy> {
    const cached = bevies.get(number)
    if (cached) return cached
    const index = volume.find(indexUrn(urn, number))
    const stored = volume.find(bevyUrn(urn, number))
    if (!index || !stored) return refuse(`bevy ${number} is not in the volume`)
    const bevy = {
      number,
      index: await volume.read(index, LARGEST_INDEX),
      stored: await volume.open(stored),
    }
    keep(bevies, number, bevy, CACHED_BEVIES)
    return bevy
  }

  function entryOf(bevy: Bevy, slot: number): { offset: bigint; length: number } {
    const where = `chunk ${slot} of bevy ${bevy.number}`
    const entry = readIndexEntry(bevy.index, slot) ?? refuse(`${where} is not in its index`)
    if (entry.offset + BigInt(entry.length) > bevy.stored.size)
      refuse(`${where} reaches past the end of its bevy`)
    // Some writers compress what does not get shorter.
    if (entry.length === 0 || entry.length > 2 * chunkSize + 4096)
      refuse(`${where} is stored in ${entry.length} bytes`)
    return entry
  }

  /** The chunk as it decodes; only the last one may be short, as long as it reaches to the end of the stream. */
  function decode(stored: Bytes, bevy: Bevy, slot: number): Bytes {
    if (stored.length === chunkSize) return stored
    const number = BigInt(bevy.number) * BigInt(chunksPerBevy) + BigInt(slot)
    const where = `chunk ${slot} of bevy ${bevy.number}`
    let bytes: Bytes
    try {
      bytes = decompressUpTo(codec, stored, chunkSize)
    } catch (error) {
      return refuse(`${where}: ${(error as Error).message}`)
    }
    const left = size - number * chunkBytes
    const needed = left < chunkBytes ? Number(left) : chunkSize
    if (bytes.length < needed) refuse(`${where} holds ${bytes.length} bytes of ${needed}`)
    return bytes
  }

  /** How many chunks from `slot` on lie back to back in the bevy and are worth one read. */
  function neighbours(bevy: Bevy, slot: number, most: number): { count: number; bytes: number } {
    const first = entryOf(bevy, slot)
    let bytes = first.length
    let count = 1
    for (; count < most && bytes < READ_AHEAD; count++) {
      const next = entryOf(bevy, slot + count)
      if (next.offset !== first.offset + BigInt(bytes)) break
      bytes += next.length
    }
    return { count, bytes }
  }

  async function read(offset: bigint, length: number): Promise<Bytes> {
    const left = size > offset ? size - offset : 0n
    const wanted = BigInt(length) < left ? length : Number(left)
    const result = Buffer.allocUnsafe(wanted)
    for (let done = 0; done < wanted; ) {
      const at = offset + BigInt(done)
      const number = at / chunkBytes
      const within = Number(at % chunkBytes)
      const cached = chunks.get(number)
      if (cached) {
        done += place(cached, within, result, done)
        continue
      }
      const bevy = await bevyOf(Number(number / BigInt(chunksPerBevy)))
      const slot = Number(number % BigInt(chunksPerBevy))
      const most = Math.min(Math.ceil((within + wanted - done) / chunkSize), chunksPerBevy - slot)
      const group = neighbours(bevy, slot, most)
      const stored = await bevy.stored.read(entryOf(bevy, slot).offset, group.bytes)
      let from = 0
      for (let index = 0; index < group.count; index++) {
        const to = from + entryOf(bevy, slot + index).length
        const chunk = decode(stored.subarray(from, to), bevy, slot + index)
        from = to
        const taken = place(chunk, index === 0 ? within : 0, result, done)
        done += taken
        // What was used whole is not likely to be asked for again.
        if (taken < chunk.length)
          keep(chunks, number + BigInt(index), Uint8Array.from(chunk), Math.ceil(CACHED_BYTES / chunkSize))
      }
    }
    return result
  }

  return { name: `${volume.name}: ${urn}`, size, read, async close() {} }
}

/** Copies what fits of a chunk from `within` on; returns how many bytes. */
function place(chunk: Bytes, within: number, into: Buffer, at: number): number {
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
