import { asBuffer } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { dosTime, timeExtra } from './times.js'
import { LIMIT_32, readZip64, zip64Extra } from './zip64.js'

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
export const STORED = 0
export const DEFLATED = 8
const FLAG_UTF8 = 1 << 11
/** A descriptor behind the data has the sizes: so many writers say, and not all of them write one. */
const FLAG_DESCRIPTOR = 1 << 3

/** What a header says of a member whose content is known. */
export interface MemberFacts {
  readonly name: string
  readonly method: number
  readonly crc: number
  readonly compressedSize: bigint
  readonly size: bigint
  /** When the file was last written, in nanoseconds since the epoch; members of AFF4 volumes say none. */
  readonly modified?: bigint
  /** The sizes stand in a descriptor behind the data. */
  readonly described?: boolean
}

export const flagsOf = (name: Bytes, described = false): number =>
  (name.some((byte) => byte > 0x7f) ? FLAG_UTF8 : 0) | (described ? FLAG_DESCRIPTOR : 0)

/**
 * The header with its real sizes and CRC: whoever walks from header to header finds every member.
 * @param reserve bytes of room, for a header that will be written again: for a longer name, and 64 bits for each size
 */
export function encodeLocalHeader(member: MemberFacts, reserve?: number): Bytes {
  const name = Buffer.from(member.name, 'utf8')
  const large = reserve !== undefined || member.size >= LIMIT_32 || member.compressedSize >= LIMIT_32
  const extra = Buffer.concat([
    large ? zip64Extra(member.size, member.compressedSize) : Buffer.alloc(0),
    timeExtra(member.modified),
    reserve === undefined ? Buffer.alloc(0) : reservedExtra(reserve),
  ])
  const header = Buffer.alloc(LOCAL_HEADER_SIZE)
  header.writeUInt32LE(SIGNATURE, 0)
  header.writeUInt16LE(VERSION_NEEDED, 4)
  header.writeUInt16LE(flagsOf(name, member.described), 6)
  header.writeUInt16LE(member.method, 8)
  header.writeUInt32LE(dosTime(member.modified), 10)
  header.writeUInt32LE(member.crc, 14)
  header.writeUInt32LE(large ? 0xffffffff : Number(member.compressedSize), 18)
  header.writeUInt32LE(large ? 0xffffffff : Number(member.size), 22)
  header.writeUInt16LE(name.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, name, extra])
}

/** Nobody's extra field, for room. */
const RESERVED = 0x6d70

function reservedExtra(length: number): Buffer {
  const extra = Buffer.alloc(4 + length)
  extra.writeUInt16LE(RESERVED, 0)
  extra.writeUInt16LE(length, 2)
  return extra
}

/** Bytes from the signature to the data, which only the local header knows. `bytes` is its fixed part. */
export function localHeaderLength(bytes: Bytes, at: bigint): number {
  const view = asBuffer(bytes)
  if (view.length < LOCAL_HEADER_SIZE || view.readUInt32LE(0) !== SIGNATURE)
    throw new FormatError('zip: no local header', at)
  return LOCAL_HEADER_SIZE + view.readUInt16LE(26) + view.readUInt16LE(28)
}

export interface LocalHeader {
  readonly name: string
  readonly method: number
  /** Bytes from the signature to the data. */
  readonly length: number
  /** The name is said to be UTF-8. */
  readonly utf8: boolean
  /** What is said of the data; undefined where that was not known yet when the header was written. */
  readonly facts: Pick<MemberFacts, 'crc' | 'compressedSize' | 'size'> | undefined
}

/** No version of ZIP demands more than 6.3. */
const LATEST_VERSION = 63
const LONGEST_NAME = 4096

/**
 * Decodes a header that was found by its signature alone, among bytes that may be anything.
 * @returns undefined when it is none that a writer of AFF4 would have made, or `bytes` hold only its beginning
 */
export function findLocalHeader(bytes: Bytes): LocalHeader | undefined {
  const view = asBuffer(bytes)
  if (view.length < LOCAL_HEADER_SIZE || view.readUInt32LE(0) !== SIGNATURE) return undefined
  const flags = view.readUInt16LE(6)
  const method = view.readUInt16LE(8)
  const nameEnd = LOCAL_HEADER_SIZE + view.readUInt16LE(26)
  const length = nameEnd + view.readUInt16LE(28)
  if (view.readUInt16LE(4) > LATEST_VERSION || (method !== STORED && method !== DEFLATED)) return undefined
  if (nameEnd === LOCAL_HEADER_SIZE || nameEnd > LOCAL_HEADER_SIZE + LONGEST_NAME || view.length < length)
    return undefined
  const name = view.toString('utf8', LOCAL_HEADER_SIZE, nameEnd)
  if (/[\p{Cc}\ufffd]/u.test(name)) return undefined
  const utf8 = (flags & FLAG_UTF8) !== 0
  const crc = view.readUInt32LE(14)
  const [size, compressedSize] = sizesOf(view, nameEnd, length)
  const unknown = size === undefined || compressedSize === undefined || size === ALL_ONES
  const empty = crc === 0 && compressedSize === 0n
  if (unknown || ((flags & FLAG_DESCRIPTOR) !== 0 && empty))
    return { name, method, length, utf8, facts: undefined }
  return { name, method, length, utf8, facts: { crc, compressedSize, size } }
}

const ALL_ONES = (1n << 64n) - 1n

function sizesOf(header: Buffer, nameEnd: number, end: number): (bigint | undefined)[] {
  try {
    return readZip64(header.subarray(nameEnd, end), [header.readUInt32LE(22), header.readUInt32LE(18)], 0n)
  } catch {
    return []
  }
}

/** As many bytes as `findLocalHeader` may have to see. */
export const LONGEST_HEADER = LOCAL_HEADER_SIZE + LONGEST_NAME + 0xffff
