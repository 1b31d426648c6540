import { CodecError } from '../codec-error.js'
import { copyLiterals, copyMatch } from './bytes.js'
import { findMatches } from './matches.js'

// Snappy (format_description.txt in google/snappy): the length as LEB128, then elements. The two low bits of an
// element's first byte say what it is:
//   0  literals; the length less one in six bits, or 60 to 63 and the length less one in one to four bytes
//   1  copy of 4 to 11 bytes; three bits of length less four, eleven of distance, eight of them in the next byte
//   2  copy of 1 to 64 bytes; six bits of length less one, distance in two bytes
//   3  the same with the distance in four bytes, read but never written here
const LITERALS = 0
const NEAR_COPY = 1
const COPY = 2

/** Lengths of literals up to this stand in the first byte. */
const SHORT_LITERALS = 60
const LONGEST_COPY = 64
const NEAR = 2048
const LONGEST_NEAR_COPY = 11
const SHORTEST_COPY = 4

/** Most that a block may be longer than its bytes, with the length. */
const mostLength = (length: number) => 32 + length + Math.trunc(length / 6)

let scratch = Buffer.alloc(0)

/** @returns a buffer of its own */
export function snappyCompress(bytes: Uint8Array): Uint8Array {
  const most = mostLength(bytes.length)
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most)
  const room = scratch
  let out = 0

  function lengthInFront(length: number): void {
    for (; length >= 0x80; length = Math.trunc(length / 0x80)) room[out++] = (length % 0x80) + 0x80
    room[out++] = length
  }

  function literals(from: number, to: number): void {
    const count = to - from
    if (count === 0) return
    const less = count - 1
    if (less < SHORT_LITERALS) room[out++] = (less << 2) | LITERALS
    else {
      const size = less < 0x100 ? 1 : less < 0x1_0000 ? 2 : less < 0x100_0000 ? 3 : 4
      room[out++] = ((SHORT_LITERALS - 1 + size) << 2) | LITERALS
      room.writeUIntLE(less, out, size)
      out += size
    }
    copyLiterals(room, out, bytes, from, count)
    out += count
  }

  function copy(distance: number, length: number): void {
    if (length <= LONGEST_NEAR_COPY && distance < NEAR) {
      room[out++] = ((distance >> 8) << 5) | ((length - SHORTEST_COPY) << 2) | NEAR_COPY
      room[out++] = distance
      return
    }
    room[out++] = ((length - 1) << 2) | COPY
    room[out++] = distance
    room[out++] = distance >> 8
  }

  lengthInFront(bytes.length)
  const bounds = { start: bytes.length - SHORTEST_COPY + 1, end: bytes.length }
  const rest = findMatches(bytes, bounds, (from, at, distance, length) => {
    literals(from, at)
    let left = length
    // What is left over is never too short for a near copy.
    for (; left >= LONGEST_COPY + SHORTEST_COPY; left -= LONGEST_COPY) copy(distance, LONGEST_COPY)
    if (left > LONGEST_COPY) {
      copy(distance, LONGEST_COPY - SHORTEST_COPY)
      left -= LONGEST_COPY - SHORTEST_COPY
    }
    copy(distance, left)
  })
  literals(rest, bytes.length)
  return Uint8Array.prototype.slice.call(room, 0, out)
}

/**
 * @param size what the block says that it holds
 * @returns a buffer of its own
 * @throws {CodecError} when `stored` is damaged, or holds fewer or more
 */
export function snappyDecompress(stored: Uint8Array, size: number): Uint8Array {
  const into = Buffer.allocUnsafeSlow(size)
  const end = stored.length
  let done = 0
  let at = 0
  while (stored[at]! >= 0x80) at++
  at++
  while (at < end) {
    const tag = stored[at++]!
    let length = (tag >> 2) + 1
    const kind = tag & 3
    if (kind === LITERALS) {
      if (length > SHORT_LITERALS) {
        const bytes = length - SHORT_LITERALS
        if (at + bytes > end) throw damaged('it ends within a length')
        length = 1
        for (let i = 0; i < bytes; i++) length += stored[at++]! * 2 ** (8 * i)
      }
      if (length > end - at) throw damaged('it ends within literals')
      if (length > size - done) throw damaged(MORE)
      copyLiterals(into, done, stored, at, length)
      at += length
    } else {
      const bytes = kind === NEAR_COPY ? 1 : kind === COPY ? 2 : 4
      if (at + bytes > end) throw damaged('it ends within a copy')
      let distance = stored[at]!
      if (kind === NEAR_COPY) {
        distance += (tag >> 5) << 8
        length = SHORTEST_COPY + ((tag >> 2) & 7)
      } else {
        distance += stored[at + 1]! << 8
        if (kind !== COPY) distance += stored[at + 2]! * 0x1_0000 + stored[at + 3]! * 0x100_0000
      }
      at += bytes
      if (distance === 0 || distance > done) throw damaged('a copy of what lies before the first byte')
      if (length > size - done) throw damaged(MORE)
      copyMatch(into, done, distance, length)
    }
    done += length
  }
  if (done < size) throw damaged(`${done} bytes where it says ${size}`)
  return into
}

const MORE = 'more bytes than it says'
const damaged = (why: string) => new CodecError('snappy', `damaged: ${why}`)
