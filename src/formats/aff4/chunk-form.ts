import { decompressUpTo } from '../../codecs/codec.js'
import type { CodecName } from '../../codecs/codec-error.js'
import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

/** How the chunks of an image stream are stored, as far as its description tells. */
export interface ChunkFormat {
  readonly chunkSize: number
  /** Of most chunks: some are raw. */
  readonly codec: CodecName
  /** A chunk that is stored in as many bytes as it holds is raw. */
  readonly rawChunks: boolean
  /** Nothing says the codec: then chunks may be of zlib. */
  readonly undeclared: boolean
  /** Some writers who name snappy so know no raw chunks. */
  readonly snappyByGithub: boolean
}

/** A chunk as it is stored, without what stands before its codec's own bytes; `none` where it is raw. */
export interface ChunkForm {
  readonly codec: CodecName
  readonly stored: Bytes
}

/**
 * What a stored chunk is: raw, by the rules of its generation, or compressed, by the habits of its writer.
 * @param rest of the last chunk of a stream, where that is not whole: how many bytes the stream has of it
 */
export function formOfChunk(format: ChunkFormat, stored: Bytes, rest?: number): ChunkForm {
  const { codec, chunkSize } = format
  if (stored.length === chunkSize && format.rawChunks) {
    const whole = format.snappyByGithub && decodesTo('snappy', stored, chunkSize, chunkSize)
    return { codec: whole ? 'snappy' : 'none', stored }
  }
  if (format.undeclared && stored.length !== chunkSize && decodesTo('zlib', stored, chunkSize, 1))
    return { codec: 'zlib', stored }
  // A length before the block, as pyaff4 writes: no block begins with a token that copies what is not there yet.
  if (codec === 'lz4' && chunkSize % 256 === 0 && startsWithLength(stored, chunkSize))
    return { codec, stored: stored.subarray(4) }
  const zlib = codec === 'deflate' ? zlibOf(stored, chunkSize) : undefined
  if (zlib) return { codec: 'zlib', stored: zlib }
  // c-aff4 does not pad the last chunk before it stores that raw.
  if (stored.length === rest && format.rawChunks && !decodesTo(codec, stored, chunkSize, rest))
    return { codec: 'none', stored }
  return { codec, stored }
}

/**
 * What c-aff4 calls deflate, and takes where nobody tells it another method, is zlib, in as many bytes as that might
 * have needed.
 */
export function zlibOf(stored: Bytes, chunkSize: number): Bytes | undefined {
  const [first = 0, second = 0] = stored
  // RFC 1950 §2.2: method 8, and check bits.
  if ((first & 0x0f) !== 8 || (first * 256 + second) % 31 !== 0) return undefined
  const content = stored.findLastIndex((byte) => byte !== 0) + 1
  // Its checksum may end in zeros, too.
  for (let end = content; end <= Math.min(content + 4, stored.length); end++)
    if (decodesTo('zlib', stored.subarray(0, end), chunkSize, 1)) return stored.subarray(0, end)
  return undefined
}

const startsWithLength = (stored: Bytes, length: number) =>
  stored.length > 4 && asDataView(stored).getUint32(0, true) === length

function decodesTo(codec: CodecName, stored: Bytes, limit: number, least: number): boolean {
  try {
    return decompressUpTo(codec, stored, limit).length >= least
  } catch {
    return false
  }
}
