import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { SurroundingFiles } from '../image/image.js'
import { type CaseFacts, readCaseFacts } from './case-facts.js'
import { layOut, type PlacedTable } from './layout.js'
import { type MediumRanges, partMedium } from './medium-ranges.js'
import { openMediumSource } from './medium-source.js'
import { readErrors } from './read-errors.js'
import { readFileHeader, SEGMENTS, type Segment } from './sections.js'
import { findSegments, missingSegments, type SegmentSet, upToLast } from './segments.js'
import { type MediumDigest, readDigests } from './stored-digests.js'
import { openTableMap } from './table-map.js'
import { type Entries, placeOf, readEntries, readTables, type Table } from './tables.js'
import { checkMedium, type Medium, mostTrusted, readMedium } from './volume.js'

/** What a set of segments holds. */
export interface EwfMedium extends CaseFacts {
  readonly variant: 'E01' | 'S01' | 'Ex01'
  readonly medium: Medium
  /** Its bytes, with what the chunks have where it could not be read. */
  readonly source: ByteSource
  readonly ranges: MediumRanges
  readonly digests: readonly MediumDigest[]
  /** Why something is missing. */
  readonly incomplete: string | undefined
}

/**
 * Opens the medium in an EWF image, whichever of its segments is given.
 * @throws {FormatError} where it is none, nothing says what it is of, or sections lead back; the operating system's
 * error
 */
export async function openEwfMedium(file: ByteSource, surroundings: SurroundingFiles): Promise<EwfMedium> {
  if ((await readFileHeader(file))?.signature === 'logical')
    throw new FormatError(
      `${file.name}: logical evidence (L01): files, not the image of a medium`,
      0n,
      'ewfexport -f files FILE writes the files that it holds',
    )
  const set = await findSegments(file, surroundings, SEGMENTS)
  const remarks = [...set.remarks]
  const { segments, medium } = await ofOneSet(set, file, remarks)
  checkMedium(medium, file.name)
  const parts = await gather(segments, set, remarks)

  const chunkBytes = BigInt(medium.chunkSize)
  const declared = medium.size === 0n ? undefined : Number((medium.size + chunkBytes - 1n) / chunkBytes)
  const { tables, lost } = layOut(parts, declared)
  const end = tables.reduce((most, { first, count }) => Math.max(most, first + count), 0)
  const size = declared === undefined ? BigInt(end) * chunkBytes : medium.size
  const present = tables.map(
    ({ first, count }): Run => ({ start: BigInt(first) * chunkBytes, length: BigInt(count) * chunkBytes }),
  )
  const there = tables.reduce((sum, { count }) => sum + count, 0)
  if (lost > 0)
    remarks.push(`the place of ${lost} chunks is not known: some are missing before and behind them`)
  if (declared !== undefined && end > declared)
    remarks.push(`its tables list ${end - declared} chunks more than the medium has`)
  if (declared === undefined && there > 0) remarks.push('nothing says how large the medium is but its tables')

  const errors = await readErrors(segments, medium.sectorSize)
  const digests = await readDigests(segments)
  const described = await readCaseFacts(segments)
  const unfinished = segments.some(({ sections }) => sections.some(({ type }) => type === 'incomplete'))
  const reasons = [
    ...missingSegments(segments, set),
    ...(unfinished ? ['its writer says that it is incomplete'] : []),
    ...(declared !== undefined && there < declared ? [`its tables list ${there} of ${declared} chunks`] : []),
  ]
  const { warn } = surroundings
  const map = openTableMap<PlacedTable, Entries>({ ...medium, size, tables, readEntries, placeOf, warn })
  return {
    variant: medium.signature === 'SMART' ? 'S01' : 'E01',
    medium,
    source: openMediumSource(map, file.name),
    ranges: partMedium(size, present, errors.errors),
    digests: digests.digests,
    facts: described.facts,
    noted: described.noted,
    remarks: [...remarks, ...errors.remarks, ...digests.remarks, ...described.remarks],
    incomplete: reasons.length > 0 ? reasons.join('; ') : undefined,
  }
}

/** The segments of one set, up to the one that says to be its last, and what they say about the medium. */
async function ofOneSet(
  { segments, nameOf }: SegmentSet<Segment>,
  file: ByteSource,
  remarks: string[],
): Promise<{ segments: Segment[]; medium: Medium }> {
  const told = new Map<Segment, Medium>()
  for (const segment of segments) {
    const medium = await readMedium(segment)
    if (medium) told.set(segment, medium)
  }
  const given = segments.find(({ source }) => source === file)
  const setId = (given && told.get(given))?.setId ?? [...told.values()].find((each) => each.setId)?.setId
  const isOther = (segment: Segment) => ![undefined, setId].includes(told.get(segment)?.setId)
  const own = upToLast(segments, isOther, nameOf, remarks)
  const media = own.flatMap((segment) => told.get(segment) ?? [])
  const medium = mostTrusted(media)
  if (!medium) throw new FormatError(`${file.name}: no volume section: nothing says what is in its chunks`)
  if (medium.checksum === 'wrong')
    remarks.push('what it says about the medium does not hold its checksum, and there is no other copy')
  if (media.some(({ size, chunkSize }) => size !== medium.size || chunkSize !== medium.chunkSize))
    remarks.push('its segments say different things about the size of the medium')
  return { segments: own, medium }
}

/** The tables of all segments in their order. */
async function gather(
  segments: readonly Segment[],
  { nameOf }: SegmentSet<Segment>,
  remarks: string[],
): Promise<readonly (Table | 'gap')[]> {
  const parts: (Table | 'gap')[] = []
  let expected = 1
  for (const segment of segments) {
    if (segment.number > expected) parts.push('gap')
    const tables = await readTables(segment)
    parts.push(...tables.parts)
    remarks.push(...tables.remarks)
    expected = segment.number + 1
  }
  const last = segments.at(-1)
  if (last?.ending === 'next') parts.push('gap')
  for (const segment of segments)
    if (segment.ending === 'done' && segment !== last)
      remarks.push(`${nameOf(segment.number)} says to be the last segment`)
  return parts
}
