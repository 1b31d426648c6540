import type { Run } from '../../../src/formats/address-space.js'

/** A record as LiME writes it: written here from its definition, not with our own encoder. */
export function limeRecord(
  start: bigint,
  content: Uint8Array,
  end = start + BigInt(content.length) - 1n,
): Buffer {
  return Buffer.concat([recordHeader('EMiL', 1, start, end), content])
}

export function recordHeader(magic: string, version: number, start: bigint, end: bigint): Buffer {
  const header = Buffer.alloc(32)
  header.write(magic, 'latin1')
  header.writeUInt32LE(version, 4)
  header.writeBigUInt64LE(start, 8)
  header.writeBigUInt64LE(end, 16)
  return header
}

/** Pages that differ by their number. */
export const page = (value: number, size = 0x1000): Buffer => Buffer.alloc(size, `page ${value};`)

/** The example of the shared fixtures: 'A' and 'B' at 0x1000, a pattern at 0x5000. */
export const TINY_RUNS: readonly Run[] = [
  { start: 0x1000n, length: 0x2000n },
  { start: 0x5000n, length: 0x1000n },
]
export const TINY_CONTENT = [
  Buffer.concat([Buffer.alloc(0x1000, 'A'), Buffer.alloc(0x1000, 'B')]),
  Buffer.from(Array.from({ length: 0x1000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff)),
]
