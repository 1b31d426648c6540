import { asBuffer } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import type { MemberFacts } from './local-header.js'

/**
 * Data descriptor (APPNOTE 6.3.10 §4.3.9), behind the data of a member whose header did not know its sizes. It
 * begins with the signature 50 4b 07 08 and the CRC-32; the sizes have 8 bytes each, or 4:
 *
 *      4  4  CRC-32                      8  4  compressed size
 *      8  8  compressed size            12  4  uncompressed size
 *     16  8  uncompressed size
 */
const SIGNATURE = 0x08074b50
export const DESCRIPTOR_SIZE = 24
const SHORT_SIZE = 16

export interface Descriptor extends Pick<MemberFacts, 'crc' | 'compressedSize' | 'size'> {
  /** Its own. */
  readonly length: number
}

/** @param long the sizes have 8 bytes: where the local header has a zip64 field */
export function encodeDescriptor(
  { crc, compressedSize, size }: Omit<Descriptor, 'length'>,
  long: boolean,
): Bytes {
  const bytes = Buffer.alloc(long ? DESCRIPTOR_SIZE : SHORT_SIZE)
  bytes.writeUInt32LE(SIGNATURE, 0)
  bytes.writeUInt32LE(crc, 4)
  if (long) {
    bytes.writeBigUInt64LE(compressedSize, 8)
    bytes.writeBigUInt64LE(size, 16)
  } else {
    bytes.writeUInt32LE(Number(compressedSize), 8)
    bytes.writeUInt32LE(Number(size), 12)
  }
  return bytes
}

/** What `bytes` may mean as a descriptor: nothing in it tells which form it has. */
export function readDescriptor(bytes: Bytes): Descriptor[] {
  const view = asBuffer(bytes)
  if (view.length < SHORT_SIZE || view.readUInt32LE(0) !== SIGNATURE) return []
  const crc = view.readUInt32LE(4)
  const short = {
    crc,
    compressedSize: BigInt(view.readUInt32LE(8)),
    size: BigInt(view.readUInt32LE(12)),
    length: SHORT_SIZE,
  }
  if (view.length < DESCRIPTOR_SIZE) return [short]
  const long = {
    crc,
    compressedSize: view.readBigUInt64LE(8),
    size: view.readBigUInt64LE(16),
    length: DESCRIPTOR_SIZE,
  }
  return [long, short]
}
