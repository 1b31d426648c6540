import type { NtfsFile } from '../../formats/ntfs/file.js'
import type { FileReference } from '../../formats/ntfs/file-reference.js'
import { isInUse, RECORD_FLAG } from '../../formats/ntfs/record.js'

export interface RecordFacts {
  readonly record: number
  readonly sequence: number
  readonly inUse: boolean
  readonly directory: boolean
  readonly flags: readonly string[]
  readonly lsn: bigint
  /** Names that the record counts, and those that there are. */
  readonly links: number
  readonly nameCount: number
  /** Of a record that holds attributes of another one. */
  readonly base: FileReference | null
  readonly extensions: readonly FileReference[]
  readonly bytesInUse: number
  readonly bytesAllocated: number
  /** Strides of 512 bytes. */
  readonly torn: readonly number[]
}

/** @param nameCount names that the file has */
export function recordFacts({ base, extensions }: NtfsFile, nameCount: number): RecordFacts {
  return {
    record: base.number,
    sequence: base.sequence,
    inUse: isInUse(base),
    directory: (base.flags & RECORD_FLAG.DIRECTORY) !== 0,
    flags: RECORD_FLAG_NAMES.filter(([bit]) => (base.flags & bit) !== 0).map(([, name]) => name),
    lsn: base.lsn,
    links: base.linkCount,
    nameCount,
    base: base.base ?? null,
    extensions: extensions.map(({ number, sequence }) => ({ record: number, sequence })),
    bytesInUse: base.bytesInUse,
    bytesAllocated: base.bytes.length,
    torn: base.torn,
  }
}

const RECORD_FLAG_NAMES = Object.entries(RECORD_FLAG).map(
  ([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')] as const,
)
