import type { Filetime } from '../filetime.js'
import { NtfsError } from '../finding.js'

/** $UsnJrnl:$Max: largest size, allocation delta, journal id, lowest valid USN; 8 bytes each. */
const SIZE = 32

export interface JournalFacts {
  readonly maximumSize: bigint
  readonly allocationDelta: bigint
  /** When the journal was made; a new one has another id. */
  readonly id: Filetime
  readonly lowestValidUsn: bigint
}

/** @throws {NtfsError} when it is cut off */
export function decodeJournalFacts(value: Buffer): JournalFacts {
  if (value.length < SIZE) throw new NtfsError(`$UsnJrnl:$Max of ${value.length} bytes is cut off`)
  return {
    maximumSize: value.readBigUInt64LE(0),
    allocationDelta: value.readBigUInt64LE(8),
    id: value.readBigInt64LE(16),
    lowestValidUsn: value.readBigInt64LE(24),
  }
}
