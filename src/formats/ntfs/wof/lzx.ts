import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { copyMatch } from '../copy-match.js'
import { NtfsError } from '../finding.js'
import {
  type BitReader,
  createBitReader,
  skipToUnit,
  takeBits,
  takeSymbol,
  UNIT_BITS,
  UNIT_SIZE,
} from './bit-reader.js'
import { undoCallTranslation } from './call-translation.js'
import { buildDecoder, codeLengthOf, createDecoder, decodeSymbol, symbolOf } from './huffman.js'

/** LZX as WIM has it: a window of 32 KiB, which is the chunk, and no header. Sizes are numbers of symbols. */
const DISTANCE_SLOTS = 30
const LENGTHS_PER_SLOT = 8
const FIRST_MATCH = 256
const MAIN_SYMBOLS = FIRST_MATCH + DISTANCE_SLOTS * LENGTHS_PER_SLOT
const LENGTH_SYMBOLS = 249
const ALIGNED_SYMBOLS = 8
const PRECODE_SYMBOLS = 20
const BLOCK = { VERBATIM: 1, ALIGNED: 2, UNCOMPRESSED: 3 } as const
const DEFAULT_BLOCK_SIZE = 32768
const LENGTH_FOLLOWS = 7
const SHORTEST_MATCH = 2
/** Slots that stand for one of the last three distances. */
const RECENT_SLOTS = 3
/** Of the distance, the lowest bits have a code of their own in aligned blocks. */
const ALIGNED_BITS = 3
/** A length of 0..16 in the precode is a difference modulo 17. */
const LENGTH_MODULUS = 17
const PRECODE = { ZEROS: 17, MANY_ZEROS: 18, SAME: 19 } as const

const EXTRA_BITS = Uint8Array.from({ length: DISTANCE_SLOTS }, (_, slot) => (slot < 4 ? 0 : (slot >> 1) - 1))
/** Of each slot the smallest distance. */
const BASES = new Int32Array(DISTANCE_SLOTS)
for (let slot = 1; slot < DISTANCE_SLOTS; slot++)
  BASES[slot] = BASES[slot - 1]! + (1 << EXTRA_BITS[slot - 1]!)
/** They count two less, for distances that a slot of a recent one could not say. */
const BASE_SHIFT = 2

const main = createDecoder(MAIN_SYMBOLS, 11)
const length = createDecoder(LENGTH_SYMBOLS, 10)
const aligned = createDecoder(ALIGNED_SYMBOLS, 7)
const precode = createDecoder(PRECODE_SYMBOLS, 6)
const mainLengths = new Uint8Array(MAIN_SYMBOLS)
const lengthLengths = new Uint8Array(LENGTH_SYMBOLS)
const alignedLengths = new Uint8Array(ALIGNED_SYMBOLS)
const precodeLengths = new Uint8Array(PRECODE_SYMBOLS)
/** The last three distances, the last one first. */
const recent = new Uint32Array(RECENT_SLOTS)

/**
 * Decompresses one chunk, and undoes what was done to the targets of its calls.
 * @param output as long as the chunk is plain; its content means nothing after an error
 * @throws {NtfsError} when the input does not make exactly so many bytes
 */
export function decompressLzx(input: Bytes, output: Bytes): void {
  const reader = createBitReader(input)
  mainLengths.fill(0)
  lengthLengths.fill(0)
  recent.fill(1)
  const target = asDataView(output)
  let out = 0
  while (out < output.length) {
    const type = takeBits(reader, 3)
    const size = takeBits(reader, 1) === 1 ? DEFAULT_BLOCK_SIZE : takeBits(reader, 16)
    if (size === 0 || size > output.length - out) throw new NtfsError('a block is not as long as it may be')
    if (type === BLOCK.UNCOMPRESSED) copyBlock(reader, input, output, out, size)
    else if (type === BLOCK.VERBATIM || type === BLOCK.ALIGNED) {
      const isAligned = type === BLOCK.ALIGNED
      readCodes(reader, isAligned)
      decodeBlock(reader, target, out, out + size, isAligned)
    } else throw new NtfsError(`a block has the type ${type}`)
    out += size
  }
  undoCallTranslation(output)
}

function readCodes(reader: BitReader, isAligned: boolean): void {
  if (isAligned) {
    for (let symbol = 0; symbol < ALIGNED_SYMBOLS; symbol++) alignedLengths[symbol] = takeBits(reader, 3)
    buildDecoder(aligned, alignedLengths, ALIGNED_SYMBOLS)
  }
  readLengths(reader, mainLengths, 0, FIRST_MATCH)
  readLengths(reader, mainLengths, FIRST_MATCH, MAIN_SYMBOLS)
  buildDecoder(main, mainLengths, MAIN_SYMBOLS)
  readLengths(reader, lengthLengths, 0, LENGTH_SYMBOLS)
  buildDecoder(length, lengthLengths, LENGTH_SYMBOLS)
}

