import { decodeUsnRecord, JOURNAL_PAGE, RECORD_ALIGNMENT, SMALLEST_RECORD, type UsnRecord } from './record.js'

/** 1995 to 2100: a time that a record found anywhere must fall into to be believed. */
const EARLIEST = 124_333_920_000_000_000n
const LATEST = 157_469_184_000_000_000n

/**
 * Records of a change journal in any bytes, as in unallocated clusters: versions 2 and 3, which bear a name and a time
 * to be known by.
 * @param base where `bytes` begin; records are sought at multiples of 8 from there
 */
export function carveUsnRecords(bytes: Buffer, base: bigint): UsnRecord[] {
  const records: UsnRecord[] = []
  let at = 0
  while (at + SMALLEST_RECORD <= bytes.length) {
    const record = mayBeRecord(bytes, at)
      ? decodeUsnRecord(bytes, at, Math.min(at + JOURNAL_PAGE, bytes.length), base)
      : ''
    if (typeof record === 'string' || !isPlausible(record)) at += RECORD_ALIGNMENT
    else {
      records.push(record)
      at += record.length
    }
  }
  return records
}

/** Length below a page, version 2.0 or 3.0. */
function mayBeRecord(bytes: Buffer, at: number): boolean {
  return (
    bytes[at + 2] === 0 &&
    bytes[at + 3] === 0 &&
    (bytes[at + 4] === 2 || bytes[at + 4] === 3) &&
    bytes[at + 5] === 0 &&
    bytes[at + 6] === 0 &&
    bytes[at + 7] === 0
  )
}

function isPlausible({ name, time, usn, reasons }: UsnRecord): boolean {
  if (!name || name.includes('\0') || time === undefined) return false
  return (
    time >= EARLIEST && time < LATEST && usn >= 0n && usn % BigInt(RECORD_ALIGNMENT) === 0n && reasons !== 0
  )
}
