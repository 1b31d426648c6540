import { crc32c } from '../../codecs/crc32c.js'
import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

// The framing format of snappy (framing_format.txt of google/snappy): a stream identifier, then chunks.
//
//   0  u8   type
//   1  u24  length of what follows, little-endian
//   4       of type 0x00 and 0x01: u32 masked CRC-32C of the content, then its stored form
export const CHUNK = { compressed: 0x00, raw: 0x01, padding: 0xfe, identifier: 0xff } as const
/** From here on a reader that does not know a type skips it. */
const FIRST_SKIPPABLE = 0x80

export const CHUNK_HEADER_SIZE = 4
export const CHECKSUM_SIZE = 4
/** Of the content of one chunk. */
export const MOST_CONTENT = 64 << 10
/** What snappy makes of 64 KiB at most: 32 + n + n/6. */
const MOST_COMPRESSED = 32 + MOST_CONTENT + Math.floor(MOST_CONTENT / 6)
export const STREAM_IDENTIFIER: Bytes = Buffer.from('\xff\x06\x00\x00sNaPpY', 'latin1')
/** Of a chunk so much tells its type, its size and the size of its content: the latter is a varint of up to 5 bytes. */
export const TELLING_BYTES = CHUNK_HEADER_SIZE + CHECKSUM_SIZE + 5

export interface ChunkHeader {
  readonly type: number
  /** Of the whole chunk, with its header. */
  readonly size: number
  /** Bytes that it decodes to; 0 of chunks without content. */
  readonly content: number
}

/**
 * What a chunk is.
 * @param bytes from its beginning on, TELLING_BYTES where the file has as many
 * @returns in words what is wrong, where it is none that can be read; undefined where its header is cut
 */
export function decodeChunkHeader(bytes: Bytes): ChunkHeader | string | undefined {
  if (bytes.length < CHUNK_HEADER_SIZE) return undefined
  const head = asBuffer(bytes)
  const type = head.readUInt8(0)
  const length = head.readUIntLE(1, 3)
  const size = CHUNK_HEADER_SIZE + length
  if (type === CHUNK.identifier && head.length < STREAM_IDENTIFIER.length) return undefined
  if (type === CHUNK.identifier)
    return isIdentifier(head) ? { type, size, content: 0 } : 'no stream of snappy'
  if (type >= FIRST_SKIPPABLE) return { type, size, content: 0 }
  if (type > CHUNK.raw) return `a chunk of the unknown type ${type}`
  const stored = length - CHECKSUM_SIZE
  if (type === CHUNK.raw)
    return stored < 0 || stored > MOST_CONTENT
      ? `a chunk of ${length} bytes`
      : { type, size, content: stored }
  if (stored < 1 || stored > MOST_COMPRESSED) return `a compressed chunk of ${length} bytes`
  const content = readVarint(head.subarray(CHUNK_HEADER_SIZE + CHECKSUM_SIZE, Math.min(size, TELLING_BYTES)))
  if (content === undefined)
    return head.length < TELLING_BYTES && head.length < size ? undefined : 'no length'
  return content > MOST_CONTENT ? `a chunk that holds ${content} bytes` : { type, size, content }
}

/** The beginning of a chunk: its header, and the checksum of its content. */
export function encodeChunkHead(type: 0 | 1, storedLength: number, crc: number): Bytes {
  const head = Buffer.allocUnsafe(CHUNK_HEADER_SIZE + CHECKSUM_SIZE)
  head.writeUInt8(type, 0)
  head.writeUIntLE(CHECKSUM_SIZE + storedLength, 1, 3)
  head.writeUInt32LE(maskChecksum(crc), CHUNK_HEADER_SIZE)
  return head
}

/** Whether the checksum that stands in a chunk is that of its content. */
export const matchesChecksum = (chunk: Bytes, content: Bytes): boolean =>
  asBuffer(chunk).readUInt32LE(CHUNK_HEADER_SIZE) === maskChecksum(crc32c(content))

/** A CRC of data that holds CRCs is worth less: framed streams store it rotated by 15 bits, plus a constant. */
export const maskChecksum = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0

const isIdentifier = (head: Buffer): boolean =>
  head.subarray(0, STREAM_IDENTIFIER.length).equals(STREAM_IDENTIFIER)

/** A little-endian base-128 number below 2^32. */
function readVarint(bytes: Bytes): number | undefined {
  let value = 0
  for (const [index, byte] of bytes.entries()) {
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return value
  }
  return undefined
}
