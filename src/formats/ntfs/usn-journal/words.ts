import { bitNames } from '../bit-names.js'

export const REASON = {
  DATA_OVERWRITE: 0x1,
  DATA_EXTEND: 0x2,
  DATA_TRUNCATION: 0x4,
  NAMED_DATA_OVERWRITE: 0x10,
  NAMED_DATA_EXTEND: 0x20,
  NAMED_DATA_TRUNCATION: 0x40,
  FILE_CREATE: 0x100,
  FILE_DELETE: 0x200,
  EA_CHANGE: 0x400,
  SECURITY_CHANGE: 0x800,
  RENAME_OLD_NAME: 0x1000,
  RENAME_NEW_NAME: 0x2000,
  INDEXABLE_CHANGE: 0x4000,
  BASIC_INFO_CHANGE: 0x8000,
  HARD_LINK_CHANGE: 0x1_0000,
  COMPRESSION_CHANGE: 0x2_0000,
  ENCRYPTION_CHANGE: 0x4_0000,
  OBJECT_ID_CHANGE: 0x8_0000,
  REPARSE_POINT_CHANGE: 0x10_0000,
  STREAM_CHANGE: 0x20_0000,
  TRANSACTED_CHANGE: 0x40_0000,
  INTEGRITY_CHANGE: 0x80_0000,
  DESIRED_STORAGE_CLASS_CHANGE: 0x100_0000,
  CLOSE: 0x8000_0000,
} as const

const SOURCE = {
  DATA_MANAGEMENT: 0x1,
  AUXILIARY_DATA: 0x2,
  REPLICATION_MANAGEMENT: 0x4,
  CLIENT_REPLICATION_MANAGEMENT: 0x8,
} as const

const wordsOf = (bits: Record<string, number>) =>
  new Map(Object.entries(bits).map(([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')]))

const REASON_WORDS = wordsOf(REASON)
const SOURCE_WORDS = wordsOf(SOURCE)

/** `['file-create', 'close']`; hexadecimal for a bit without a name. */
export const reasonNames = (reasons: number): string[] => bitNames(reasons, REASON_WORDS)

/** Who made the change, where that was not the user; hexadecimal for a bit without a name. */
export const sourceNames = (sources: number): string[] => bitNames(sources, SOURCE_WORDS)
