import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { copyMatch } from '../copy-match.js'
import { NtfsError } from '../finding.js'
import { buildDecoder, codeLengthOf, createDecoder, decodeSymbol, symbolOf } from './huffman.js'

/**
 * XPRESS with Huffman ([MS-XCA] 2.2): lengths of 512 codes, four bits each, then symbols. Below 256 they are bytes;
 * above, a match: the lower four bits its length, the upper ones how many bits the distance has below its first.
 */
const SYMBOLS = 512
const LENGTHS_SIZE = SYMBOLS / 2
const FIRST_MATCH = 256
const LENGTH_MASK = 15
const LENGTH_FOLLOWS = 15
const BYTE_FULL = 255
const SHORTEST_MATCH = 3
const UNIT_SIZE = 2
const UNIT_BITS = 16

const decoder = createDecoder(SYMBOLS, 11)
const lengths = new Uint8Array(SYMBOLS)

/**
 * Decompresses one chunk.
 * @param output as long as the chunk is plain; its content means nothing after an error
 * @throws {NtfsError} when the input does not make exactly so many bytes
 */
export function decompressXpress(input: Bytes, output: Bytes): void {
  if (input.length < LENGTHS_SIZE) throw new NtfsError('the lengths of the Huffman codes are cut off')
  for (let index = 0; index < LENGTHS_SIZE; index++) {
    lengths[2 * index] = input[index]! & 15
    lengths[2 * index + 1] = input[index]! >>> 4
  }
  buildDecoder(decoder, lengths, SYMBOLS)

  const source = asDataView(input)
  const target = asDataView(output)
  const room = output.length
  const lastUnit = input.length - UNIT_SIZE
  // Bits are taken from the left. Never fewer than 16 are there, and a unit more is loaded as soon as they would be:
  // lengths that stand among the units as bytes do so behind what is loaded. Zeros follow the last unit.
  let at = LENGTHS_SIZE
  let bits = 0
  let spare = -UNIT_BITS
  for (; spare < UNIT_BITS; spare += UNIT_BITS)
    if (at <= lastUnit) {
      bits |= source.getUint16(at, true) << -spare
      at += UNIT_SIZE
    }
  let out = 0
  while (out < room) {
    const decoded = decodeSymbol(decoder, bits >>> 16)
    const codeLength = codeLengthOf(decoded)
    bits <<= codeLength
    spare -= codeLength
    if (spare < 0) {
      if (at <= lastUnit) {
        bits |= source.getUint16(at, true) << -spare
        at += UNIT_SIZE
      }
      spare += UNIT_BITS
    }
    const symbol = symbolOf(decoded)
    if (symbol < FIRST_MATCH) {
      target.setUint8(out++, symbol)
      continue
    }
    let length = symbol & LENGTH_MASK
    const distanceBits = (symbol - FIRST_MATCH) >>> 4
    if (length === LENGTH_FOLLOWS) {
      const size = longLengthSize(source, at)
      length = longLength(source, at, size)
      at += size
    }
    const distance = (1 << distanceBits) | ((bits >>> 1) >>> (31 - distanceBits))
    bits <<= distanceBits
    spare -= distanceBits
    if (spare < 0) {
      if (at <= lastUnit) {
        bits |= source.getUint16(at, true) << -spare
        at += UNIT_SIZE
      }
      spare += UNIT_BITS
    }
    const end = out + length + SHORTEST_MATCH
    if (distance > out) throw new NtfsError('a match begins before the chunk')
    if (end > room) throw new NtfsError('a match goes beyond the chunk')
    copyMatch(target, out - distance, out, end, room)
    out = end
  }
}

/** A long length is a byte; behind a full one a u16, and behind one of 0 a u32. All of it must be there. */
function longLengthSize(source: DataView, at: number): number {
  const left = source.byteLength - at
  let size = 1
  if (left >= 1 && source.getUint8(at) === BYTE_FULL) size = 3
  if (left >= 3 && size === 3 && source.getUint16(at + 1, true) === 0) size = 7
  if (left < size) throw new NtfsError('the length of a match is cut off')
  return size
}

function longLength(source: DataView, at: number, size: number): number {
  if (size === 1) return LENGTH_FOLLOWS + source.getUint8(at)
  const length = size === 3 ? source.getUint16(at + 1, true) : source.getUint32(at + 3, true)
  if (length < LENGTH_FOLLOWS) throw new NtfsError('the length of a match is written too long')
  return length
}
