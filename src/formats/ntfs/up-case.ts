import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import type { Report } from './finding.js'
import { UP_CASE_RANGES } from './up-case-ranges.js'

/** $UpCase: the upper case of each of the 65536 UTF-16 units, little-endian. */
const UNITS = 65536
export const UP_CASE_SIZE = 2 * UNITS

/** Upper case by unit. */
export type UpCase = Uint16Array

/**
 * The table that a volume brings.
 * @param bytes contents of $UpCase
 * @param report told when they are no table, and the built-in one stands in
 */
export function decodeUpCase(bytes: Bytes, report: Report): UpCase {
  if (bytes.length !== UP_CASE_SIZE) {
    report({ message: `$UpCase has ${bytes.length} bytes, not ${UP_CASE_SIZE}: the built-in table is used` })
    return builtInUpCase()
  }
  const view = asDataView(bytes)
  const table = new Uint16Array(UNITS)
  for (let unit = 0; unit < UNITS; unit++) table[unit] = view.getUint16(2 * unit, true)
  return table
}

let builtIn: UpCase | undefined

/** The table of Windows Vista and later. */
export function builtInUpCase(): UpCase {
  if (builtIn) return builtIn
  const table = Uint16Array.from({ length: UNITS }, (_, unit) => unit)
  for (const [first, last, step, delta] of UP_CASE_RANGES)
    for (let unit = first; unit <= last; unit += step) table[unit] = unit + delta
  builtIn = table
  return table
}

/** The order of names when case does not count: negative, 0 or positive. Unit by unit, the shorter one first. */
export function compareIgnoringCase(upCase: UpCase, a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let at = 0; at < shorter; at++) {
    const difference = upCase[a.charCodeAt(at)]! - upCase[b.charCodeAt(at)]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** COLLATION_FILE_NAME, the order of $I30: by upper case, then names that differ in case alone by their units. */
export const compareNames = (upCase: UpCase, a: string, b: string): number =>
  compareIgnoringCase(upCase, a, b) || compareUnits(a, b)

// Strings of JavaScript are ordered by UTF-16 units.
const compareUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
