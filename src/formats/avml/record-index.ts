import { asBuffer } from '../../codecs/views.js'
import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { headerReads } from '../header-reads.js'
import { AVML_RECORD, endsRecords, RECORD_HEADER_SIZE, rangeOf } from '../lime/record.js'
import { walkChunks } from './chunk-walk.js'
import { readWindow } from './read-window.js'
import { STREAM_IDENTIFIER } from './snappy-frames.js'

// A record of AVML 2: the header (record.ts), a framed stream of snappy that decodes to the bytes of the range, and
//   u64  size of the framed stream
export const TRAILER_SIZE = 8
const HEADER_SIZE = BigInt(RECORD_HEADER_SIZE)
const MOST_RECORDS = 1 << 20

export interface AvmlRecord extends Run {
  /** Where its framed stream begins in the file, and where that ends. */
  readonly offset: bigint
  readonly end: bigint
  /** Bytes of content that its chunks hold: fewer than its range where the record is cut or damaged. */
  readonly held: bigint
}

export interface RecordIndex {
  /** In the order of the file. */
  readonly records: AvmlRecord[]
  readonly incomplete?: string
  readonly remarks: string[]
}

/**
 * Finds the records of a file without reading their content: from its end on, by the sizes behind them. Where that
 * does not lead to the beginning, the file is cut or damaged: then those at its beginning are found by the headers of
 * their chunks.
 * @throws {FormatError} where it does not begin with a record, or has more than 2^20
 */
export async function indexRecords(source: ByteSource): Promise<RecordIndex> {
  const tail = await recordsFromEnd(source)
  if (tail[0] && headerOf(tail[0]) === 0n) return { records: tail, remarks: [] }
  return recordsFromBeginning(source, tail)
}

const headerOf = ({ offset }: AvmlRecord): bigint => offset - HEADER_SIZE

async function recordsFromEnd(source: ByteSource): Promise<AvmlRecord[]> {
  const headers = headerReads(source)
  const records: AvmlRecord[] = []
  let end = source.size
  while (end > HEADER_SIZE + BigInt(TRAILER_SIZE)) {
    const streamEnd = end - BigInt(TRAILER_SIZE)
    const trailer = await headers.at(streamEnd, TRAILER_SIZE)
    const offset = trailer.length === TRAILER_SIZE ? streamEnd - asBuffer(trailer).readBigUInt64LE() : -1n
    if (offset < HEADER_SIZE || offset + BigInt(STREAM_IDENTIFIER.length) > streamEnd) break
    const head = await headers.at(offset - HEADER_SIZE, RECORD_HEADER_SIZE + STREAM_IDENTIFIER.length)
    const range = rangeOf(head, AVML_RECORD)
    if (typeof range === 'string' || !asBuffer(head).subarray(RECORD_HEADER_SIZE).equals(STREAM_IDENTIFIER))
      break
    if (records.length === MOST_RECORDS) throw tooMany(offset)
    records.push({ ...range, offset, end: streamEnd, held: range.length })
    end = offset - HEADER_SIZE
  }
  return records.reverse()
}

/** @param tail records that were found from the end on */
async function recordsFromBeginning(source: ByteSource, tail: readonly AvmlRecord[]): Promise<RecordIndex> {
  const window = readWindow(source)
  const joints = new Map(tail.map((record, index) => [headerOf(record), index]))
  const records: AvmlRecord[] = []
  const remarks: string[] = []
  let at = 0n

  /** What becomes of the file from `at` on, where no record can be found. */
  function endAt(why: string): RecordIndex {
    const behind = tail.filter((record) => headerOf(record) > at)
    const from = `0x${at.toString(16)}`
    if (!behind[0]) return { records, remarks, incomplete: `${why} at ${from}: what follows is not read` }
    const to = headerOf(behind[0])
    const incomplete = `${why} at ${from}: up to 0x${to.toString(16)} of the file records may be lost`
    return { records: [...records, ...behind], remarks, incomplete }
  }

  while (at < source.size) {
    const joint = joints.get(at)
    if (joint !== undefined) return { records: [...records, ...tail.slice(joint)], remarks }
    const head = await window.at(at, RECORD_HEADER_SIZE)
    if (records.length > 0 && endsRecords(head)) {
      remarks.push(`zeros at 0x${at.toString(16)} end the records: ${source.size - at} bytes are not read`)
      return { records, remarks }
    }
    const range = rangeOf(head, AVML_RECORD)
    if (typeof range === 'string' && records.length === 0) throw new FormatError(range, at)
    if (typeof range === 'string') return endAt(range)
    if (records.length + tail.length >= MOST_RECORDS) throw tooMany(at)

    const offset = at + HEADER_SIZE
    const walk = walkChunks(window, offset, source.size, range.length)
    while (await walk.step());
    records.push({ ...range, offset, end: walk.offset, held: BigInt(walk.reached) })
    at = walk.offset
    if (walk.flaw !== undefined) return endAt(walk.flaw)
    const trailer = await window.at(at, TRAILER_SIZE)
    if (trailer.length < TRAILER_SIZE) return endAt('the file ends inside the size behind a record')
    const told = asBuffer(trailer).readBigUInt64LE()
    if (told !== at - offset)
      remarks.push(
        `behind the record at 0x${(offset - HEADER_SIZE).toString(16)} stands ${told} for its ${at - offset} bytes`,
      )
    at += BigInt(TRAILER_SIZE)
  }
  return { records, remarks }
}

const tooMany = (offset: bigint) => new FormatError(`more than ${MOST_RECORDS} records`, offset)
