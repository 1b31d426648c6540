import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Bytes } from '../../byte-source.js'

/**
 * AES-128-XTS (IEEE 1619-2018 §5) over data units of 512 bytes, numbered from 0 on:
 *
 *     key       bytes 0 to 15 encrypt the data, bytes 16 to 31 the tweak
 *     T(u, 0)   AES of the unit's number, 16 bytes little-endian, under the second key
 *     T(u, j)   T(u, j - 1) times x in GF(2^128), modulo x^128 + x^7 + x^2 + x + 1
 *     C(u, j)   AES(P(u, j) ^ T(u, j)) ^ T(u, j) under the first key
 *
 * Node makes one cipher object for each unit. Done here is what the cipher does between its AES blocks, so that one
 * call takes many units.
 */
export const UNIT = 512
export const KEY_SIZE = 32
const BLOCK = 16
/** Units of one call: their masks and blocks stay in the processor's cache. */
const UNITS_AT_ONCE = 128
const WORDS = UNIT / 4

/**
 * Encrypts or decrypts whole units, the first of which has the number `unit`, into `into`, which may be the same
 * bytes.
 */
export type UnitCipher = (bytes: Bytes, unit: bigint, into: Bytes) => void

/**
 * Prepares a key; it may be wiped afterwards.
 * @throws {RangeError} when it hasn't 32 bytes, or its halves are the same
 */
export function createUnitCipher(key: Bytes, direction: 'encrypt' | 'decrypt'): UnitCipher {
  const [dataKey, tweakKey] = [key.subarray(0, BLOCK), key.subarray(BLOCK)]
  if (key.length !== KEY_SIZE) throw new RangeError(`a key of ${key.length} bytes`)
  if (Buffer.compare(dataKey, tweakKey) === 0) throw new RangeError('a key whose halves are the same')
  const ecb = direction === 'encrypt' ? createCipheriv : createDecipheriv
  const data = ecb('aes-128-ecb', dataKey, null).setAutoPadding(false)
  const tweak = createCipheriv('aes-128-ecb', tweakKey, null).setAutoPadding(false)
  const masks = new Int32Array(UNITS_AT_ONCE * WORDS)
  const blocks = new Int32Array(masks.length)
  const numbers = new BigUint64Array((UNITS_AT_ONCE * BLOCK) / 8)
  const [blockBytes, numberBytes] = [Buffer.from(blocks.buffer), Buffer.from(numbers.buffer)]

  function group(bytes: Bytes, unit: bigint, into: Bytes): void {
    const units = bytes.length / UNIT
    for (let index = 0; index < units; index++) numbers[2 * index] = unit + BigInt(index)
    fillMasks(wordsOf(tweak.update(numberBytes.subarray(0, units * BLOCK))), masks)
    const words = units * WORDS
    blockBytes.set(bytes)
    for (let at = 0; at < words; at++) blocks[at]! ^= masks[at]!
    const done = wordsOf(data.update(blockBytes.subarray(0, bytes.length)))
    for (let at = 0; at < words; at++) blocks[at] = done[at]! ^ masks[at]!
    into.set(blockBytes.subarray(0, bytes.length))
  }

  return (bytes, unit, into) => {
    if (bytes.length % UNIT !== 0) throw new RangeError(`${bytes.length} bytes are no whole units`)
    const most = UNITS_AT_ONCE * UNIT
    for (let at = 0; at < bytes.length; at += most) {
      const end = Math.min(at + most, bytes.length)
      group(bytes.subarray(at, end), unit + BigInt(at / UNIT), into.subarray(at, end))
    }
  }
}

/** From the first mask of each unit, all of them. */
function fillMasks(first: Int32Array, masks: Int32Array): void {
  let to = 0
  for (let from = 0; from < first.length; from += 4) {
    let [a, b, c, d] = [first[from]!, first[from + 1]!, first[from + 2]!, first[from + 3]!]
    for (let block = 0; block < UNIT / BLOCK; block++) {
      masks[to++] = a
      masks[to++] = b
      masks[to++] = c
      masks[to++] = d
      const carried = (d >> 31) & 0x87
      d = (d << 1) | (c >>> 31)
      c = (c << 1) | (b >>> 31)
      b = (b << 1) | (a >>> 31)
      a = (a << 1) ^ carried
    }
  }
}

const wordsOf = (bytes: Buffer): Int32Array =>
  bytes.byteOffset % 4 === 0
    ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    : new Int32Array(Uint8Array.from(bytes).buffer)
