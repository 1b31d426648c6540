import zlib from 'node:zlib'
import { adler32 } from '../../../codecs/adler32.js'
import type { Bytes } from '../../byte-source.js'

/** RFC 1950: deflate with a window of 32 KiB. */
const ZLIB_HEADER = [0x78, 0x01]
/** RFC 1951: a block of stored bytes that has none, from one byte's border to the next. */
const EMPTY_STORED = [0x00, 0x00, 0x00, 0xff, 0xff]
/** An empty block of fixed codes, and one of stored bytes that ends at a byte's border. */
const EMPTY_FIXED = [0x02, 0x00, 0x00, 0x00, 0xff, 0xff]
/** From so many bytes on, any number is made of 5 and 6. */
const LEAST_PADDING = 20
/** What deflate adds at most to bytes that it cannot make shorter, for each 16 KiB that it stores. */
const STORED_OVERHEAD = 5
const STORED_BLOCK = 16 << 10
const FRAME = ZLIB_HEADER.length + 4

/** A size that suffices for any `length` bytes. */
export const paddedZlibSize = (length: number): number =>
  FRAME + LEAST_PADDING + length + STORED_OVERHEAD * (Math.ceil(length / STORED_BLOCK) + 1)

/**
 * A zlib stream of exactly `size` bytes, so that it can be written again with another content.
 * @param size of `paddedZlibSize` for as many bytes, at least
 */
export function paddedZlib(bytes: Bytes, size: number): Bytes {
  const deflated = zlib.deflateRawSync(bytes)
  const padding = size - FRAME - deflated.length
  if (padding < LEAST_PADDING) throw new RangeError(`${bytes.length} bytes in a zlib stream of ${size}`)
  const sixes = padding % EMPTY_STORED.length
  const fives = (padding - sixes * EMPTY_FIXED.length) / EMPTY_STORED.length
  const stream = Buffer.alloc(size)
  let at = 0
  const add = (piece: ArrayLike<number>) => {
    stream.set(piece, at)
    at += piece.length
  }
  add(ZLIB_HEADER)
  for (let i = 0; i < fives; i++) add(EMPTY_STORED)
  for (let i = 0; i < sixes; i++) add(EMPTY_FIXED)
  add(deflated)
  stream.writeUInt32BE(adler32(bytes), at)
  return stream
}
