import { decompress } from '../../codecs/codec.js'
import { sweepAfter } from '../../codecs/sweep.js'
import { asBuffer } from '../../codecs/views.js'
import { isZero } from '../../codecs/zero.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Chunk } from './chunk-walk.js'
import type { ReadWindow } from './read-window.js'
import { CHECKSUM_SIZE, CHUNK_HEADER_SIZE, matchesChecksum } from './snappy-frames.js'

/**
 * The content of a chunk: memory of its own where the chunk is compressed, else a view that is valid until the next
 * call. `address` is named in what is thrown.
 * @throws {FormatError} where it is not what was summed up
 */
export type DecodeChunk = (chunk: Chunk, address: bigint) => Promise<Bytes>

export function chunkDecoder(window: ReadWindow): DecodeChunk {
  /** Zeros as they stand in the file: a memory has many, and the same bytes need no second look. */
  let zeros: { readonly chunk: Buffer; readonly content: Bytes } | undefined

  return async ({ offset, size, compressed, content }, address) => {
    const where = `the chunk of address 0x${address.toString(16)}`
    const chunk = asBuffer(await window.at(offset, size))
    if (chunk.length < size) throw new FormatError(`${where} passes the end of the file`, offset)
    if (zeros?.chunk.equals(chunk)) return zeros.content
    const stored = chunk.subarray(CHUNK_HEADER_SIZE + CHECKSUM_SIZE)
    const plain = compressed ? decoded(stored, content, where, offset) : stored
    if (!matchesChecksum(chunk, plain)) throw new FormatError(`${where} does not match its CRC-32C`, offset)
    if (compressed && isZero(plain)) zeros = { chunk: Buffer.from(chunk), content: plain }
    return plain
  }
}

function decoded(stored: Bytes, length: number, where: string, offset: bigint): Bytes {
  try {
    const content = decompress('snappy', stored, length)
    sweepAfter(length)
    return content
  } catch (error) {
    throw new FormatError(`${where}: ${(error as Error).message}`, offset)
  }
}
