import { inflateRawSync, inflateSync } from 'node:zlib'
import type { CodecName } from '../../../codecs/codec-error.js'
import type { Bytes } from '../../byte-source.js'
import { DEFAULT_CHUNK_SIZE } from '../image-stream.js'

/**
 * How long a stored chunk is when nothing says it: the bytes that a decoder takes until `size` are produced.
 * zlib and deflate end by themselves; a snappy block says in front how much it holds (LEB128); an lz4 block ends
 * with the literals that complete the chunk. Both are walked here without being decoded.
 */

/**
 * The stored length of a compressed chunk at the start of `bytes`.
 * @param size what the chunk decodes to
 * @param short whether it may decode to less: the last one of a stream
 * @returns undefined when there is none, or `bytes` end before it does
 */
export function storedLength(
  codec: CodecName,
  bytes: Bytes,
  size: number,
  short = false,
): number | undefined {
  const length = WALKS[codec](bytes, size, short)
  return length !== undefined && length <= bytes.length ? length : undefined
}

/**
 * What a compressed chunk at the start of `bytes` decodes to, in bytes: what its codec says of that itself. An lz4
 * block doesn't: the usual size is taken for it.
 * @param largest more is taken for damage
 */
export function decodedSize(codec: CodecName, bytes: Bytes, largest: number): number | undefined {
  if (codec === 'snappy') return snappyPreamble(bytes)?.size
  if (codec === 'lz4') return DEFAULT_CHUNK_SIZE
  if (codec !== 'zlib' || !isZlibHeader(bytes)) return undefined
  try {
    return inflateSync(bytes, { maxOutputLength: largest }).length
  } catch {
    return undefined
  }
}

type Walk = (bytes: Bytes, size: number, short: boolean) => number | undefined

const WALKS: Record<CodecName, Walk> = {
  none: (_, size) => size,
  zlib: (bytes, size, short) => inflatedLength(inflateSync, bytes, size, short),
  deflate: (bytes, size, short) => inflatedLength(inflateRawSync, bytes, size, short),
  snappy: snappyLength,
  lz4: lz4Length,
}

function inflatedLength(
  inflate: typeof inflateSync,
  bytes: Bytes,
  size: number,
  short: boolean,
): number | undefined {
  if (inflate === inflateSync && !isZlibHeader(bytes)) return undefined
  try {
    const result: unknown = inflate(bytes, { maxOutputLength: size, info: true })
    const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } }
    return buffer.length === size || (short && buffer.length > 0) ? engine.bytesWritten : undefined
  } catch {
    return undefined
  }
}

/** RFC 1950 §2.2: deflate, a window of at most 32 KiB, and the check bits. */
const isZlibHeader = (bytes: Bytes) =>
  bytes.length >= 2 &&
  (bytes[0]! & 0x0f) === 8 &&
  bytes[0]! >> 4 <= 7 &&
  (bytes[0]! * 256 + bytes[1]!) % 31 === 0

/** What a snappy block says that it holds, and where its elements begin. */
function snappyPreamble(bytes: Bytes): { size: number; length: number } | undefined {
  let size = 0
  for (let at = 0; at < 5; at++) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    size += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return { size, length: at + 1 }
  }
  return undefined
}

function snappyLength(bytes: Bytes, size: number, short: boolean): number | undefined {
  const preamble = snappyPreamble(bytes)
  if (!preamble || (short ? preamble.size > size || preamble.size === 0 : preamble.size !== size))
    return undefined
  let at = preamble.length
  let produced = 0
  while (produced < preamble.size) {
    const tag = bytes[at++]
    if (tag === undefined) return undefined
    const kind = tag & 3
    if (kind === 0) {
      const inTag = tag >> 2
      const further = inTag < 60 ? 0 : inTag - 59
      if (at + further > bytes.length) return undefined
      let length = inTag
      if (further > 0) {
        length = 0
        for (let index = 0; index < further; index++) length += bytes[at + index]! * 2 ** (8 * index)
      }
      at += further + length + 1
      produced += length + 1
    } else {
      const further = [0, 1, 2, 4][kind]!
      if (at + further > bytes.length) return undefined
      let offset = kind === 1 ? (tag >> 5) * 256 + bytes[at]! : 0
      if (kind > 1)
        for (let index = 0; index < further; index++) offset += bytes[at + index]! * 2 ** (8 * index)
      if (offset === 0 || offset > produced) return undefined
      at += further
      produced += kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    }
  }
  return produced === preamble.size ? at : undefined
}

function lz4Length(bytes: Bytes, size: number): number | undefined {
  let at = 0
  let produced = 0

  function length(nibble: number): number | undefined {
    let value = nibble
    if (nibble < 15) return value
    for (;;) {
      const byte = bytes[at++]
      if (byte === undefined || value > size) return undefined
      value += byte
      if (byte < 255) return value
    }
  }

  for (;;) {
    const token = bytes[at++]
    if (token === undefined) return undefined
    const literals = length(token >> 4)
    if (literals === undefined) return undefined
    at += literals
    produced += literals
    if (produced === size) return at
    if (produced > size || at + 2 > bytes.length) return undefined
    const offset = bytes[at]! + 256 * bytes[at + 1]!
    at += 2
    if (offset === 0 || offset > produced) return undefined
    const match = length(token & 15)
    if (match === undefined) return undefined
    produced += match + 4
    if (produced > size) return undefined
  }
}
