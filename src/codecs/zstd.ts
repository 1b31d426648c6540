import zlib from 'node:zlib'
import { CodecError, tooLong } from './codec-error.js'

/** Node has zstd from 22.15 on. */
interface Zstd {
  zstdCompressSync?(bytes: Uint8Array, options: { params: Record<number, number> }): Uint8Array
  zstdDecompressSync?(stored: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}
const { zstdCompressSync, zstdDecompressSync } = zlib as Zstd

const COMPRESSION_LEVEL = 100
const FASTEST = 1

/** Whether this Node has it. */
export const hasZstd = zstdCompressSync !== undefined

/** One frame (RFC 8878). @throws {CodecError} where this Node has no zstd */
export function zstdCompress(bytes: Uint8Array): Uint8Array {
  if (!zstdCompressSync) throw missing()
  return zstdCompressSync(bytes, { params: { [COMPRESSION_LEVEL]: FASTEST } })
}

/** @throws {CodecError} when `stored` is damaged or holds more than `limit` bytes, or where this Node has no zstd */
export function zstdDecompress(stored: Uint8Array, limit: number): Uint8Array {
  if (!zstdDecompressSync) throw missing()
  try {
    return zstdDecompressSync(stored, { maxOutputLength: Math.max(limit, 1) })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const reason = code === 'ERR_BUFFER_TOO_LARGE' ? tooLong(limit) : `damaged: ${message}`
    throw new CodecError('zstd', reason, cause)
  }
}

const missing = () => new CodecError('zstd', `Node ${process.versions.node} has none: 22.15 or later does`)
