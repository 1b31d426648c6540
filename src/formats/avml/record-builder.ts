import { compress } from '../../codecs/codec.js'
import { copyBytes } from '../../codecs/copy-bytes.js'
import { crc32c } from '../../codecs/crc32c.js'
import type { Bytes } from '../byte-source.js'
import { AVML_RECORD, encodeRecordHeader, RECORD_HEADER_SIZE } from '../lime/record.js'
import { AVML_RECORD_SIZE } from '../lime/record-remarks.js'
import { TRAILER_SIZE } from './record-index.js'
import {
  CHECKSUM_SIZE,
  CHUNK,
  CHUNK_HEADER_SIZE,
  encodeChunkHead,
  MOST_CONTENT,
  STREAM_IDENTIFIER,
} from './snappy-frames.js'

const HEAD_SIZE = CHUNK_HEADER_SIZE + CHECKSUM_SIZE
/** A record of chunks of which none compresses. */
const CAPACITY =
  RECORD_HEADER_SIZE +
  STREAM_IDENTIFIER.length +
  Number(AVML_RECORD_SIZE) +
  (Number(AVML_RECORD_SIZE) / MOST_CONTENT) * HEAD_SIZE +
  TRAILER_SIZE

/** A record on its way into memory, of at most 16 MiB in chunks of 64 KiB. */
export interface RecordBuilder {
  /** Begins a record. What the one before gave is overwritten. */
  begin(): void
  /** Adds a chunk in its stored form: of fewer bytes than its content where it is compressed. */
  add(stored: Bytes, compressed: boolean, crc: number): void
  /** Adds a chunk of zeros. */
  addZeros(length: number): void
  /** Whether all its chunks are zeros. */
  readonly zero: boolean
  /** Bytes of its framed stream so far. */
  readonly framed: number
  /** Completes the record of the range. @returns its bytes, valid until the next one begins */
  finish(start: bigint, length: bigint): Bytes
}

export function createRecordBuilder(): RecordBuilder {
  const record = Buffer.allocUnsafeSlow(CAPACITY)
  let used = 0
  let zero = true
  let zeros: { readonly length: number; readonly stored: Bytes; readonly crc: number } | undefined
  const framed = () => used - RECORD_HEADER_SIZE

  function append(bytes: Bytes): void {
    copyBytes(record, used, bytes)
    used += bytes.length
  }
  function addChunk(stored: Bytes, compressed: boolean, crc: number): void {
    append(encodeChunkHead(compressed ? CHUNK.compressed : CHUNK.raw, stored.length, crc))
    append(stored)
  }

  return {
    begin() {
      used = RECORD_HEADER_SIZE
      zero = true
      append(STREAM_IDENTIFIER)
    },
    add(stored, compressed, crc) {
      zero = false
      addChunk(stored, compressed, crc)
    },
    addZeros(length) {
      if (zeros?.length !== length) {
        const content = Buffer.alloc(length)
        const stored = compress('snappy', content)
        zeros = { length, stored: stored.length < length ? stored : content, crc: crc32c(content) }
      }
      addChunk(zeros.stored, zeros.stored.length < length, zeros.crc)
    },
    get zero() {
      return zero
    },
    get framed() {
      return framed()
    },
    finish(start, length) {
      record.set(encodeRecordHeader({ ...AVML_RECORD, start, end: start + length - 1n }))
      record.writeBigUInt64LE(BigInt(framed()), used)
      return record.subarray(0, used + TRAILER_SIZE)
    },
  }
}
