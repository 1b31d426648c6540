import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { copyMatch } from '../ntfs/copy-match.js'

/*
 * XPRESS without Huffman ([MS-XCA] 2.3, Plain LZ77): a u32 of flags, the highest bit first, before 32 items each; 0 is
 * a byte, 1 a match: a u16 with the length in its lower 3 bits and the distance in the others. Lengths that do not fit
 * go on in half a byte, of which two matches share one, in a byte, in a u16, and in a u32.
 */
const FLAGS_SIZE = 4
const END_OF_FLAGS = 1 << 31
const MATCH_SIZE = 2
const LENGTH_BITS = 3
const LENGTH_FULL = 7
const HALF_FULL = 15
const BYTE_FULL = 255
const SHORTEST_MATCH = 3
/** From here on it is faster to fill than to copy. */
const WORTH_FILLING = 256

/**
 * @param output as long as what comes out; its content means nothing after an error
 * @throws {FormatError} when the input does not make exactly so many bytes
 */
export function decompressPlainXpress(input: Bytes, output: Bytes): void {
  const source = asDataView(input)
  const target = asDataView(output)
  const size = input.length
  const room = output.length
  let at = 0
  let out = 0
  /** The highest bit is the next one; a bit is put behind the last, so that none is left where that alone is. */
  let flags = END_OF_FLAGS
  /** Where the byte stands whose upper half the next long match takes; 0 where there is none. */
  let half = 0

  while (out < room) {
    let item: number
    if (flags === END_OF_FLAGS) {
      if (at + FLAGS_SIZE > size) throw cutOff()
      const next = source.getUint32(at, true)
      at += FLAGS_SIZE
      item = next >>> 31
      flags = (next << 1) | 1
    } else {
      item = flags >>> 31
      flags <<= 1
    }
    if (item === 0) {
      if (at === size) throw cutOff()
      target.setUint8(out++, source.getUint8(at++))
      continue
    }
    if (at + MATCH_SIZE > size) throw cutOff()
    const match = source.getUint16(at, true)
    at += MATCH_SIZE
    let length = match & LENGTH_FULL
    if (length === LENGTH_FULL) {
      let more: number
      if (half === 0) {
        if (at === size) throw cutOff()
        half = at
        more = source.getUint8(at++) & HALF_FULL
      } else {
        more = source.getUint8(half) >>> 4
        half = 0
      }
      length += more
      if (more === HALF_FULL) {
        const wide = longLengthSize(source, at)
        length = longLength(source, at, wide)
        at += wide
      }
    }
    const distance = (match >>> LENGTH_BITS) + 1
    const end = out + SHORTEST_MATCH + length
    if (distance > out) throw new FormatError('a match begins before the data')
    if (end > room) throw new FormatError('a match goes beyond the data')
    // Zeros of a page or more, for the most part.
    if (distance === 1 && length > WORTH_FILLING) output.fill(output[out - 1]!, out, end)
    else copyMatch(target, out - distance, out, end, room)
    out = end
  }
}

const cutOff = () => new FormatError('the compressed data is cut off')

/** A long length is a byte; behind a full one a u16, and behind one of 0 a u32. All of it must be there. */
function longLengthSize(source: DataView, at: number): number {
  const left = source.byteLength - at
  let size = 1
  if (left >= 1 && source.getUint8(at) === BYTE_FULL) size = 3
  if (left >= 3 && size === 3 && source.getUint16(at + 1, true) === 0) size = 7
  if (left < size) throw cutOff()
  return size
}

function longLength(source: DataView, at: number, size: number): number {
  if (size === 1) return LENGTH_FULL + HALF_FULL + source.getUint8(at)
  const length = size === 3 ? source.getUint16(at + 1, true) : source.getUint32(at + 3, true)
  if (length < LENGTH_FULL + HALF_FULL) throw new FormatError('the length of a match is written too long')
  return length
}
