import type { ByteSource } from '../../byte-source.js'
import { NtfsError, type Report } from '../finding.js'
import { undoFixups } from '../fixups.js'
import { readAround } from '../read-around.js'
import { findRecordPages, type RecordPage, readRecordPage } from './pages.js'
import { completeLogRecord, decodeLogRecordHeader, type LogRecord, type LogRecordHeader } from './record.js'
import { decodeRestartPage, isRestartPage, RECORD_HEADER, type RestartPage } from './restart-page.js'

const RESTART_FIXUPS = 30
const SMALLEST_PAGE = 512
const LARGEST_PAGE = 0x1_0000
const BATCH = 1024
const UNUSED = 0xff

export interface LogFile {
  /** undefined: a tool has reset the log, and nothing is in it. */
  readonly restart: RestartPage | undefined
  /** All records that still are there, in the order of their LSNs. */
  records(): AsyncGenerator<LogRecord[]>
}

/**
 * $LogFile as evidence: nothing is replayed.
 * @throws {NtfsError} when it is neither a log nor one that was reset
 */
export async function openLogFile(log: ByteSource, report: Report): Promise<LogFile> {
  const start = await readAround(log, 0n, 2 * LARGEST_PAGE, (offset, reason) =>
    report({ message: `$LogFile: a restart page cannot be read: ${reason}`, offset }),
  )
  const restart = findRestartPage(start, report)
  if (!restart && !start.every((byte) => byte === UNUSED))
    throw new NtfsError('$LogFile has no restart page that can be read', 0n)
  return {
    restart,
    async *records() {
      if (restart) yield* readRecords(log, restart, report)
    },
  }
}

/** Of the two the one with the greater LSN. The second begins where the first one's page ends, whatever its size. */
function findRestartPage(start: Buffer, report: Report): RestartPage | undefined {
  const first = restartPageAt(start, 0, report)
  const sizes: number[] = []
  if (first) sizes.push(first.systemPageSize)
  else for (let size = SMALLEST_PAGE; size <= LARGEST_PAGE; size *= 2) sizes.push(size)
  for (const size of sizes) {
    const second = restartPageAt(start, size, report)
    if (second && (!first || second.currentLsn > first.currentLsn)) return second
  }
  return first
}

function restartPageAt(start: Buffer, at: number, report: Report): RestartPage | undefined {
  if (!isRestartPage(start.subarray(at))) return undefined
  const size = start.readUInt32LE(at + 16)
  const isWhole = size >= SMALLEST_PAGE && size % SMALLEST_PAGE === 0 && at + size <= start.length
  const bytes = Buffer.from(start.subarray(at, at + (isWhole ? size : SMALLEST_PAGE)))
  const fixups = undoFixups(bytes, RESTART_FIXUPS)
  const page = fixups && decodeRestartPage(bytes)
  if (!page || fixups.torn.length > 0)
    report({ message: `$LogFile: a restart page is ${page ? 'torn' : 'damaged'}`, offset: BigInt(at) })
  return page
}

interface Unfinished {
  readonly header: LogRecordHeader
  readonly pieces: Buffer[]
  missing: number
  /** The page that goes on. */
  readonly after: RecordPage
}

async function* readRecords(
  log: ByteSource,
  restart: RestartPage,
  report: Report,
): AsyncGenerator<LogRecord[]> {
  const { pageSize, dataOffset, offsetBits, fileSize } = restart
  const size = fileSize > 0n && fileSize < log.size ? fileSize : log.size
  const lastIndex = Number(size / BigInt(pageSize)) - 1
  let batch: LogRecord[] = []
  let open: Unfinished | undefined
  const close = (record: Unfinished) => completeLogRecord(record.header, Buffer.concat(record.pieces))
  for (const page of await findRecordPages(log, restart, report)) {
    const bytes = await readRecordPage(log, page, pageSize, report)
    let at = dataOffset
    if (open) {
      if (bytes && follows(page, open.after, lastIndex)) {
        const piece = bytes.subarray(at, at + open.missing)
        open.pieces.push(piece)
        const missing: number = open.missing - piece.length
        if (missing > 0) {
          open = { ...open, missing, after: page }
          continue
        }
        at = align(at + piece.length)
      }
      batch.push(close(open))
      open = undefined
    }
    if (!bytes) continue
    const isRecord = lsnCheck(page, pageSize, offsetBits)
    while (at + RECORD_HEADER <= pageSize) {
      const header = isRecord(bytes, at) ? decodeLogRecordHeader(bytes, at) : undefined
      if (!header) {
        at += 8
        continue
      }
      const dataAt = at + RECORD_HEADER
      const data = bytes.subarray(dataAt, dataAt + header.dataLength)
      if (data.length < header.dataLength) {
        open = { header, pieces: [data], missing: header.dataLength - data.length, after: page }
        break
      }
      batch.push(completeLogRecord(header, data))
      at = align(dataAt + data.length)
    }
    if (batch.length >= BATCH) {
      yield batch
      batch = []
    }
  }
  if (open) batch.push(close(open))
  if (batch.length > 0) yield batch
}

/** Whether `page` was written behind `before`: next to it, or at the beginning of the next lap. */
const follows = (page: RecordPage, before: RecordPage, lastIndex: number): boolean =>
  page.lap === before.lap
    ? page.index === before.index + 1
    : page.lap === before.lap + 1n && before.index === lastIndex

/** Whether the LSN at a place of the page is that of a record which begins there. */
function lsnCheck({ lap, index }: RecordPage, pageSize: number, offsetBits: number) {
  const base = BigInt.asUintN(64, (lap << BigInt(offsetBits)) + BigInt(index * (pageSize / 8)))
  const low = Number(base & 0xffff_ffffn)
  const high = Number(base >> 32n)
  // Pages begin at multiples of their size: nothing is carried.
  return (bytes: Buffer, at: number): boolean =>
    bytes.readUInt32LE(at) === low + at / 8 && bytes.readUInt32LE(at + 4) === high
}

const align = (at: number) => Math.ceil(at / 8) * 8
