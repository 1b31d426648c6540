import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { copyMatch } from './copy-match.js'

/**
 * LZNT1 ([MS-XCA] 2.5). A chunk is a u16 header and its payload: bits 0-11 of the header are the length of both, less
 * 3; bits 12-14 are 3; bit 15 says that the payload is compressed. A header of 0 ends the chunks.
 */
const HEADER = { LENGTH: 0x0fff, SIGNATURE: 0x7000, COMPRESSED: 0x8000 } as const
const SIGNATURE = 0x3000
/** Most bytes that a chunk gives, and where the one after it begins. */
const CHUNK_SIZE = 4096
/** The longest group: a byte of flags and eight references. */
const GROUP_SIZE = 17
/** Bytes that are copied at once. */
const WIDE = 8
const SHORTEST_MATCH = 3

/** What became of compressed bytes. */
export interface Decompressed {
  /** Bytes at the front of the output that the input gave; zeros lie behind them. */
  readonly length: number
  /** What is wrong with the input where it gave no more; without it, the zeros are what the input means. */
  readonly complaint?: string
}

/**
 * Decompresses one compression unit, and never beyond `output`, which it fills whole.
 * @param input the clusters in use of the unit, one behind another; what lies behind the last chunk is ignored
 * @param output as long as the unit
 */
export function decompressLznt1(input: Bytes, output: Bytes): Decompressed {
  const source = asDataView(input)
  const target = asDataView(output)
  const limit = output.length
  let at = 0
  let length = 0
  let start = 0
  const end = (complaint?: string): Decompressed => {
    output.fill(0, length)
    return complaint === undefined ? { length } : { length, complaint }
  }
  while (start < limit && at + 2 <= input.length) {
    const header = source.getUint16(at, true)
    if (header === 0) break
    if ((header & HEADER.SIGNATURE) !== SIGNATURE)
      return end(`the chunk at byte ${at} of the compression unit has the header ${hex(header)}`)
    output.fill(0, length, start)
    length = start
    const payload = at + 2
    const next = at + 3 + (header & HEADER.LENGTH)
    const stop = Math.min(next, input.length)
    const room = Math.min(start + CHUNK_SIZE, limit)
    if ((header & HEADER.COMPRESSED) === 0) {
      const whole = Math.min(stop - payload, room - start)
      output.set(input.subarray(payload, payload + whole), start)
      length = start + whole
      if (whole < next - payload && next <= input.length)
        return end(`the chunk at byte ${at} of the compression unit holds more than it may`)
    } else {
      const reached = decompressChunk(source, payload, stop, target, start, room)
      length = reached < 0 ? ~reached : reached
      if (reached < 0)
        return end(
          `the chunk at byte ${at} of the compression unit refers to what is not in it, or is too long`,
        )
    }
    if (next > input.length) return end(`the chunk at byte ${at} of the compression unit is cut off`)
    at = next
    start += CHUNK_SIZE
  }
  return end()
}

/**
 * Groups of a byte of flags and an item for each bit of it, the lowest first: 0 a literal byte, 1 a reference to bytes
 * of the same chunk. Its upper bits are the distance less 1, as many as the bytes before it need but 4 at least; the
 * others are the length less 3.
 * @param at where the payload begins in `source`, and `to` where it ends
 * @param start where the chunk begins in `target`, and `room` where it must end
 * @returns where it ends in `target`; of a bad one, the complement of where it is no longer sound
 */
function decompressChunk(
  source: DataView,
  at: number,
  to: number,
  target: DataView,
  start: number,
  room: number,
): number {
  let out = start
  /** What is left of the flags, below a bit that ends them. */
  let flags = 1
  let lengthBits = 12
  /** Behind it, the distance takes a bit more. */
  let widening = start + 16

  // While a whole group must be there, literals go eight at once; those too many are overwritten.
  const lastGroup = Math.min(to - GROUP_SIZE, source.byteLength - GROUP_SIZE - WIDE)
  const lastWide = room - WIDE
  while (at <= lastGroup && out <= lastWide) {
    flags = source.getUint8(at++) | 0x100
    do {
      target.setInt32(out, source.getInt32(at))
      target.setInt32(out + 4, source.getInt32(at + 4))
      const literals = 31 - Math.clz32(flags & -flags)
      at += literals
      out += literals
      flags >>>= literals
      if (flags === 1) break
      flags >>>= 1
      const reference = source.getUint16(at, true)
      at += 2
      while (out > widening) {
        lengthBits--
        widening += widening - start
      }
      const from = out - (reference >>> lengthBits) - 1
      const end = out + (reference & ((1 << lengthBits) - 1)) + SHORTEST_MATCH
      if (from < start || end > room) return ~out
      copyMatch(target, from, out, end, room)
      out = end
    } while (out <= lastWide)
  }

  while (at < to) {
    if (flags === 1) {
      flags = source.getUint8(at++) | 0x100
      continue
    }
    const isReference = flags & 1
    flags >>>= 1
    if (isReference === 0) {
      if (out >= room) return ~out
      target.setUint8(out++, source.getUint8(at++))
      continue
    }
    if (at + 2 > to) return ~out
    const reference = source.getUint16(at, true)
    at += 2
    while (out > widening) {
      lengthBits--
      widening += widening - start
    }
    const from = out - (reference >>> lengthBits) - 1
    const end = out + (reference & ((1 << lengthBits) - 1)) + SHORTEST_MATCH
    if (from < start || end > room) return ~out
    copyMatch(target, from, out, end, room)
    out = end
  }
  return out
}

const hex = (value: number) => `0x${value.toString(16).padStart(4, '0')}`
