import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { copyMatch } from '../ntfs/copy-match.js'

/*
 * XPRESS without Huffman ([MS-XCA] 2.3, Plain LZ77): a u32 of flags, the highest bit first, before 32 items each; 0 is
 * a byte, 1 a match: a u16 with the length in its lower 3 bits and the distance in the others. Lengths that do not fit
 * go on in half a byte, of which two matches share one, in a byte, in a u16, and in a u32.
 */
const FLAGS = 32
const LENGTH_BITS = 3
const LENGTH_FULL = 7
const HALF_FULL = 15
const BYTE_FULL = 255
const SHORTEST_MATCH = 3

/**
 * @param output as long as what comes out; its content means nothing after an error
 * @throws {FormatError} when the input does not make exactly so many bytes
 */
export function decompressPlainXpress(input: Bytes, output: Bytes): void {
  const source = asDataView(input)
  const target = asDataView(output)
  const room = output.length
  let at = 0
  let out = 0
  let flags = 0
  let left = 0
  /** Where the byte stands whose upper half the next long match takes; 0 where there is none. */
  let half = 0

  function take(size: 1 | 2 | 4): number {
    if (at + size > input.length) throw new FormatError('the compressed data is cut off')
    const from = at
    at += size
    return size === 1
      ? source.getUint8(from)
      : size === 2
        ? source.getUint16(from, true)
        : source.getUint32(from, true)
  }

  function takeLongLength(): number {
    let length: number
    if (half === 0) {
      half = at
      length = take(1) & HALF_FULL
    } else {
      length = source.getUint8(half) >>> 4
      half = 0
    }
    if (length < HALF_FULL) return LENGTH_FULL + length
    length = take(1)
    if (length < BYTE_FULL) return LENGTH_FULL + HALF_FULL + length
    length = take(2) || take(4)
    if (length < LENGTH_FULL + HALF_FULL) throw new FormatError('the length of a match is written too long')
    return length
  }

  while (out < room) {
    if (left === 0) {
      flags = take(4)
      left = FLAGS
    }
    left--
    if (((flags >>> left) & 1) === 0) {
      target.setUint8(out++, take(1))
      continue
    }
    const match = take(2)
    const distance = (match >>> LENGTH_BITS) + 1
    const stated = match & LENGTH_FULL
    const end = out + SHORTEST_MATCH + (stated === LENGTH_FULL ? takeLongLength() : stated)
    if (distance > out) throw new FormatError('a match begins before the data')
    if (end > room) throw new FormatError('a match goes beyond the data')
    copyMatch(target, out - distance, out, end, room)
    out = end
  }
}
