import { NtfsError } from '../finding.js'

/** No code is longer in any of the formats. */
const LONGEST_CODE = 16
const LENGTH_BITS = 5
const LENGTH_MASK = (1 << LENGTH_BITS) - 1

/** A canonical code: by length, then by symbol. Filled by `buildDecoder`, again and again. */
export interface HuffmanDecoder {
  /** Bits that a look into `table` takes. */
  readonly tableBits: number
  /** For each front of a code: symbol and length of what it decodes to; 0 where a code is longer, or there is none. */
  readonly table: Uint16Array
  /** Symbols in the order of their codes. */
  readonly symbols: Uint16Array
  /** By length: the code behind the last one of it, at the left of 16 bits; it never falls. */
  readonly limits: Uint32Array
  /** By length: what to add to a code of it to have its place in `symbols`. */
  readonly places: Int32Array
}

export const createDecoder = (symbolCount: number, tableBits: number): HuffmanDecoder => ({
  tableBits,
  table: new Uint16Array(1 << tableBits),
  symbols: new Uint16Array(symbolCount),
  limits: new Uint32Array(LONGEST_CODE + 1),
  places: new Int32Array(LONGEST_CODE + 1),
})

const counts = new Uint32Array(LONGEST_CODE + 1)
const nextPlace = new Uint32Array(LONGEST_CODE + 1)

/**
 * @param lengths of the codes of the first `symbolCount` symbols, 0 for none, none above 16. They may leave codes over,
 * which are met as corrupt only where the data uses one.
 * @throws {NtfsError} when there are more codes than bits allow
 */
export function buildDecoder(decoder: HuffmanDecoder, lengths: Uint8Array, symbolCount: number): void {
  const { table, tableBits, symbols, limits, places } = decoder
  counts.fill(0)
  for (let symbol = 0; symbol < symbolCount; symbol++) counts[lengths[symbol]!]!++
  let code = 0
  let place = 0
  for (let length = 1; length <= LONGEST_CODE; length++) {
    code <<= 1
    nextPlace[length] = place
    places[length] = place - code
    code += counts[length]!
    place += counts[length]!
    if (code > 1 << length) throw new NtfsError('a Huffman code has too many symbols')
    limits[length] = code << (LONGEST_CODE - length)
  }
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const length = lengths[symbol]!
    if (length > 0) symbols[nextPlace[length]!++] = symbol
  }
  let at = 0
  let index = 0
  for (let length = 1; length <= tableBits; length++) {
    const width = 1 << (tableBits - length)
    for (let left = counts[length]!; left > 0; left--) {
      const entry = (symbols[index++]! << LENGTH_BITS) | length
      for (const end = at + width; at < end; ) table[at++] = entry
    }
  }
  table.fill(0, at)
}

/**
 * @param front the next 16 bits
 * @returns the symbol in the upper bits, the length of its code in the lower five
 * @throws {NtfsError} when no symbol has such a code
 */
export function decodeSymbol(decoder: HuffmanDecoder, front: number): number {
  const entry = decoder.table[front >>> (LONGEST_CODE - decoder.tableBits)]!
  return entry !== 0 ? entry : decodeLongSymbol(decoder, front)
}

function decodeLongSymbol({ tableBits, limits, places, symbols }: HuffmanDecoder, front: number): number {
  for (let length = tableBits + 1; length <= LONGEST_CODE; length++)
    if (front < limits[length]!) {
      const place = (front >>> (LONGEST_CODE - length)) + places[length]!
      return (symbols[place]! << LENGTH_BITS) | length
    }
  throw new NtfsError('a Huffman code stands for no symbol')
}

export const symbolOf = (decoded: number): number => decoded >>> LENGTH_BITS
export const codeLengthOf = (decoded: number): number => decoded & LENGTH_MASK
