import { compress } from '../../../src/codecs/codec.js'
import { recordHeader } from '../lime/records.js'

const IDENTIFIER = Buffer.from('ff060000734e61507059', 'hex')

/** CRC-32C, a bit at a time, masked as framed streams of snappy have it. */
export function maskedSum(bytes: Uint8Array): number {
  let sum = -1
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  const crc = ~sum >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** A chunk of a framed stream, compressed or as it is. */
export function chunkOf(content: Uint8Array, compressed = true): Buffer {
  const stored = compressed ? compress('snappy', content) : content
  const head = Buffer.alloc(8)
  head.writeUInt8(compressed ? 0 : 1)
  head.writeUIntLE(stored.length + 4, 1, 3)
  head.writeUInt32LE(maskedSum(content), 4)
  return Buffer.concat([head, stored])
}

/** A record of AVML 2 from these chunks, written from its definition. */
export function avmlRecord(start: bigint, length: number, chunks: readonly Buffer[], told?: bigint): Buffer {
  const stream = Buffer.concat([IDENTIFIER, ...chunks])
  const trailer = Buffer.alloc(8)
  trailer.writeBigUInt64LE(told ?? BigInt(stream.length))
  return Buffer.concat([recordHeader('AVML', 2, start, start + BigInt(length) - 1n), stream, trailer])
}

/** Chunks of 64 KiB. */
export function chunksOf(content: Uint8Array, compressed?: boolean): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < content.length; at += 0x10000)
    chunks.push(chunkOf(content.subarray(at, at + 0x10000), compressed))
  return chunks
}
