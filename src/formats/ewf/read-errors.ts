import type { Run } from '../address-space.js'
import { readBody, type Segment } from './sections.js'
import { checksumOf, decodeErrorEntry, decodeErrorHeader, SIZES } from './structs.js'

const MOST_ERRORS = 1 << 20

/** The ranges of a medium, in bytes, that could not be read when it was acquired: in no order, and as it says them. */
export async function readErrors(
  segments: readonly Segment[],
  sectorSize: number,
): Promise<{ readonly errors: readonly Run[]; readonly remarks: readonly string[] }> {
  const errors: Run[] = []
  const remarks: string[] = []
  const { errorHeader, errorEntry, checksum } = SIZES
  for (const segment of segments)
    for (const section of segment.sections) {
      if (section.type !== 'error2') continue
      const bad = (what: string) =>
        remarks.push(`${segment.source.name}: the error2 at 0x${section.offset.toString(16)} ${what}`)
      const bytes = await readBody(segment, section, errorHeader + MOST_ERRORS * errorEntry + checksum)
      if (bytes.length < errorHeader) {
        bad('is cut off')
        continue
      }
      const header = decodeErrorHeader(bytes)
      const fitting = Math.floor((bytes.length - errorHeader) / errorEntry)
      const count = Math.min(header.entries, fitting)
      const table = bytes.subarray(errorHeader)
      if (count < header.entries) bad(`lists ${header.entries} ranges, and has room for ${count}`)
      else if (header.checksum === 'wrong' || sumOf(table, count * errorEntry) === 'wrong')
        bad('does not hold its checksum')
      // Rather a range too many that counts as unreadable than one that passes for evidence.
      for (let index = 0; index < count && errors.length < MOST_ERRORS; index++) {
        const { firstSector, sectors } = decodeErrorEntry(table, index * errorEntry)
        errors.push({
          start: BigInt(firstSector) * BigInt(sectorSize),
          length: BigInt(sectors) * BigInt(sectorSize),
        })
      }
    }
  return { errors, remarks }
}

const sumOf = (table: Uint8Array, length: number) =>
  table.length < length + SIZES.checksum ? 'wrong' : checksumOf(table, length)
