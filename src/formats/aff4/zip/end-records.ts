import type { Bytes } from '../../byte-source.js'
import { MADE_BY } from './central-directory.js'
import { VERSION_NEEDED } from './local-header.js'

/**
 * The end of a ZIP file (APPNOTE 6.3.10 §4.3.14 to §4.3.16), three records one after another:
 *
 *     zip64 end of central directory, 56 bytes
 *      0  4  signature 50 4b 06 06      24  8  entries on this disk
 *      4  8  size of the rest: 44       32  8  entries
 *     12  2  version made by            40  8  size of the directory
 *     14  2  version needed             48  8  offset of the directory
 *     16  4  disk                       20  4  disk of the directory
 *
 *     its locator, 20 bytes
 *      0  4  signature 50 4b 06 07       8  8  offset of the record above
 *      4  4  disk                       16  4  disks: 1
 *
 *     end of central directory, 22 bytes and the comment
 *      0  4  signature 50 4b 05 06      12  4  size of the directory
 *      4  2  disk                       16  4  offset of the directory
 *      6  2  disk of the directory      20  2  comment length
 *      8  2  entries on this disk       22  …  comment
 *     10  2  entries
 */
const ZIP64_END = 0x06064b50
const LOCATOR = 0x07064b50
export const END = 0x06054b50
export const ZIP64_END_SIZE = 56
export const LOCATOR_SIZE = 20
export const END_SIZE = 22
export const MAX_COMMENT = 0xffff

export interface EndOfDirectory {
  readonly entries: bigint
  readonly directorySize: bigint
  readonly directoryOffset: bigint
}

/** All three records: readers that stop at 2 GiB of a plain record find the 64-bit ones. */
export function encodeEnd(end: EndOfDirectory, comment: string): Bytes {
  const text = Buffer.from(comment, 'utf8')
  const bytes = Buffer.alloc(ZIP64_END_SIZE + LOCATOR_SIZE + END_SIZE)
  bytes.writeUInt32LE(ZIP64_END, 0)
  bytes.writeBigUInt64LE(BigInt(ZIP64_END_SIZE - 12), 4)
  bytes.writeUInt16LE(MADE_BY, 12)
  bytes.writeUInt16LE(VERSION_NEEDED, 14)
  bytes.writeBigUInt64LE(end.entries, 24)
  bytes.writeBigUInt64LE(end.entries, 32)
  bytes.writeBigUInt64LE(end.directorySize, 40)
  bytes.writeBigUInt64LE(end.directoryOffset, 48)
  const locator = ZIP64_END_SIZE
  bytes.writeUInt32LE(LOCATOR, locator)
  bytes.writeBigUInt64LE(end.directoryOffset + end.directorySize, locator + 8)
  bytes.writeUInt32LE(1, locator + 16)
  const plain = locator + LOCATOR_SIZE
  const entries = end.entries > 0xfffen ? 0xffff : Number(end.entries)
  bytes.writeUInt32LE(END, plain)
  bytes.writeUInt16LE(entries, plain + 8)
  bytes.writeUInt16LE(entries, plain + 10)
  bytes.writeUInt32LE(0xffffffff, plain + 12)
  bytes.writeUInt32LE(0xffffffff, plain + 16)
  bytes.writeUInt16LE(text.length, plain + 20)
  return Buffer.concat([bytes, text])
}

/** The plain record at the start of `bytes`, with the length its comment has. */
export function decodeEnd(bytes: Buffer): EndOfDirectory & { commentLength: number } {
  return {
    entries: BigInt(bytes.readUInt16LE(10)),
    directorySize: BigInt(bytes.readUInt32LE(12)),
    directoryOffset: BigInt(bytes.readUInt32LE(16)),
    commentLength: bytes.readUInt16LE(20),
  }
}

/** Where the zip64 record stands, as a locator tells; undefined when `bytes` are none. */
export const decodeLocator = (bytes: Buffer): bigint | undefined =>
  bytes.length === LOCATOR_SIZE && bytes.readUInt32LE(0) === LOCATOR ? bytes.readBigUInt64LE(8) : undefined

/** The zip64 record; undefined when `bytes` are none. */
export const decodeZip64End = (bytes: Buffer): EndOfDirectory | undefined =>
  bytes.length === ZIP64_END_SIZE && bytes.readUInt32LE(0) === ZIP64_END
    ? {
        entries: bytes.readBigUInt64LE(32),
        directorySize: bytes.readBigUInt64LE(40),
        directoryOffset: bytes.readBigUInt64LE(48),
      }
    : undefined
