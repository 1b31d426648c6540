import { isUtf8 } from 'node:buffer'
import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../../formats/byte-source.js'

/** What a path is called in a STREAM frame. */
export interface PathName {
  readonly name: string
  /** Base64 of the bytes that `name` shows, where they are not valid UTF-8. */
  readonly nameBytes?: string
}

/** Added to a byte that belongs to no UTF-8 sequence: a lone surrogate, which no valid name contains. */
const STRAY = 0xdc00

/**
 * The characters of a file name as code points. A name on Linux is bytes: one that is not UTF-8 keeps each
 * stray byte as U+DC80 to U+DCFF, so that two names are equal only where their bytes are.
 */
export function codePoints(bytes: Bytes): number[] {
  if (isUtf8(bytes)) return Array.from(text(bytes), (character) => character.codePointAt(0)!)
  const points: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length > 0) points.push(text(bytes.subarray(at, at + length)).codePointAt(0)!)
    else points.push(STRAY + bytes[at]!)
    at += Math.max(length, 1)
  }
  return points
}

/** Bytes of the valid UTF-8 sequence at `at`, 0 where there is none. */
function sequenceLength(bytes: Bytes, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++)
    if (isUtf8(bytes.subarray(at, at + length))) return length
  return 0
}

function text(bytes: Bytes): string {
  return asBuffer(bytes).toString('utf8')
}

/** A path for people: UTF-8, with a byte that is not as `%E9`. */
export function displayPath(path: Bytes): string {
  if (isUtf8(path)) return text(path)
  return codePoints(path)
    .map((point) =>
      point >= STRAY && point < STRAY + 0x100
        ? `%${(point - STRAY).toString(16).toUpperCase()}`
        : String.fromCodePoint(point),
    )
    .join('')
}

/**
 * The name of a path's stream: the path as AFF4 logical images write it before escaping.
 * Separators are single, `.` vanishes, `..` takes its parent away and never leads out; a leading `/` stays.
 */
export function streamName(path: Bytes): PathName {
  const bytes = asBuffer(path)
  const kept: string[] = []
  for (const component of bytes.toString('latin1').split('/')) {
    if (component === '..') kept.pop()
    else if (component !== '' && component !== '.') kept.push(component)
  }
  const root = bytes[0] === 0x2f ? '/' : ''
  const named = Buffer.from(root + kept.join('/') || '.', 'latin1')
  const name = displayPath(named)
  return isUtf8(named) ? { name } : { name, nameBytes: named.toString('base64') }
}
