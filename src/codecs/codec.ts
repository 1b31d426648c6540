import { createRequire } from 'node:module'
import { CodecError, type FileCodec, tooLong, type WritableFileCodec } from './codec-error.js'
import { copyBytes } from './copy-bytes.js'
import { lzo1xDecode } from './lzo.js'
import { asBuffer } from './views.js'
import { deflate, inflate, inflateTemporarily } from './zlib-codec.js'
import { zstdCompress, zstdDecompress } from './zstd.js'

const require = createRequire(import.meta.url)
let snappyLibrary: typeof import('snappy') | undefined
let lz4Library: typeof import('lz4-napi') | undefined

/** Loaded with the first chunk: that takes 10 ms each, and most processes see one codec or none. */
function snappy(): typeof import('snappy') {
  snappyLibrary ??= require('snappy') as typeof import('snappy')
  return snappyLibrary
}
function lz4(): typeof import('lz4-napi') {
  lz4Library ??= require('lz4-napi') as typeof import('lz4-napi')
  return lz4Library
}

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
  },

  snappy: {
    compress: (bytes) => snappy().compressSync(bytes, { copyOutputData: true }),
    decompress(stored, limit) {
      if (snappyLength(stored) > limit) throw new CodecError('snappy', tooLong(limit))
      try {
        return bytesOf(snappy().uncompressSync(stored, { asBuffer: true, copyOutputData: true }))
      } catch (cause) {
        throw damaged('snappy', cause)
      }
    },
  },

  lz4: {
    // The package works on blocks with their u32 length in front.
    compress: (bytes) => lz4().compressSync(asBuffer(bytes)).subarray(4),
    decompress(stored, limit) {
      const prefixed = scratch(4 + stored.length)
      prefixed.writeUInt32LE(limit)
      prefixed.set(stored, 4)
      try {
        return lz4().uncompressSync(prefixed)
      } catch (cause) {
        throw damaged('lz4', cause)
      }
    },
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
 * Decodes one stored chunk that fills `into`: for small chunks, which cost less than a buffer for each.
 * @throws {CodecError} when `stored` is damaged or holds fewer or more bytes
 */
export function decompressInto(codec: FileCodec, stored: Uint8Array, into: Buffer): void {
  const { decompressTemporarily, decompress } = TABLE[codec]
  const bytes = (decompressTemporarily ?? decompress)(stored, into.length)
  if (bytes.length !== into.length) throw otherSize(codec, bytes.length, into.length)
  copyBytes(into, 0, bytes)
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

let lz4Scratch = Buffer.alloc(0)
function scratch(length: number): Buffer {
  if (lz4Scratch.length < length) lz4Scratch = Buffer.allocUnsafeSlow(Math.max(length, 2 * lz4Scratch.length))
  return lz4Scratch.subarray(0, length)
}

function bytesOf(output: string | Buffer): Buffer {
  if (typeof output === 'string') throw new TypeError('snappy gave text for bytes')
  return output
}

function damaged(codec: FileCodec, cause: unknown): CodecError {
  const reason = cause instanceof Error ? cause.message.replace(/^snappy: /, '') : String(cause)
  return new CodecError(codec, `damaged: ${reason}`, cause)
}