/** Lengths of codes are written as what changed since the block before; what runs past `end` is dropped. */
function readLengths(reader: BitReader, lengths: Uint8Array, start: number, end: number): void {
  for (let symbol = 0; symbol < PRECODE_SYMBOLS; symbol++) precodeLengths[symbol] = takeBits(reader, 4)
  buildDecoder(precode, precodeLengths, PRECODE_SYMBOLS)
  const changed = (at: number, by: number) => (lengths[at]! - by + LENGTH_MODULUS) % LENGTH_MODULUS
  for (let at = start; at < end; ) {
    const symbol = takeSymbol(reader, precode)
    if (symbol < LENGTH_MODULUS) {
      lengths[at] = changed(at, symbol)
      at++
      continue
    }
    let count: number
    let value = 0
    if (symbol === PRECODE.ZEROS) count = 4 + takeBits(reader, 4)
    else if (symbol === PRECODE.MANY_ZEROS) count = 20 + takeBits(reader, 5)
    else {
      count = 4 + takeBits(reader, 1)
      const by = takeSymbol(reader, precode)
      if (by >= LENGTH_MODULUS) throw new NtfsError('a length of a Huffman code repeats a repetition')
      value = changed(at, by)
    }
    const behind = Math.min(at + count, end)
    lengths.fill(value, at, behind)
    at = behind
  }
}

/** Its bytes stand behind the next unit of 16 bits that begins, and the three recent distances before them. */
function copyBlock(reader: BitReader, input: Bytes, output: Bytes, out: number, size: number): void {
  skipToUnit(reader)
  const start = reader.at + 4 * RECENT_SLOTS
  if (start + size > input.length) throw new NtfsError('an uncompressed block is cut off')
  for (let slot = 0; slot < RECENT_SLOTS; slot++)
    recent[slot] = reader.source.getUint32(reader.at + 4 * slot, true)
  output.set(input.subarray(start, start + size), out)
  reader.at = start + size + (size & 1)
}

function decodeBlock(
  reader: BitReader,
  target: DataView,
  out: number,
  end: number,
  isAligned: boolean,
): void {
  let [recent0, recent1, recent2] = recent as unknown as [number, number, number]
  // Most symbols are bytes: their bits are taken in variables, which the reader gets back for everything else.
  const { source } = reader
  let { at, bits, count } = reader
  const lastUnit = source.byteLength - UNIT_SIZE
  while (out < end) {
    if (count < UNIT_BITS) {
      if (at <= lastUnit) bits |= source.getUint16(at, true) << (UNIT_BITS - count)
      at += UNIT_SIZE
      count += UNIT_BITS
    }
    const decoded = decodeSymbol(main, bits >>> 16)
    const codeLength = codeLengthOf(decoded)
    bits <<= codeLength
    count -= codeLength
    const symbol = symbolOf(decoded)
    if (symbol < FIRST_MATCH) {
      target.setUint8(out++, symbol)
      continue
    }
    reader.at = at
    reader.bits = bits
    reader.count = count
    const slot = (symbol - FIRST_MATCH) >>> 3
    let matchLength = symbol & LENGTH_FOLLOWS
    if (matchLength === LENGTH_FOLLOWS) matchLength += takeSymbol(reader, length)
    let distance: number
    if (slot === 0) distance = recent0
    else if (slot === 1) {
      distance = recent1
      recent1 = recent0
    } else if (slot === 2) {
      distance = recent2
      recent2 = recent0
    } else {
      const extraBits = EXTRA_BITS[slot]!
      distance = BASES[slot]! - BASE_SHIFT
      if (isAligned && extraBits >= ALIGNED_BITS) {
        distance += takeBits(reader, extraBits - ALIGNED_BITS) << ALIGNED_BITS
        distance += takeSymbol(reader, aligned)
      } else distance += takeBits(reader, extraBits)
      recent2 = recent1
      recent1 = recent0
    }
    recent0 = distance
    const matchEnd = out + matchLength + SHORTEST_MATCH
    if (distance > out || distance === 0) throw new NtfsError('a match begins before the chunk')
    if (matchEnd > end) throw new NtfsError('a match goes beyond its block')
    copyMatch(target, out - distance, out, matchEnd, target.byteLength)
    out = matchEnd
    ;({ at, bits, count } = reader)
  }
  reader.at = at
  reader.bits = bits
  reader.count = count
  recent[0] = recent0
  recent[1] = recent1
  recent[2] = recent2
}
