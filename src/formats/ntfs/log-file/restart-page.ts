/**
 * Restart page, `RSTR` or, after chkdsk, `CHKD`: fixups as everywhere, then
 *
 *      8  8  LSN of chkdsk        24  2  offset of the restart area
 *     16  4  system page size     26  2  minor version
 *     20  4  log page size        28  2  major version
 *
 * Restart area: current LSN (8), clients (2), free list (2), list in use (2), flags (2), bits of a sequence number (4),
 * its length (2), offset of the clients (2), file size (8), length of the last record (4), length of a record's header
 * (2), where a page's data begin (2).
 */
const SIGNATURES = ['RSTR', 'CHKD']
const AREA_SIZE = 40
const SMALLEST_PAGE = 512
const LARGEST_PAGE = 0x1_0000
const CLEAN = 2
export const RECORD_HEADER = 48
/** Headers of pages. */
export const PAGE_HEADER = 64
/** Bits of an LSN below its sequence number: a place in units of 8 bytes. */
const MOST_OFFSET_BITS = 45

export interface RestartPage {
  readonly pageSize: number
  readonly systemPageSize: number
  readonly major: number
  readonly minor: number
  readonly currentLsn: bigint
  /** The volume was unmounted properly. */
  readonly clean: boolean
  readonly offsetBits: number
  readonly fileSize: bigint
  /** Where data begin in a record page. */
  readonly dataOffset: number
}

export const isRestartPage = (bytes: Buffer): boolean =>
  bytes.length >= SMALLEST_PAGE && SIGNATURES.includes(bytes.toString('latin1', 0, 4))

/**
 * @param bytes the page with fixups undone
 * @returns undefined when what it says cannot be
 */
export function decodeRestartPage(bytes: Buffer): RestartPage | undefined {
  if (!isRestartPage(bytes)) return undefined
  const systemPageSize = bytes.readUInt32LE(16)
  const pageSize = bytes.readUInt32LE(20)
  const area = bytes.readUInt16LE(24)
  if (!isPageSize(pageSize) || !isPageSize(systemPageSize) || area + AREA_SIZE > bytes.length)
    return undefined
  const offsetBits = 64 - bytes.readUInt32LE(area + 16)
  const dataOffset = bytes.readUInt16LE(area + 38)
  if (offsetBits < 9 || offsetBits > MOST_OFFSET_BITS) return undefined
  if (bytes.readUInt16LE(area + 36) !== RECORD_HEADER) return undefined
  if (dataOffset < PAGE_HEADER || dataOffset % 8 !== 0 || dataOffset + RECORD_HEADER > pageSize)
    return undefined
  return {
    pageSize,
    systemPageSize,
    major: bytes.readInt16LE(28),
    minor: bytes.readInt16LE(26),
    currentLsn: bytes.readBigUInt64LE(area),
    clean: (bytes.readUInt16LE(area + 14) & CLEAN) !== 0,
    offsetBits,
    fileSize: bytes.readBigInt64LE(area + 24),
    dataOffset,
  }
}

const isPageSize = (size: number) =>
  size >= SMALLEST_PAGE && size <= LARGEST_PAGE && Number.isInteger(Math.log2(size))
