import { asDataView } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { mostStored } from './chunk-form.js'
import type { StoredChunk } from './chunk-map.js'
import { type PlacedSection, readBody, type Segment } from './sections.js'
import { checksumOf, decodeTableHeader, ENTRY_COMPRESSED, ENTRY_OFFSET, SIZES } from './structs.js'

/** Most entries of one table that are read; programs write 65534. */
const MOST_READ = 1 << 20
/** Beyond, offsets of entries do not fit. */
const REACH = BigInt(ENTRY_OFFSET) + 1n

/** A table of chunks, and its copy. */
export interface Table {
  readonly source: ByteSource
  readonly count: number
  /** Of its descriptor. */
  readonly offset: bigint
  /** Where its entries stand, and where those of its copy do. */
  readonly entries: readonly bigint[]
  /** What the offsets of its entries count from. */
  readonly base: bigint
  /** Where the chunks lie. */
  readonly start: bigint
  readonly end: bigint
}

/** The entries of a table. */
export interface Entries {
  readonly bytes: Bytes
  /** From this one on all 32 bits are the offset, and no chunk is compressed: EnCase 6.7 in files beyond 2 GiB. */
  readonly wide: number
  /** Whether they hold their checksum. */
  readonly sound: boolean
}

/** What a segment has of tables: in their order, with `gap` for chunks without any. */
export interface SegmentTables {
  readonly parts: readonly (Table | 'gap')[]
  readonly remarks: readonly string[]
}

/** The tables of a segment. */
export async function readTables(segment: Segment): Promise<SegmentTables> {
  const parts: (Table | 'gap')[] = []
  const remarks: string[] = []
  let sectors: PlacedSection | undefined
  /** Whether the chunks of `sectors` have no table yet. */
  let waiting = false
  for (const [index, section] of segment.sections.entries()) {
    if (section.type === 'sectors') {
      if (waiting) parts.push('gap')
      sectors = section
      waiting = true
    }
    const before = segment.sections[index - 1]
    const isCopy = section.type === 'table2' && before?.type === 'table'
    if ((section.type !== 'table' && section.type !== 'table2') || isCopy) continue
    const after = segment.sections[index + 1]
    const copy = section.type === 'table' && after?.type === 'table2' ? [after] : []
    const table = await readTable(segment, [section, ...copy], sectors)
    if (!table) {
      const where = `${segment.source.name}: the table at 0x${section.offset.toString(16)}`
      remarks.push(`${where} is damaged${copy.length > 0 ? ', and its copy, too' : ''}`)
    }
    parts.push(table ?? 'gap')
    waiting = false
  }
  if (waiting || segment.cut !== undefined) parts.push('gap')
  return { parts, remarks }
}

/** @param sections the table and its copy @param sectors where its chunks are; behind the entries without it */
async function readTable(
  segment: Segment,
  sections: readonly PlacedSection[],
  sectors: PlacedSection | undefined,
): Promise<Table | undefined> {
  const found = []
  for (const section of sections) {
    const bytes = await readBody(segment, section, SIZES.tableHeader)
    if (bytes.length < SIZES.tableHeader) continue
    const { entries: count, base, checksum } = decodeTableHeader(bytes)
    const entries = section.body + BigInt(SIZES.tableHeader)
    const end = entries + BigInt(count * SIZES.tableEntry)
    if (checksum !== 'wrong' && end <= section.end && count <= MOST_READ)
      found.push({ count, base, entries, end, section, right: checksum === 'right' })
  }
  const best = found.find(({ right }) => right) ?? found[0]
  if (!best) return undefined
  const alike = found.filter(({ count, base }) => count === best.count && base === best.base)
  return {
    source: segment.source,
    count: best.count,
    offset: best.section.offset,
    entries: alike.map(({ entries }) => entries),
    base: best.base,
    start: sectors ? sectors.body : best.end,
    end: sectors ? sectors.end : best.section.end,
  }
}

/** The entries of a table, or of its copy where only that one holds its checksum. */
export async function readEntries(table: Table): Promise<Entries> {
  const length = table.count * SIZES.tableEntry
  let first: Bytes | undefined
  for (const place of table.entries) {
    const bytes = Uint8Array.from(await table.source.read(place, length + SIZES.checksum))
    if (bytes.length < length) continue
    if (bytes.length >= length + SIZES.checksum && checksumOf(bytes, length) === 'right')
      return entriesOf(table, bytes, true)
    first ??= bytes
  }
  if (!first) throw new FormatError(`${table.source.name}: a table past the end of the file`, table.offset)
  // The original format has none: there the chunks begin.
  const bare = table.base + BigInt(offsetIn(first, 0)) === table.entries[0]! + BigInt(length)
  return entriesOf(table, first, bare)
}

function entriesOf({ count, base, end }: Table, bytes: Bytes, sound: boolean): Entries {
  let wide = count
  if (end - base > REACH)
    for (let i = 1; i < wide; i++) {
      const before = offsetIn(bytes, i - 1)
      if (offsetIn(bytes, i) < before && rawEntry(bytes, i) > before) wide = i
    }
  return { bytes, wide, sound }
}

/**
 * Where a chunk is stored.
 * @param index in its table
 * @throws {FormatError} where its entry leads elsewhere
 */
export function placeOf(table: Table, entries: Entries, index: number, chunkSize: number): StoredChunk {
  const offset = table.base + BigInt(relativeOffset(entries, index))
  if (offset < table.start || offset >= table.end)
    throw new FormatError(
      `${table.source.name}: the table at 0x${table.offset.toString(16)} has its chunk ${index} outside`,
      offset,
    )
  const next = index + 1 < table.count ? table.base + BigInt(relativeOffset(entries, index + 1)) : table.end
  const end = next > offset && next <= table.end ? next : table.end
  const compressed = index < entries.wide && rawEntry(entries.bytes, index) >= ENTRY_COMPRESSED
  return {
    offset: Number(offset),
    length: Math.min(Number(end - offset), mostStored(chunkSize)),
    form: compressed ? 'zlib' : 'plain',
  }
}

const relativeOffset = ({ bytes, wide }: Entries, index: number): number =>
  index < wide ? offsetIn(bytes, index) : rawEntry(bytes, index)

const rawEntry = (bytes: Bytes, index: number): number =>
  asDataView(bytes).getUint32(index * SIZES.tableEntry, true)
const offsetIn = (bytes: Bytes, index: number): number => rawEntry(bytes, index) % ENTRY_COMPRESSED
