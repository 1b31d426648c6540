import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import type { EwfMedium } from '../ewf/ewf-medium.js'
import { partMedium } from '../ewf/medium-ranges.js'
import { openMediumSource } from '../ewf/medium-source.js'
import { findSegments, missingSegments, upToLast } from '../ewf/segments.js'
import { openTableMap } from '../ewf/table-map.js'
import { checkMedium } from '../ewf/volume.js'
import type { SurroundingFiles } from '../image/image.js'
import { readDescription } from './descriptions.js'
import { readErrors } from './read-errors.js'
import { EX01_SEGMENTS, type Ex01Segment, hex } from './sections.js'
import { readDigests } from './stored-digests.js'
import { placeOf, readEntries, readTables } from './tables.js'

const UNPROVEN = 'read by the published description; no file of EnCase was at hand to compare with'
/** Sections that would tell something of the medium. */
const NOT_READ: readonly string[] = ['session table', 'increment data', 'memory extents table']

/**
 * Opens the medium in an Ex01 image, whichever of its segments is given.
 * @throws {FormatError} where it is none, is encrypted or compressed with bzip2, nothing says what it is of, or sections
 * lead ahead; the operating system's error
 */
export async function openEx01Medium(file: ByteSource, surroundings: SurroundingFiles): Promise<EwfMedium> {
  const set = await findSegments(file, surroundings, EX01_SEGMENTS)
  const remarks = [...set.remarks]
  const setId = set.segments.find(({ source }) => source === file)?.setId
  const segments = upToLast(set.segments, (segment) => segment.setId !== setId, set.nameOf, remarks)
  const { medium, facts, noted, remarks: told } = await readDescription(segments, file.name)
  checkMedium(medium, file.name)

  const { size, chunkSize } = medium
  const chunkBytes = BigInt(chunkSize)
  const chunks = Number((size + chunkBytes - 1n) / chunkBytes)
  const { tables, remarks: ofTables } = await readTables(segments, chunks)
  const present = tables.map(
    ({ first, count }): Run => ({ start: BigInt(first) * chunkBytes, length: BigInt(count) * chunkBytes }),
  )
  const there = tables.reduce((sum, { count }) => sum + count, 0)
  const errors = await readErrors(segments, medium.sectorSize)
  const digests = await readDigests(segments)
  const reasons = [
    ...missingSegments(segments, set),
    ...(there < chunks ? [`its tables list ${there} of ${chunks} chunks`] : []),
  ]
  const map = openTableMap({ ...medium, tables, readEntries, placeOf, warn: surroundings.warn })
  return {
    variant: 'Ex01',
    medium,
    source: openMediumSource(map, file.name),
    ranges: partMedium(size, present, errors.errors),
    digests: digests.digests,
    facts,
    noted,
    remarks: [
      UNPROVEN,
      ...remarks,
      ...told,
      ...ofTables,
      ...errors.remarks,
      ...digests.remarks,
      ...segments.flatMap(notRead),
    ],
    incomplete: reasons.length > 0 ? reasons.join('; ') : undefined,
  }
}

const notRead = ({ source, sections }: Ex01Segment): string[] =>
  sections
    .filter(({ type }) => NOT_READ.includes(type))
    .map(({ type, offset }) => `${source.name}: the ${type} at ${hex(offset)} is not read`)
