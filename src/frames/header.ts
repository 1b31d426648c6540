import { crc32 } from 'node:zlib'
import type { Bytes } from '../formats/byte-source.js'

/**
 * The header of every frame: 48 bytes, little-endian (pmem-frames(5)).
 *
 *    0  4  magic "PMF1"
 *    4  1  type
 *    5  1  codec of DATA, kind of FILL
 *    6  2  flags
 *    8  4  stream
 *   12  4  payload length
 *   16  8  offset
 *   24  8  length
 *   32  8  time
 *   40  4  payload CRC-32
 *   44  4  header CRC-32 over bytes 0 to 43
 */
export const HEADER_SIZE = 48
export const MAGIC = Buffer.from('PMF1', 'latin1')
export const MAX_PAYLOAD = 16 << 20

/** Frame types in the order of their numbers, from 1. */
export const TYPES = ['start', 'stream', 'data', 'fill', 'meta', 'digest', 'note', 'close', 'end'] as const
export type FrameType = (typeof TYPES)[number]

export const FLAG_CRC = 1
export const FLAG_PADDED = 2

export interface Header {
  type: number
  codec: number
  flags: number
  stream: number
  payloadLength: number
  offset: bigint
  length: bigint
  time: bigint
  payloadCrc: number
}

/** Writes a header and its CRC at `at`. */
export function encodeHeader(header: Header, into: Buffer, at: number): void {
  into.set(MAGIC, at)
  into[at + 4] = header.type
  into[at + 5] = header.codec
  into.writeUInt16LE(header.flags, at + 6)
  into.writeUInt32LE(header.stream, at + 8)
  into.writeUInt32LE(header.payloadLength, at + 12)
  into.writeBigUInt64LE(header.offset, at + 16)
  into.writeBigUInt64LE(header.length, at + 24)
  into.writeBigUInt64LE(header.time, at + 32)
  into.writeUInt32LE(header.payloadCrc, at + 40)
  into.writeUInt32LE(crc32(into.subarray(at, at + 44)), at + 44)
}

/** Whether 48 bytes at `at` are a header: magic and CRC. What the fields say is not judged here. */
export function isHeader(bytes: Buffer, at: number): boolean {
  return (
    bytes[at] === 0x50 &&
    bytes.readUInt32LE(at) === 0x31464d50 &&
    bytes.readUInt32LE(at + 44) === crc32(bytes.subarray(at, at + 44))
  )
}

/** Reads the fields of a header that `isHeader` has accepted. */
export function decodeHeader(bytes: Buffer, at: number): Header {
  return {
    type: bytes[at + 4]!,
    codec: bytes[at + 5]!,
    flags: bytes.readUInt16LE(at + 6),
    stream: bytes.readUInt32LE(at + 8),
    payloadLength: bytes.readUInt32LE(at + 12),
    offset: bytes.readBigUInt64LE(at + 16),
    length: bytes.readBigUInt64LE(at + 24),
    time: bytes.readBigUInt64LE(at + 32),
    payloadCrc: bytes.readUInt32LE(at + 40),
  }
}

/** CRC-32 (IEEE) of a stored payload. */
export function payloadCrc(payload: Bytes): number {
  return crc32(payload)
}
