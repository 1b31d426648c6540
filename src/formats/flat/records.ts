import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

// makedumpfile's flat container: a file that was written at positions, as one sequence (makedumpfile.h: struct
// makedumpfile_header, struct makedumpfile_data_header). Big-endian.
//   header    4096   "makedumpfile" with NULs to 16, i64 type, i64 version, zeros
//   record      16   i64 offset, i64 size, then so many bytes
//   end         16   offset and size -1

export const HEADER_SIZE = 4096
export const RECORD_SIZE = 16
const SIGNATURE = Buffer.from('makedumpfile\0\0\0\0', 'latin1')
const TYPE = 1n
const VERSION = 1n
const END = -1n

export const isFlat = (head: Bytes): boolean => asBuffer(head).subarray(0, SIGNATURE.length).equals(SIGNATURE)

/** Bytes that stand at an offset of the file; `end` behind the last of them. */
export type FlatRecord = { readonly offset: bigint; readonly size: bigint } | 'end'

export function encodeFlatHeader(): Bytes {
  const header = Buffer.alloc(HEADER_SIZE)
  header.set(SIGNATURE)
  header.writeBigInt64BE(TYPE, 16)
  header.writeBigInt64BE(VERSION, 24)
  return header
}

/** @returns type and version */
export const decodeFlatHeader = (header: Buffer): { type: bigint; version: bigint } => ({
  type: header.readBigInt64BE(16),
  version: header.readBigInt64BE(24),
})

export const isKnown = ({ type, version }: { type: bigint; version: bigint }): boolean =>
  type === TYPE && version === VERSION

export function encodeFlatRecord(record: FlatRecord): Bytes {
  const bytes = Buffer.allocUnsafe(RECORD_SIZE)
  const { offset, size } = record === 'end' ? { offset: END, size: END } : record
  bytes.writeBigInt64BE(offset, 0)
  bytes.writeBigInt64BE(size, 8)
  return bytes
}

/** The 16 bytes at `at`. */
export function decodeFlatRecord(bytes: Buffer, at: number): FlatRecord {
  const offset = bytes.readBigInt64BE(at)
  const size = bytes.readBigInt64BE(at + 8)
  return offset === END && size === END ? 'end' : { offset, size }
}
