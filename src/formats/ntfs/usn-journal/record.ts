import { decodeFileReference, type FileReference } from '../file-reference.js'
import { type Filetime, isOnCalendar } from '../filetime.js'

/**
 * USN_RECORD: u32 length, u16 major, u16 minor version, then by version:
 *
 *                        v2       v3       v4
 *     file reference      8   8    8  16    8  16
 *     parent             16   8   24  16   24  16
 *     USN                24   8   40   8   40   8
 *     time               32   8   48   8
 *     reason             40   4   56   4   48   4
 *     source             44   4   60   4   52   4
 *     security id        48   4   64   4
 *     file attributes    52   4   68   4
 *     name length        56   2   72   2
 *     name offset        58   2   74   2
 *     extents left                         56   4
 *     extents                              60   2
 *     extent size                          62   2
 *     (end)              60       76       64
 */
const LAYOUTS = {
  2: { parent: 16, usn: 24, reason: 40, end: 60 },
  3: { parent: 24, usn: 40, reason: 56, end: 76 },
  4: { parent: 24, usn: 40, reason: 48, end: 64 },
} as const
const EXTENT_SIZE = 16

const SMALLEST_RECORD = 60
/** Records are 8-aligned and cross no border of pages of this size. */
export const JOURNAL_PAGE = 4096
export const RECORD_ALIGNMENT = 8

export interface UsnRecord {
  /** Where it stands in what was read. */
  readonly offset: bigint
  readonly length: number
  readonly major: number
  readonly minor: number
  readonly file: FileReference
  readonly parent: FileReference
  readonly usn: bigint
  /** REASON bits. */
  readonly reasons: number
  readonly sources: number
  /** Versions 2 and 3. */
  readonly time?: Filetime
  readonly securityId?: number
  /** FILE_FLAG bits. */
  readonly flags?: number
  readonly name?: string
  /** Version 4: what was changed, in bytes of the file, and how many more records tell about it. */
  readonly extents?: readonly { readonly offset: bigint; readonly length: bigint }[]
  readonly extentsLeft?: number
}

/**
 * The record at `at`.
 * @param end what it must not cross
 * @param base where `bytes` begin
 * @returns why there is none, in words
 */
export function decodeUsnRecord(bytes: Buffer, at: number, end: number, base: bigint): UsnRecord | string {
  if (at + SMALLEST_RECORD > end) return 'too little room'
  const length = bytes.readUInt32LE(at)
  if (length < SMALLEST_RECORD || length % RECORD_ALIGNMENT !== 0 || at + length > end)
    return `a length of ${length}`
  const major = bytes.readUInt16LE(at + 4)
  if (major !== 2 && major !== 3 && major !== 4) return `version ${major}`
  const layout = LAYOUTS[major]
  if (length < layout.end) return `a length of ${length}`
  if (major > 2 && (hasUpperHalf(bytes, at + 8) || hasUpperHalf(bytes, at + layout.parent)))
    return 'a file reference of 128 bits'
  const common = {
    offset: base + BigInt(at),
    length,
    major,
    minor: bytes.readUInt16LE(at + 6),
    file: decodeFileReference(bytes, at + 8),
    parent: decodeFileReference(bytes, at + layout.parent),
    usn: bytes.readBigInt64LE(at + layout.usn),
    reasons: bytes.readUInt32LE(at + layout.reason),
    sources: bytes.readUInt32LE(at + layout.reason + 4),
  }
  if (major === 4) {
    const count = bytes.readUInt16LE(at + 60)
    const size = bytes.readUInt16LE(at + 62)
    if (count > 0 && (size < EXTENT_SIZE || layout.end + count * size > length)) return `${count} extents`
    const extents = Array.from({ length: count }, (_, index) => {
      const extent = at + layout.end + index * size
      return { offset: bytes.readBigInt64LE(extent), length: bytes.readBigInt64LE(extent + 8) }
    })
    return { ...common, extents, extentsLeft: bytes.readUInt32LE(at + 56) }
  }
  const nameBytes = bytes.readUInt16LE(at + layout.end - 4)
  const nameAt = bytes.readUInt16LE(at + layout.end - 2)
  if (nameBytes % 2 !== 0 || nameAt < layout.end || nameAt + nameBytes > length) return 'a name past its end'
  const time = bytes.readBigInt64LE(at + layout.usn + 8)
  if (!isOnCalendar(time)) return 'a time on no calendar'
  return {
    ...common,
    time,
    securityId: bytes.readUInt32LE(at + layout.reason + 8),
    flags: bytes.readUInt32LE(at + layout.reason + 12),
    name: bytes.toString('utf16le', at + nameAt, at + nameAt + nameBytes),
  }
}

const hasUpperHalf = (bytes: Buffer, at: number): boolean =>
  bytes.readUInt32LE(at + 8) !== 0 || bytes.readUInt32LE(at + 12) !== 0
