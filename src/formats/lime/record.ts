import { asBuffer } from '../../codecs/views.js'
import { isZero } from '../../codecs/zero.js'
import type { Run } from '../address-space.js'
import type { Bytes } from '../byte-source.js'

// `lime_mem_range_header` of LiME (lime.h), little-endian, without padding. AVML has the same one.
//
//    0  u32    magic     LiME "EMiL", AVML "AVML"
//    4  u32    version   LiME 1, AVML 2
//    8  u64    s_addr    first physical address
//   16  u64    e_addr    last physical address, inclusive
//   24  u8[8]  reserved  zeros
export const RECORD_HEADER_SIZE = 32

/** Which records a file is made of. */
export interface RecordKind {
  /** Four characters. */
  readonly magic: string
  readonly version: number
}

export const LIME_RECORD: RecordKind = { magic: 'EMiL', version: 1 }
export const AVML_RECORD: RecordKind = { magic: 'AVML', version: 2 }

export interface RecordHeader extends RecordKind {
  readonly start: bigint
  /** Inclusive. */
  readonly end: bigint
}

/** @param bytes at least RECORD_HEADER_SIZE */
function decodeRecordHeader(bytes: Bytes): RecordHeader {
  const header = asBuffer(bytes)
  return {
    magic: header.toString('latin1', 0, 4),
    version: header.readUInt32LE(4),
    start: header.readBigUInt64LE(8),
    end: header.readBigUInt64LE(16),
  }
}

export function encodeRecordHeader({ magic, version, start, end }: RecordHeader): Bytes {
  const header = Buffer.alloc(RECORD_HEADER_SIZE)
  header.write(magic, 'latin1')
  header.writeUInt32LE(version, 4)
  header.writeBigUInt64LE(start, 8)
  header.writeBigUInt64LE(end, 16)
  return header
}

/** The range of the record that begins with `head`, or what is wrong with its header, in words. */
export function rangeOf(head: Bytes, kind: RecordKind): Run | string {
  if (head.length < RECORD_HEADER_SIZE) return 'the file ends inside the header of a record'
  const { magic, version, start, end } = decodeRecordHeader(head)
  if (magic !== kind.magic) return 'no record begins here'
  if (version !== kind.version) return `a record of version ${version}; ${kind.version} is known`
  if (end < start) return `a record from 0x${start.toString(16)} to 0x${end.toString(16)}`
  return { start, length: end - start + 1n }
}

/** Whether nothing but zeros stands where a record would begin: their end, for other readers, too. */
export const endsRecords = (head: Bytes): boolean => head.length >= RECORD_HEADER_SIZE && isZero(head)
