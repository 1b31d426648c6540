import type { ByteSource } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import type { Report } from '../finding.js'
import { undoFixups } from '../fixups.js'
import { readAround } from '../read-around.js'
import { PAGE_HEADER, type RestartPage } from './restart-page.js'

/**
 * Record page, `RCRD`: fixups, then
 *
 *      8  8  last LSN; in tail copies of 1.x the offset in the file that the page belongs to
 *     16  4  flags: 1 a record ends here
 *     24  2  offset of the next record
 *     32  8  LSN of the last record that ends here
 *     60  4  from 2.0 on in copies the offset in the file that the page belongs to
 *
 * Behind two restart pages come two tail copies, in 2.0 thirty-two: pages written before they go to their place.
 */
const SIGNATURE = Buffer.from('RCRD')
const BLOCK = 1 << 20
const RESTART_PAGES = 2
const TAIL_COPIES = 2
const CIRCULAR_1 = 4
const CIRCULAR_2 = 34
/** 4 GiB of the usual ones, more than Windows makes. */
const MOST_PAGES = 2 ** 20

/** A page that holds log records. */
export interface RecordPage {
  /** Number of the page where it belongs. */
  readonly index: number
  /** Where it stands: its own place, or that of a copy. */
  readonly position: number
  /** How often the log had been filled when it was written: sequence number of the LSNs in it. */
  readonly lap: bigint
  /** The last LSN that it knows of: of two copies the later one counts. */
  readonly lastLsn: bigint
}

/** The record pages in the order in which they were written. */
export async function findRecordPages(
  log: ByteSource,
  restart: RestartPage,
  report: Report,
): Promise<RecordPage[]> {
  const { pageSize } = restart
  const claimed = log.size / BigInt(pageSize)
  const count = clipLength(MOST_PAGES, claimed)
  if (claimed > BigInt(MOST_PAGES))
    report({ message: `$LogFile of ${claimed} pages is read up to ${MOST_PAGES}` })
  const found = new Map<number, RecordPage>()
  const perBlock = BLOCK / pageSize
  for (let first = RESTART_PAGES; first < count; first += perBlock) {
    const bytes = await readPages(log, first, Math.min(perBlock, count - first), pageSize, report)
    for (let at = 0; at + pageSize <= bytes.length; at += pageSize) {
      const page = locate(bytes, at, first + at / pageSize, count, restart)
      if (!page) continue
      const other = found.get(page.index)
      if (!other || other.lastLsn < page.lastLsn) found.set(page.index, page)
    }
  }
  placeUnsealed(found)
  return [...found.values()].sort((a, b) => (a.lap === b.lap ? a.index - b.index : a.lap < b.lap ? -1 : 1))
}

/** A page that the driver was still filling knows no LSN yet: it belongs to the lap of the page before it. */
function placeUnsealed(found: Map<number, RecordPage>): void {
  for (const index of [...found.keys()].sort((a, b) => a - b)) {
    const page = found.get(index)!
    const before = found.get(index - 1)
    if (page.lastLsn === 0n && before) found.set(index, { ...page, lap: before.lap })
  }
}

function locate(
  bytes: Buffer,
  at: number,
  position: number,
  count: number,
  { major, offsetBits, pageSize }: RestartPage,
): RecordPage | undefined {
  if (bytes.compare(SIGNATURE, 0, SIGNATURE.length, at, at + SIGNATURE.length) !== 0) return undefined
  const isTailCopy = major < 2 && position < RESTART_PAGES + TAIL_COPIES
  const place = isTailCopy ? Number(bytes.readBigUInt64LE(at + 8)) : bytes.readUInt32LE(at + 60)
  // What 2.0 left behind stays when a log goes back to 1.1, where else these bytes may hold anything.
  const isFastPage =
    position < CIRCULAR_2 && (major >= 2 || (place % pageSize === 0 && place >= CIRCULAR_2 * pageSize))
  const index = isTailCopy || isFastPage ? place / pageSize : position
  if (!Number.isInteger(index) || index < CIRCULAR_1 || index >= count) return undefined
  const lastEndLsn = bytes.readBigUInt64LE(at + 32)
  const lastLsn = isTailCopy ? lastEndLsn : bytes.readBigUInt64LE(at + 8)
  const offset = Number(BigInt.asUintN(offsetBits, lastLsn)) * 8
  // A record that begins behind this page went on here in the next lap.
  const wrapped = offset >= (index + 1) * pageSize ? 1n : 0n
  return { index, position, lap: (lastLsn >> BigInt(offsetBits)) + wrapped, lastLsn }
}

/** One page with fixups undone; undefined, and reported, when it cannot be read. */
export async function readRecordPage(
  log: ByteSource,
  { position }: RecordPage,
  pageSize: number,
  report: Report,
): Promise<Buffer | undefined> {
  const bytes = Buffer.from(await readPages(log, position, 1, pageSize, report))
  const offset = BigInt(position) * BigInt(pageSize)
  if (bytes.length < pageSize) return undefined
  const fixups = undoFixups(bytes, PAGE_HEADER - 24)
  if (!fixups) {
    report({ message: '$LogFile: a page whose update sequence lies outside is left out', offset })
    return undefined
  }
  if (fixups.torn.length > 0)
    report({ message: `$LogFile: a page is torn at sector ${fixups.torn.join(', ')}`, offset })
  return bytes
}

const readPages = (log: ByteSource, first: number, count: number, pageSize: number, report: Report) =>
  readAround(log, BigInt(first) * BigInt(pageSize), count * pageSize, (offset, reason) =>
    report({ message: `$LogFile: a page is left out: ${reason}`, offset }),
  )
