import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import type { Output } from '../cli/output.js'
import { firstIndex, type Run } from '../formats/address-space.js'
import { fillSymbolic, type SymbolicContent } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { FormatError } from '../formats/format-error.js'
import { encodeRecordHeader, LIME_RECORD, RECORD_HEADER_SIZE } from '../formats/lime/record.js'
import { min } from '../formats/min-max.js'
import { refuseUnlessHeld } from './file-size.js'
import { largeWrites } from './large-writes.js'
import type { Evidence, ImageWriter } from './memory-image.js'
import { outOfOrder, refuseUnfit } from './record-ranges.js'

const PAGE = 4096n
const HEADER_SIZE = BigInt(RECORD_HEADER_SIZE)
/** What a record claims to reach until it is known where it ends: readers take the file for cut. */
const UNKNOWN_END = 1n << 64n

/** A record of the file. */
interface PlacedRecord {
  readonly start: bigint
  length: bigint
  /** Where its header stands. */
  readonly offset: bigint
  /** One past the last address that its header tells. */
  readonly told: bigint
}

/**
 * Begins a LiME image: a record for each range. Where the stream does not tell its ranges ahead, a regular file gets
 * the ends of its records when they are known, a pipe a record for each piece that comes.
 * @throws {ToolError} where the stream is none that LiME has a place for
 */
export async function beginLime(
  output: Output,
  { stream }: Evidence,
  announced: readonly Run[] | undefined,
  log: Log,
): Promise<ImageWriter> {
  refuseUnfit(stream, 'LiME')
  const checkPages = watchPages(output.name, log)
  announced?.forEach(checkPages)
  const size = (announced ?? []).reduce((sum, { length }) => sum + HEADER_SIZE + length, 0n)
  output.space.demand(size)
  await output.write()
  if (announced) {
    refuseUnlessHeld(output, size, 'aff4-sink takes no space for what is zero')
  }
  const writes = largeWrites(output)
  const records: PlacedRecord[] = []
  let open: PlacedRecord | undefined
  /** Next address, and end of what is on its way to the output. */
  let next = 0n
  let end = 0n

  /** One past the last address of the record that begins at an address, of whose bytes `length` are there. */
  function endOf(address: bigint, length: bigint): bigint {
    if (!announced) return output.seekable ? UNKNOWN_END : address + length
    const run = announced[firstIndex(announced.length, (i) => announced[i]!.start > address) - 1]
    if (!run || address >= run.start + run.length)
      throw new FormatError(
        `address 0x${address.toString(16)} is in none of the ranges that its STREAM announces`,
      )
    return run.start + run.length
  }

  function writeHeader({ start, offset }: PlacedRecord, told: bigint): Promise<void> {
    const header = encodeRecordHeader({ ...LIME_RECORD, start, end: told - 1n })
    return writes.make(offset, HEADER_SIZE, (into, from) =>
      into.set(header.subarray(Number(from), Number(from) + into.length)),
    )
  }

  async function closeRecord(): Promise<void> {
    const record = open
    open = undefined
    if (!record) return
    if (!announced && output.seekable) checkPages(record)
    if (next === record.told) return
    if (!output.seekable) throw leftOut(next, record.told)
    await writeHeader(record, next)
  }

  async function openRecord(address: bigint, length: bigint): Promise<PlacedRecord> {
    await closeRecord()
    if (address < next) throw outOfOrder(address, next)
    const record = { start: address, length: 0n, offset: end, told: endOf(address, length) }
    await writeHeader(record, record.told)
    next = address
    end += HEADER_SIZE
    open = record
    if (output.seekable) records.push(record)
    return record
  }

  /** Notes bytes of a record. @returns where in the file they go */
  function take(record: PlacedRecord, length: bigint): bigint {
    const offset = end
    record.length += length
    next += length
    end += length
    return offset
  }

  const isNext = (record: PlacedRecord | undefined, address: bigint): record is PlacedRecord =>
    record !== undefined && address === next && address < record.told

  async function putPieces(address: bigint, bytes: Bytes): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = address + BigInt(done)
      const left = BigInt(bytes.length - done)
      const record = isNext(open, at) ? open : await openRecord(at, left)
      const length = Number(min(left, record.told - at))
      await writes.put(take(record, BigInt(length)), bytes.subarray(done, done + length))
      done += length
    }
  }

  async function write(offset: bigint, address: bigint, length: bigint, content: SymbolicContent) {
    // What nobody writes reads as zeros.
    if (output.seekable && (content === 'zero' || content === 0)) await writes.release()
    else await writes.make(offset, length, (into, from) => fillSymbolic(content, address + from, into))
  }

  return {
    put(address, bytes) {
      const record = open
      const length = BigInt(bytes.length)
      if (!isNext(record, address) || address + length > record.told) return putPieces(address, bytes)
      return writes.put(take(record, length), bytes)
    },
    async fill(address, total, content) {
      for (let done = 0n; done < total; ) {
        const at = address + done
        const record = isNext(open, at) ? open : await openRecord(at, total - done)
        const length = min(total - done, record.told - at)
        await write(take(record, length), at, length, content)
        done += length
      }
    },
    release: writes.release,
    async finish(_, ranges, complete) {
      let settled: readonly Run[] = []
      if (!output.seekable) {
        if (complete) await closeRecord()
        await writes.settle()
        return ranges
      }
      try {
        if (writes.lostFrom === undefined) await closeRecord()
        await writes.settle()
      } finally {
        settled = await settle(output, records, writes.lostFrom ?? end)
      }
      return settled
    },
  }
}

/** Cuts the file at `end`, which may be inside a record. @returns what is in it */
async function settle(output: Output, records: readonly PlacedRecord[], end: bigint): Promise<Run[]> {
  const kept = records.filter(({ offset }) => offset + HEADER_SIZE < end)
  const last = kept.at(-1)
  const behind = records[kept.length]
  const cut = behind ? min(behind.offset, end) : end
  if (last) {
    const held = cut - last.offset - HEADER_SIZE
    if (held < last.length) {
      last.length = held
      const header = encodeRecordHeader({ ...LIME_RECORD, start: last.start, end: last.start + held - 1n })
      await output.writeAt(last.offset, header)
    }
  }
  await output.truncate(cut)
  return kept
}

const leftOut = (from: bigint, to: bigint): ToolError =>
  new ToolError(
    EXIT.data,
    `0x${from.toString(16)}-0x${to.toString(16)} was announced and never came: a pipe has its record already`,
    { hint: 'write it to a regular file' },
  )

/** Says once what other programs make of ranges that are no whole pages: they are written as they are. */
function watchPages(name: string, log: Log): (run: Run) => void {
  let told = false
  return ({ start, length }) => {
    if (told || (start % PAGE === 0n && length % PAGE === 0n)) return
    told = true
    log.warn(
      `${name}: 0x${start.toString(16)}-0x${(start + length).toString(16)} is no range of whole pages`,
      'MemProcFS refuses such a file; others read it',
    )
  }
}
