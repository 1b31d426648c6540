import { adler32 } from '../../codecs/adler32.js'
import { CodecError } from '../../codecs/codec-error.js'
import { copyBytes } from '../../codecs/copy-bytes.js'
import { asBuffer, asDataView } from '../../codecs/views.js'
import { inflateInto } from '../../codecs/zlib-codec.js'
import type { Bytes } from '../byte-source.js'

/**
 * How a chunk is stored: deflated, which has an Adler-32 within, or as it is with one behind; of EWF2, also without one,
 * or as a pattern that it repeats.
 */
export type ChunkForm = 'zlib' | 'plain' | 'bare' | 'pattern'

const CHECKSUM = 4

/** The most bytes that a chunk takes in a file: who deflates may make it longer. */
export const mostStored = (chunkSize: number): number => chunkSize + (chunkSize >> 3) + 1024

/**
 * Decodes a chunk and compares its checksum. What follows it in `stored` is not looked at: a table tells where the next
 * chunk begins, not where this one ends.
 * @param length of its bytes; some writers fill the last chunk of a medium up
 * @param target one byte more than the chunk may have, to be written over
 * @throws {CodecError} when it is damaged
 */
export function decodeChunk(form: ChunkForm, stored: Bytes, length: number, target: Bytes): void {
  if (form === 'zlib') {
    const { written } = inflateInto('zlib', stored, target)
    if (written < length) throw new CodecError('zlib', `holds ${written} bytes of ${length}`)
    return
  }
  if (form === 'pattern') return void asBuffer(target).fill(stored, 0, length)
  if (stored.length < length + (form === 'plain' ? CHECKSUM : 0))
    throw new CodecError('none', `holds ${stored.length} bytes of ${length}`)
  if (form === 'plain' && !holds(stored, length) && !holds(stored, target.length - 1))
    throw new CodecError('none', 'does not hold its Adler-32')
  copyBytes(asBuffer(target), 0, stored.subarray(0, length))
}

/** Whether the Adler-32 of the first `length` bytes stands behind them. */
const holds = (stored: Bytes, length: number) =>
  stored.length >= length + CHECKSUM &&
  asDataView(stored).getUint32(length, true) === adler32(stored.subarray(0, length))
