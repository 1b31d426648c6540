import { CodecError, tooLong } from '../codec-error.js'
import { copyLiterals, copyMatch } from './bytes.js'
import { findMatches, SHORTEST } from './matches.js'

// LZ4 (lz4_Block_format.md in lz4/lz4): sequences of a token, literals and a match. The token holds both lengths,
// that of a match less four; 15 means that bytes follow which add to it, the last of them less than 255. Behind the
// literals stands the distance in two bytes. The last sequence ends with its literals.
const LONG = 15
const MORE = 255
/** The last bytes are always literals, and the last match begins so far before the end. */
const LAST_LITERALS = 5
const LAST_MATCH = 12

/** Most that a block may be longer than its bytes. */
const mostLength = (length: number) => length + Math.trunc(length / MORE) + 16

let scratch = Buffer.alloc(0)

/** @returns a buffer of its own */
export function lz4Compress(bytes: Uint8Array): Uint8Array {
  const most = mostLength(bytes.length)
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most)
  const room = scratch
  let out = 0

  function restOf(length: number): void {
    let left = length - LONG
    if (left < 0) return
    for (; left >= MORE; left -= MORE) room[out++] = MORE
    room[out++] = left
  }

  /** The token and the literals; `match` is the length of a match that follows, less four. */
  function begin(from: number, to: number, match: number): void {
    const count = to - from
    room[out++] = (Math.min(count, LONG) << 4) | Math.min(match, LONG)
    restOf(count)
    copyLiterals(room, out, bytes, from, count)
    out += count
  }

  const bounds = { start: bytes.length - LAST_MATCH + 1, end: bytes.length - LAST_LITERALS }
  const rest = findMatches(bytes, bounds, (from, at, distance, length) => {
    begin(from, at, length - SHORTEST)
    room[out++] = distance
    room[out++] = distance >> 8
    restOf(length - SHORTEST)
  })
  begin(rest, bytes.length, 0)
  return Uint8Array.prototype.slice.call(room, 0, out)
}

/**
 * @param limit most bytes that it may give
 * @returns a buffer of its own
 * @throws {CodecError} when `stored` is damaged or holds more
 */
export function lz4Decompress(stored: Uint8Array, limit: number): Uint8Array {
  const into = Buffer.allocUnsafeSlow(limit)
  const end = stored.length
  let done = 0
  let at = 0

  function longer(length: number): number {
    for (;;) {
      if (at >= end) throw damaged('it ends within a length')
      const byte = stored[at++]!
      length += byte
      if (length > limit) throw new CodecError('lz4', tooLong(limit))
      if (byte < MORE) return length
    }
  }

  for (;;) {
    if (at >= end) throw damaged('it ends before its last literals')
    const token = stored[at++]!
    let count = token >> 4
    if (count === LONG) count = longer(count)
    if (count > end - at) throw damaged('it ends within literals')
    if (count > limit - done) throw new CodecError('lz4', tooLong(limit))
    copyLiterals(into, done, stored, at, count)
    at += count
    done += count
    if (at === end) return into.subarray(0, done)

    if (at + 2 > end) throw damaged('it ends within a distance')
    const distance = stored[at]! | (stored[at + 1]! << 8)
    at += 2
    let length = token & LONG
    if (length === LONG) length = longer(length)
    length += SHORTEST
    if (distance === 0 || distance > done) throw damaged('a match lies before the first byte')
    if (length > limit - done) throw new CodecError('lz4', tooLong(limit))
    copyMatch(into, done, distance, length)
    done += length
  }
}

const damaged = (why: string) => new CodecError('lz4', `damaged: ${why}`)
