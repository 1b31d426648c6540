import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { codeLengthOf, decodeSymbol, type HuffmanDecoder, symbolOf } from './huffman.js'

/** Bits in little-endian units of 16, the highest bit of each first; zeros behind the last. */
export interface BitReader {
  readonly source: DataView
  /** Where the next unit stands that is not loaded. */
  at: number
  /** Loaded ones, at the left of 32. */
  bits: number
  count: number
}

export const UNIT_SIZE = 2
export const UNIT_BITS = 16

export const createBitReader = (bytes: Bytes): BitReader => ({
  source: asDataView(bytes),
  at: 0,
  bits: 0,
  count: 0,
})

/** Loads bits until there are 16 at least. */
function ensureBits(reader: BitReader): void {
  if (reader.count >= UNIT_BITS) return
  const { source, at } = reader
  if (at + UNIT_SIZE <= source.byteLength)
    reader.bits |= source.getUint16(at, true) << (UNIT_BITS - reader.count)
  reader.at = at + UNIT_SIZE
  reader.count += UNIT_BITS
}

/** @param count 16 at most */
export function takeBits(reader: BitReader, count: number): number {
  ensureBits(reader)
  // In two steps: a shift by 32 is none.
  const value = (reader.bits >>> 1) >>> (31 - count)
  reader.bits <<= count
  reader.count -= count
  return value
}

/** @throws {NtfsError} when no symbol has the code that follows */
export function takeSymbol(reader: BitReader, decoder: HuffmanDecoder): number {
  ensureBits(reader)
  const decoded = decodeSymbol(decoder, reader.bits >>> 16)
  reader.bits <<= codeLengthOf(decoded)
  reader.count -= codeLengthOf(decoded)
  return symbolOf(decoded)
}

/** Drops bits until the next unit begins, a whole unit if one is just beginning; `at` is then where it stands. */
export function skipToUnit(reader: BitReader): void {
  const whole = Math.floor(reader.count / UNIT_BITS)
  reader.at -= UNIT_SIZE * (reader.count % UNIT_BITS === 0 ? whole - 1 : whole)
  reader.bits = 0
  reader.count = 0
}
