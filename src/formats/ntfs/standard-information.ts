import { ATTRIBUTE } from './attribute-type.js'
import { findAttribute, type NtfsFile } from './file.js'
import type { FileTimes } from './file-name.js'
import { NtfsError } from './finding.js'

/**
 * $STANDARD_INFORMATION, 48 bytes in NTFS 1.x and from other drivers, 72 since 3.0:
 *
 *      0  8  created            40  4  version, since Windows 10 flags    56  8  quota charged
 *      8  8  modified           44  4  class id                           64  8  USN
 *     16  8  record changed     48  4  owner id
 *     24  8  accessed           52  4  security id
 *     32  4  file attributes
 *     36  4  maximum versions
 */
const SMALLEST = 36

/** Bit 0 of `version` since Windows 10. */
const CASE_SENSITIVE = 1

/** What a shorter value has no room for is absent. */
export interface StandardInformation {
  readonly times: FileTimes
  /** FILE_FLAG bits. */
  readonly flags: number
  readonly maximumVersions?: number
  readonly version?: number
  readonly classId?: number
  /** Whose quota it counts against; 0 for nobody's. */
  readonly ownerId?: number
  /** Key of $Secure:$SII; 0 for none. */
  readonly securityId?: number
  readonly quotaCharged?: bigint
  /** Of the last record about this file in the change journal; 0 for none. */
  readonly usn?: bigint
}

/** @throws {NtfsError} when times and file attributes are cut off */
export function decodeStandardInformation(value: Buffer): StandardInformation {
  if (value.length < SMALLEST)
    throw new NtfsError(`$STANDARD_INFORMATION of ${value.length} bytes is cut off`)
  const holds = (end: number) => value.length >= end
  return {
    times: {
      created: value.readBigInt64LE(0),
      modified: value.readBigInt64LE(8),
      changed: value.readBigInt64LE(16),
      accessed: value.readBigInt64LE(24),
    },
    flags: value.readUInt32LE(32),
    ...(holds(40) && { maximumVersions: value.readUInt32LE(36) }),
    ...(holds(44) && { version: value.readUInt32LE(40) }),
    ...(holds(48) && { classId: value.readUInt32LE(44) }),
    ...(holds(52) && { ownerId: value.readUInt32LE(48) }),
    ...(holds(56) && { securityId: value.readUInt32LE(52) }),
    ...(holds(64) && { quotaCharged: value.readBigUInt64LE(56) }),
    ...(holds(72) && { usn: value.readBigInt64LE(64) }),
  }
}

/** That of a file. @throws {NtfsError} as `decodeStandardInformation` */
export function standardInformationOf(file: NtfsFile): StandardInformation | undefined {
  const value = findAttribute(file, ATTRIBUTE.STANDARD_INFORMATION)?.value
  return value && decodeStandardInformation(value)
}

/** Whether names in this directory differ by case alone: what WSL asks for. */
export const isCaseSensitive = ({ version = 0 }: StandardInformation): boolean =>
  (version & CASE_SENSITIVE) !== 0
