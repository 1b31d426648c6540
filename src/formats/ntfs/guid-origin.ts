import type { Filetime } from './filetime.js'

/** Ticks from the FILETIME epoch back to 1582-10-15, which a GUID's time counts from. */
const GREGORIAN_EPOCH = 5_748_192_000_000_000n

/** What a version 1 GUID tells about where and when it was made. */
export interface GuidOrigin {
  readonly time: Filetime
  /** Of a network adapter, `52:54:00:12:34:56`; absent where the bit for multicast says that it is made up. */
  readonly mac?: string
}

/** @returns undefined for another version */
export function guidOrigin(bytes: Buffer, at: number): GuidOrigin | undefined {
  const high = bytes.readUInt16LE(at + 6)
  const isRfc4122 = bytes[at + 8]! >> 6 === 2
  if (high >> 12 !== 1 || !isRfc4122) return undefined
  const ticks =
    (BigInt(high & 0xfff) << 48n) |
    (BigInt(bytes.readUInt16LE(at + 4)) << 32n) |
    BigInt(bytes.readUInt32LE(at))
  const node = bytes.subarray(at + 10, at + 16)
  const time = ticks - GREGORIAN_EPOCH
  if ((node[0]! & 1) !== 0) return { time }
  return { time, mac: Array.from(node, (byte) => byte.toString(16).padStart(2, '0')).join(':') }
}
