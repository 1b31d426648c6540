import { bitNames } from './bit-names.js'
import { NtfsError } from './finding.js'

/** $VOLUME_INFORMATION: 8 bytes unused, major and minor version (1 each), flags (2). */
const SIZE = 12

const VOLUME_FLAG = {
  DIRTY: 0x1,
  RESIZE_LOG_FILE: 0x2,
  UPGRADE_ON_MOUNT: 0x4,
  MOUNTED_ON_NT4: 0x8,
  DELETE_USN_UNDERWAY: 0x10,
  REPAIR_OBJECT_IDS: 0x20,
  CHKDSK_UNDERWAY: 0x4000,
  MODIFIED_BY_CHKDSK: 0x8000,
} as const

const NAMES = new Map<number, string>(
  Object.entries(VOLUME_FLAG).map(([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')]),
)

export interface VolumeInformation {
  /** Of NTFS: 1.2 for NT 4, 3.0 for Windows 2000, 3.1 since XP. */
  readonly major: number
  readonly minor: number
  /** VOLUME_FLAG bits. */
  readonly flags: number
}

/** @throws {NtfsError} when it is cut off */
export function decodeVolumeInformation(value: Buffer): VolumeInformation {
  if (value.length < SIZE) throw new NtfsError(`$VOLUME_INFORMATION of ${value.length} bytes is cut off`)
  return { major: value[8]!, minor: value[9]!, flags: value.readUInt16LE(10) }
}

/** `['dirty']`; hexadecimal for a bit without a name. */
export const volumeFlagNames = (flags: number): string[] => bitNames(flags, NAMES)
