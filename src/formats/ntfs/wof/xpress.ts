import type { Bytes } from '../../byte-source.js'
import { copyMatch, viewOf } from '../copy-match.js'
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

  const source = viewOf(input)
  const target = viewOf(output)
  const room = output.length
  const lastUnit = input.length - 2
  const unit = () => {
    if (at > lastUnit) return 0
    at += 2
    return source.getUint16(at - 2, true)
  }
  const raw = (size: number) => {
    if (at + size > input.length) throw new NtfsError('the length of a match is cut off')
    at += size
    return at - size
  }
  let at = LENGTHS_SIZE
  // Bits are taken from the left. Never fewer than 16 are there, and a unit more is loaded as soon as they would be:
  // lengths that stand among the units as bytes do so behind what is loaded.
  let bits = unit() << 16
  bits |= unit()
  let spare = 16
  let out = 0
  while (out < room) {
    const decoded = decodeSymbol(decoder, bits >>> 16)
    const codeLength = codeLengthOf(decoded)
    bits <<= codeLength
    spare -= codeLength
    if (spare < 0) {
      bits |= unit() << -spare
      spare += 16
    }
    const symbol = symbolOf(decoded)
    if (symbol < FIRST_MATCH) {
      target.setUint8(out++, symbol)
      continue
    }
    let length = symbol & LENGTH_MASK
    const distanceBits = (symbol - FIRST_MATCH) >>> 4
    if (length === LENGTH_FOLLOWS) {
      const byte = source.getUint8(raw(1))
      if (byte === BYTE_FULL) {
        length = source.getUint16(raw(2), true)
        if (length === 0) length = source.getUint32(raw(4), true)
        if (length < LENGTH_FOLLOWS) throw new NtfsError('the length of a match is written too long')
      } else length += byte
    }
    const distance = (1 << distanceBits) | ((bits >>> 1) >>> (31 - distanceBits))
    bits <<= distanceBits
    spare -= distanceBits
    if (spare < 0) {
      bits |= unit() << -spare
      spare += 16
    }
    const end = out + length + SHORTEST_MATCH
    if (distance > out) throw new NtfsError('a match begins before the chunk')
    if (end > room) throw new NtfsError('a match goes beyond the chunk')
    copyMatch(target, out - distance, out, end, room)
    out = end
  }
}
