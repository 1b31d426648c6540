import type { Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { LIMIT_32, zip64Extra } from './zip64.js'

/**
 * Local file header (APPNOTE 6.3.10 §4.3.7), then name, extra field, data:
 *
 *      0  4  signature 50 4b 03 04      14  4  CRC-32 of the uncompressed data
 *      4  2  version needed             18  4  compressed size
 *      6  2  flags                      22  4  uncompressed size
 *      8  2  method                     26  2  name length
 *     10  2  DOS time                   28  2  extra length
 *     12  2  DOS date
 */
export const LOCAL_HEADER_SIZE = 30
const SIGNATURE = 0x04034b50
/** 4.5: zip64. */
export const VERSION_NEEDED = 45
/** 1980-01-01: the same evidence gives the same bytes. */
export const DOS_DATE = 0x0021
export const STORED = 0
export const DEFLATED = 8
const FLAG_UTF8 = 1 << 11

/** What a header says of a member whose content is known. */
export interface MemberFacts {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly compressedSize: bigint
  readonly size: bigint
}

export const flagsOf = (name: Bytes): number => (name.some((byte) => byte > 0x7f) ? FLAG_UTF8 : 0)

/** The header with its real sizes and CRC: whoever walks from header to header finds every member. */
export function encodeLocalHeader(member: MemberFacts): Bytes {
  const name = Buffer.from(member.name, 'utf8')
  const large = member.size >= LIMIT_32 || member.compressedSize >= LIMIT_32
  const extra = large ? zip64Extra(member.size, member.compressedSize) : Buffer.alloc(0)
  const header = Buffer.alloc(LOCAL_HEADER_SIZE)
  header.writeUInt32LE(SIGNATURE, 0)
  header.writeUInt16LE(VERSION_NEEDED, 4)
  header.writeUInt16LE(flagsOf(name), 6)
  header.writeUInt16LE(member.method, 8)
  header.writeUInt16LE(DOS_DATE, 12)
  header.writeUInt32LE(member.crc, 14)
  header.writeUInt32LE(large ? 0xffffffff : Number(member.compressedSize), 18)
  header.writeUInt32LE(large ? 0xffffffff : Number(member.size), 22)
  header.writeUInt16LE(name.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, name, extra])
}

/** Bytes from the signature to the data, which only the local header knows. `bytes` is its fixed part. */
export function localHeaderLength(bytes: Bytes, at: bigint): number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.length < LOCAL_HEADER_SIZE || view.readUInt32LE(0) !== SIGNATURE)
    throw new FormatError('zip: no local header', at)
  return LOCAL_HEADER_SIZE + view.readUInt16LE(26) + view.readUInt16LE(28)
}
