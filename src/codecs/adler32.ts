import zlib from 'node:zlib'
import { openZlibState, type ZlibState } from './zlib-state.js'

/** The largest prime below 2^16 (RFC 1950). */
const BASE = 65521
/** So many bytes can be summed up before the sums pass 2^32. */
const MOST_SUMMED = 5552
/** Below, calling zlib takes longer than it saves. */
const WORTH_ZLIB = 2048
/** One stored block of deflate. */
const PIECE = 0xffff

let state: ZlibState | undefined
let tried = false
let scratch = Buffer.alloc(0)

/**
 * Adler-32 (RFC 1950). Node has none: zlib computes it as it stores bytes without compressing them, three times as
 * fast as JavaScript does.
 */
export function adler32(bytes: Uint8Array): number {
  const zlibs = bytes.length < WORTH_ZLIB ? undefined : storingState()
  if (!zlibs) return summed(bytes)
  let sum = 1
  for (let at = 0; at < bytes.length; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE)
    sum = combined(sum, byZlib(zlibs, piece) ?? summed(piece), piece.length)
  }
  return sum
}

function storingState(): ZlibState | undefined {
  if (!tried) {
    const input = Buffer.from('abc')
    const open = () => zlib.createDeflate({ level: 0 })
    state = openZlibState(open, { input, output: zlib.deflateSync(input, { level: 0 }) })
    scratch = Buffer.allocUnsafeSlow(PIECE + 64)
    tried = true
  }
  return state
}

function byZlib(zlibs: ZlibState, piece: Uint8Array): number | undefined {
  const result = zlibs.run(piece, scratch)
  if ('error' in result || result.left > 0 || result.written === scratch.length) return undefined
  return scratch.readUInt32BE(result.written - 4)
}

/** The same by the definition. */
export function summed(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(at + MOST_SUMMED, bytes.length)
    for (; at < end; at++) {
      a += bytes[at]!
      b += a
    }
    a %= BASE
    b %= BASE
  }
  return b * 0x10000 + a
}

/** The sum of bytes behind others. @param length of those behind */
function combined(first: number, second: number, length: number): number {
  const before = first % 0x10000
  const a = (before + (second % 0x10000) + BASE - 1) % BASE
  const b = (Math.floor(first / 0x10000) + Math.floor(second / 0x10000) + length * (before + BASE - 1)) % BASE
  return b * 0x10000 + a
}
