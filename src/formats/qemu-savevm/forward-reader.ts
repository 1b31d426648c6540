import { setImmediate as nextTurn } from 'node:timers/promises'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'

const WINDOW = 1 << 20
/** Bytes after which signals have their turn: files are read at once. */
const BREATH = 64 << 20

/** The file ends where more was to come. */
export class TruncatedError extends FormatError {}

/** Reads a file from some place on, a field at a time. Numbers are big-endian. */
export interface ForwardReader {
  /** Of the next byte. */
  readonly position: number
  /**
   * Makes so many bytes available to the functions below; true where they are already.
   * @throws {TruncatedError} where the file ends before
   */
  need(length: number): true | Promise<true>
  /** The next byte, which stays the next. */
  peek(): number
  u8(): number
  u16(): number
  u32(): number
  u64(): bigint
  bytes(length: number): Buffer
  /** Goes on behind bytes that need not be available. @throws {TruncatedError} where the file ends before */
  skip(length: number): void
}

export function openForwardReader(source: ByteSource, start: number): ForwardReader {
  const room = Buffer.allocUnsafe(WINDOW)
  const size = Number(source.size)
  let window: Buffer = room.subarray(0, 0)
  let windowAt = start
  let position = start
  let rested = 0

  function checkEnd(length: number): void {
    if (position + length > size)
      throw new TruncatedError('the file ends inside what begins here', BigInt(position))
  }
  async function load(length: number): Promise<true> {
    checkEnd(length)
    window = asBuffer(await source.read(BigInt(position), WINDOW, room))
    windowAt = position
    if (window.length < length) throw new TruncatedError('the file has become shorter', BigInt(position))
    rested += window.length
    if (rested >= BREATH) {
      rested = 0
      await nextTurn()
    }
    return true
  }
  function take(length: number): number {
    const at = position - windowAt
    position += length
    return at
  }
  return {
    get position() {
      return position
    },
    need: (length) => (position + length <= windowAt + window.length ? true : load(length)),
    peek: () => window.readUInt8(position - windowAt),
    u8: () => window.readUInt8(take(1)),
    u16: () => window.readUInt16BE(take(2)),
    u32: () => window.readUInt32BE(take(4)),
    u64: () => window.readBigUInt64BE(take(8)),
    bytes(length) {
      const at = take(length)
      return Buffer.from(window.subarray(at, at + length))
    },
    skip(length) {
      checkEnd(length)
      position += length
    },
  }
}

/** A name behind its length in a byte. @throws {TruncatedError} where the file ends before */
export async function readName(reader: ForwardReader): Promise<string> {
  await reader.need(1)
  const length = reader.u8()
  await reader.need(length)
  return reader.bytes(length).toString('utf8')
}
