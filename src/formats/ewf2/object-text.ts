import { asBuffer } from '../../codecs/views.js'
import { inflateInto } from '../../codecs/zlib-codec.js'
import type { Bytes } from '../byte-source.js'

/** EnCase limits each text to 3000 characters. */
const MOST_TEXT = 1 << 20

/** Characters that stand for what parts lines and values. */
const ESCAPED = [
  ['\x01', '\n'],
  ['\x02', '\r'],
  ['\x03', '\t'],
] as const

/**
 * The values of the object `main`, by their tags; empty ones are left out.
 * @param stored deflated UTF-16 with its byte order mark, and what pads it
 * @returns undefined where there is no such object
 * @throws {CodecError} where it does not inflate, or to more than a MiB
 */
export function decodeObjectText(stored: Bytes): ReadonlyMap<string, string> | undefined {
  const room = Buffer.allocUnsafe(MOST_TEXT + 1)
  const { written } = inflateInto('zlib', stored, room)
  const lines = textOf(room.subarray(0, written)).split('\n')
  const main = lines.indexOf('main')
  const tags = lines[main + 1]?.split('\t')
  const values = lines[main + 2]?.split('\t')
  if (main < 0 || !tags || !values) return undefined
  const found = new Map<string, string>()
  for (const [index, tag] of tags.entries()) {
    const value = values[index]
    if (value) found.set(tag, unescaped(value))
  }
  return found
}

const unescaped = (value: string): string =>
  ESCAPED.reduce((text, [escaped, character]) => text.replaceAll(escaped, character), value)

function textOf(bytes: Buffer): string {
  const swapped = bytes[0] === 0xfe && bytes[1] === 0xff
  const even = bytes.subarray(0, bytes.length & ~1)
  return asBuffer(swapped ? even.swap16() : even)
    .toString('utf16le')
    .replace(/^\ufeff/, '')
}
