import { lz4, snappy } from './block-codecs.js'
import { CodecError, type FileCodec, tooLong, type WritableFileCodec } from './codec-error.js'
import { copyBytes } from './copy-bytes.js'
import { lzo1xDecode } from './lzo.js'
import { sweepAfter } from './sweep.js'
import { deflate, inflate, inflateTemporarily } from './zlib-codec.js'
import { zstdCompress, zstdDecompress } from './zstd.js'

interface Codec {
  /** Absent where the codec is only read. */
  compress?(bytes: Uint8Array, level: number): Uint8Array
  /** At most `limit` bytes, however many the stored form claims or holds. */
  decompress(stored: Uint8Array, limit: number): Uint8Array
  /** The same, valid until the next call; absent where that is no faster. */
  decompressTemporarily?(stored: Uint8Array, limit: number): Uint8Array
}

/** Level 6 takes twice the time of 1 for 6 % fewer bytes (docs/decisions.md). */
const ZLIB_LEVEL = 1
/** Most that snappy and lz4 (u32 lengths) can say; also more than any chunk or frame. */
const U32_MAX = 0xffff_ffff

const TABLE: Record<FileCodec, Codec> = {
  none: {
    compress: (bytes) => bytes,
    decompress(stored, limit) {
      if (stored.length > limit) throw new CodecError('none', tooLong(limit))
      return stored
    },
  },

  zlib: {
    compress: deflate,
    decompress: (stored, limit) => inflate('zlib', stored, limit),
    decompressTemporarily: (stored, limit) => inflateTemporarily('zlib', stored, limit),
  },

  deflate: {
    decompress: (stored, limit) => inflate('deflate', stored, limit),
    decompressTemporarily: (stored, limit) => inflateTemporarily('deflate', stored, limit),
  },

  snappy: {
    compress: (bytes) => snappy().compress(bytes),
    decompress(stored, limit) {
      const size = snappyLength(stored)
      if (size > limit) throw new CodecError('snappy', tooLong(limit))
      return snappy().decompress(stored, size)
    },
  },

  lz4: {
    compress: (bytes) => lz4().compress(bytes),
    decompress: (stored, limit) => lz4().decompress(stored, limit),
  },

  zstd: { compress: zstdCompress, decompress: zstdDecompress },

  lzo: {
    decompress(stored, limit) {
      const bytes = Buffer.allocUnsafeSlow(limit)
      return bytes.subarray(0, lzo1xDecode(stored, bytes))
    },
  },
}

/**
 * Compresses one chunk.
 * @param level zlib 1 to 9; other codecs have none
 * @returns the stored form, which may be longer than `bytes`; with `none`, `bytes` itself
 */
export function compress(codec: WritableFileCodec, bytes: Uint8Array, level = ZLIB_LEVEL): Uint8Array {
  return TABLE[codec].compress!(bytes, level)
}

/**
 * Decodes one stored chunk of exactly `size` bytes.
 * @returns a buffer of its own; with `none`, `stored` itself
 * @throws {CodecError} when `stored` is damaged or holds fewer or more than `size` bytes
 */
export function decompress(codec: FileCodec, stored: Uint8Array, size: number): Uint8Array {
  const bytes = decompressUpTo(codec, stored, size)
  if (bytes.length !== size) throw otherSize(codec, bytes.length, size)
  return bytes
}

/**
 * Decodes one stored chunk that fills `into`, without a buffer of its own where the codec can do so.
 * @throws {CodecError} when `stored` is damaged or holds fewer or more bytes
 */
export function decompressInto(codec: FileCodec, stored: Uint8Array, into: Buffer): void {
  const { decompressTemporarily, decompress } = TABLE[codec]
  const bytes = (decompressTemporarily ?? decompress)(stored, into.length)
  if (bytes.length !== into.length) throw otherSize(codec, bytes.length, into.length)
  copyBytes(into, 0, bytes)
  if (!decompressTemporarily && bytes !== stored) sweepAfter(bytes.length)
}

const otherSize = (codec: FileCodec, size: number, expected: number) =>
  new CodecError(codec, `chunk holds ${size} bytes where ${expected} were expected`)

/**
 * Decodes one stored chunk of at most `limit` bytes: some writers do not pad the last chunk of a stream.
 * Never more than `limit` bytes are allocated for it, whatever it claims.
 * @throws {CodecError} when `stored` is damaged or holds more than `limit` bytes
 */
export function decompressUpTo(codec: FileCodec, stored: Uint8Array, limit: number): Uint8Array {
  if (!Number.isInteger(limit) || limit < 0 || limit > U32_MAX)
    throw new RangeError(`chunk size ${limit} is out of range`)
  return TABLE[codec].decompress(stored, limit)
}

/** The length that stands before a snappy block: LEB128, at most 32 bits. */
function snappyLength(stored: Uint8Array): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = stored[i]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (length > U32_MAX) break
      return length
    }
  }
  throw new CodecError('snappy', 'damaged: no length in front')
}
