import { bitNames } from './bit-names.js'

/** File attributes as $STANDARD_INFORMATION and $FILE_NAME hold them; the last two stand in $FILE_NAME alone. */
export const FILE_FLAG = {
  READ_ONLY: 0x1,
  HIDDEN: 0x2,
  SYSTEM: 0x4,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
  DEVICE: 0x40,
  NORMAL: 0x80,
  TEMPORARY: 0x100,
  SPARSE: 0x200,
  REPARSE_POINT: 0x400,
  COMPRESSED: 0x800,
  OFFLINE: 0x1000,
  NOT_INDEXED: 0x2000,
  ENCRYPTED: 0x4000,
  INTEGRITY: 0x8000,
  VIRTUAL: 0x1_0000,
  NO_SCRUB: 0x2_0000,
  RECALL_ON_OPEN: 0x4_0000,
  PINNED: 0x8_0000,
  UNPINNED: 0x10_0000,
  RECALL_ON_DATA_ACCESS: 0x40_0000,
  HAS_FILE_NAME_INDEX: 0x1000_0000,
  HAS_VIEW_INDEX: 0x2000_0000,
} as const

const NAMES = new Map<number, string>(
  Object.entries(FILE_FLAG).map(([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')]),
)

/** `['hidden', 'not-indexed']`, lowest bit first; hexadecimal for a bit without a name. */
export const fileFlagNames = (flags: number): string[] => bitNames(flags, NAMES)
