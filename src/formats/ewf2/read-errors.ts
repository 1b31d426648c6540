import type { Run } from '../address-space.js'
import { checksumOf } from '../ewf/structs.js'
import { type Ex01Segment, hex } from './sections.js'
import { decodeErrorEntry, decodeErrorHeader, SIZES } from './structs.js'

const MOST_ERRORS = 1 << 20

/** The ranges of a medium, in bytes, that could not be read when it was acquired: in no order, and as it says them. */
export async function readErrors(
  segments: readonly Ex01Segment[],
  sectorSize: number,
): Promise<{ readonly errors: readonly Run[]; readonly remarks: readonly string[] }> {
  const errors: Run[] = []
  const remarks: string[] = []
  const { arrayHeader, errorEntry, checksum } = SIZES
  const most = BigInt(arrayHeader + MOST_ERRORS * errorEntry + checksum)
  for (const { source, sections } of segments)
    for (const { type, offset, body, length } of sections) {
      if (type !== 'error table') continue
      const bad = (what: string) => remarks.push(`${source.name}: the error table at ${hex(offset)} ${what}`)
      const bytes = await source.read(body, Number(length < most ? length : most))
      if (bytes.length < arrayHeader) {
        bad('is cut off')
        continue
      }
      const header = decodeErrorHeader(bytes)
      const table = bytes.subarray(arrayHeader)
      const count = Math.min(header.entries, Math.floor(table.length / errorEntry))
      const summed = count * errorEntry
      if (count < header.entries) bad(`lists ${header.entries} ranges, and has room for ${count}`)
      else if (
        header.checksum !== 'right' ||
        table.length < summed + checksum ||
        checksumOf(table, summed) !== 'right'
      )
        bad('does not hold its checksum')
      // Rather a range too many that counts as unreadable than one that passes for evidence.
      for (let index = 0; index < count && errors.length < MOST_ERRORS; index++) {
        const { firstSector, sectors } = decodeErrorEntry(table, index * errorEntry)
        errors.push({ start: firstSector * BigInt(sectorSize), length: BigInt(sectors * sectorSize) })
      }
    }
  return { errors, remarks }
}
