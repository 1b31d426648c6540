import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource } from '../../byte-source.js'
import type { Report } from '../finding.js'

/*
 * All that the snapshot driver keeps is in blocks of 16 KiB, each at an offset of the volume:
 *
 *      0 16  identifier          24  8  offset within its own structure
 *     16  4  version             32  8  offset on the volume
 *     20  4  type                40  8  offset of the next block of the structure, 0 in the last
 *    128  .. payload
 */
export const BLOCK_SIZE = 0x4000
const BLOCK_HEADER_SIZE = 128
/** 3808876b-c176-4e48-b7ae-04046e6cc752 */
const IDENTIFIER = Buffer.from('6b87083876c1484eb7ae04046e6cc752', 'hex')

export const BLOCK_TYPE = { volumeHeader: 1, catalog: 2, blockList: 3, storeHeader: 4, bitmap: 6 } as const

/** Whether a block begins here. */
export const hasIdentifier = (bytes: Buffer): boolean =>
  bytes.length >= IDENTIFIER.length && IDENTIFIER.compare(bytes, 0, IDENTIFIER.length) === 0

/** What reading a structure of several blocks takes. */
export interface Chain {
  readonly source: ByteSource
  readonly type: number
  /** Offset of its first block. */
  readonly first: bigint
  /** What a message calls the structure. */
  readonly what: string
  readonly report: Report
}

/**
 * The payloads of a structure, block by block; each is valid until the next one is asked for. A block that is none of
 * it, that is cut off, or was there before ends it, and is reported.
 * @returns whether it went on to its last block
 */
export async function* readChain({
  source,
  type,
  first,
  what,
  report,
}: Chain): AsyncGenerator<Buffer, boolean> {
  const seen = new Set<bigint>()
  const room = Buffer.allocUnsafe(BLOCK_SIZE)
  for (let offset = first; offset !== 0n; ) {
    const stop = (why: string): false => {
      report({ message: `${what} of the shadow copies ends early: ${why}`, offset })
      return false
    }
    if (seen.has(offset)) return stop('it comes back to a block of its own')
    seen.add(offset)
    if (offset + BigInt(BLOCK_SIZE) > source.size)
      return stop('its next block lies past the end of the volume')
    const read = await source.read(offset, BLOCK_SIZE, room)
    const block = asBuffer(read)
    if (block.length < BLOCK_SIZE) return stop('its next block is cut off')
    if (!hasIdentifier(block)) return stop('there is no such block')
    if (block.readUInt32LE(20) !== type) return stop(`a block of type ${block.readUInt32LE(20)} is there`)
    if (block.readBigUInt64LE(32) !== offset)
      return stop(`the block there belongs at 0x${block.readBigUInt64LE(32).toString(16)}`)
    const next = block.readBigUInt64LE(40)
    yield block.subarray(BLOCK_HEADER_SIZE)
    offset = next
  }
  return true
}
