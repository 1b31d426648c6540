import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { LOCAL_HEADER_SIZE } from '../zip/local-header.js'
import { readExactly } from '../zip/reader.js'
import { readZip64 } from '../zip/zip64.js'
import type { Report } from './finding.js'

/** Bytes of a file that something owns. */
export interface Span {
  readonly start: bigint
  readonly end: bigint
  readonly name: string
}

interface RecordShape {
  readonly fixed: number
  /** Where the lengths of what follows stand. */
  readonly lengths: readonly number[]
  readonly kind: 'entries' | 'ends'
}
/** Records of a ZIP file by their signatures. */
const RECORDS = new Map<number, RecordShape>([
  [0x02014b50, { fixed: 46, lengths: [28, 30, 32], kind: 'entries' }],
  [0x06064b50, { fixed: 56, lengths: [], kind: 'ends' }],
  [0x07064b50, { fixed: 20, lengths: [], kind: 'ends' }],
  [0x06054b50, { fixed: 22, lengths: [20], kind: 'ends' }],
])
const LOCAL_HEADER = 0x04034b50
/** More than any record that stands alone, and most local headers with their names. */
const WINDOW = 1024

/** Steps through one gap: more than any honest one has. */
const MOST_RECORDS = 1 << 20

/**
 * Tells, in one note, of bytes that belong to no member: checkpoints that the directory doesn't list, and
 * directories from before an append are what writers leave behind.
 * @param spans ascending, the last of them the directory
 */
export async function describeGaps(
  source: ByteSource,
  spans: readonly Span[],
  report: Report,
): Promise<void> {
  const seen = { bytes: 0n, places: 0, members: 0, entries: 0, ends: 0, other: 0n }
  let first: bigint | undefined
  let at = 0n
  for (const span of spans) {
    if (span.start > at) {
      first ??= at
      seen.places++
      seen.bytes += span.start - at
      await walk(source, at, span.start, seen)
    }
    if (span.end > at) at = span.end
  }
  if (first === undefined) return
  const parts = [
    seen.members > 0 && `${seen.members} members that are not listed`,
    seen.entries > 0 && `${seen.entries} entries of older directories`,
    seen.other > 0n && `${seen.other} bytes of something else`,
  ].filter((part) => part !== false)
  await report({
    outcome: 'note',
    property: 'unreferenced',
    subject: source.name,
    detail: `${seen.bytes} bytes in ${seen.places} places belong to no member: ${parts.join(', ')}`,
    offset: first,
  })
}

async function walk(
  source: ByteSource,
  from: bigint,
  to: bigint,
  seen: { members: number; entries: number; ends: number; other: bigint },
): Promise<void> {
  let at = from
  for (let step = 0; step < MOST_RECORDS && at < to; step++) {
    const left = to - at
    const room = clipLength(WINDOW, left)
    const bytes = asBuffer(await readExactly(source, at, room))
    const length = recordLength(bytes, seen)
    if (length === undefined || at + length > to) break
    at += length
  }
  seen.other += to - at
}

/** Length of the record at the start of `bytes`, data of a member included; undefined when there is none. */
function recordLength(
  bytes: Buffer,
  seen: { members: number; entries: number; ends: number },
): bigint | undefined {
  if (bytes.length < 20) return undefined
  const signature = bytes.readUInt32LE(0)
  if (signature === LOCAL_HEADER) {
    const size = bytes.length < LOCAL_HEADER_SIZE ? undefined : memberSize(bytes)
    if (size !== undefined) seen.members++
    return size
  }
  const record = RECORDS.get(signature)
  if (!record || bytes.length < record.fixed) return undefined
  seen[record.kind]++
  return BigInt(record.lengths.reduce((sum, place) => sum + bytes.readUInt16LE(place), record.fixed))
}

/** Length of a member that tells its size in its header. */
function memberSize(header: Buffer): bigint | undefined {
  const nameEnd = LOCAL_HEADER_SIZE + header.readUInt16LE(26)
  const end = nameEnd + header.readUInt16LE(28)
  try {
    const sizes = [header.readUInt32LE(22), header.readUInt32LE(18)]
    const [, compressed] = readZip64(header.subarray(nameEnd, end), sizes, 0n)
    return BigInt(end) + compressed!
  } catch {
    return undefined
  }
}
