import type { ByteSource, Bytes } from '../byte-source.js'
import { mostStored } from '../ewf/chunk-form.js'
import type { StoredChunk } from '../ewf/chunk-map.js'
import { checksumOf } from '../ewf/structs.js'
import type { LoadedEntries, NumberedTable } from '../ewf/table-map.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import { type Ex01Segment, hex } from './sections.js'
import { CHUNK_FLAG, decodeTableEntry, decodeTableHeader, SIZES } from './structs.js'

/** Most entries of one table that are read; EnCase writes some 1600. */
const MOST_READ = 1 << 20

/** A sector table: it says itself with which chunk it begins. */
export interface SectorTable extends NumberedTable {
  /** Where its entries stand. */
  readonly entries: bigint
}

/** The tables of a set, ascending, without those that overlap others or lie behind the medium. */
export async function readTables(
  segments: readonly Ex01Segment[],
  chunks: number,
): Promise<{ readonly tables: readonly SectorTable[]; readonly remarks: readonly string[] }> {
  const found: SectorTable[] = []
  const remarks: string[] = []
  for (const { source, sections } of segments)
    for (const { type, offset, body, length } of sections) {
      if (type !== 'sector table') continue
      const table = await readTable(source, offset, body, length)
      if (!table) remarks.push(`${source.name}: the sector table at ${hex(offset)} is damaged`)
      else if (table.first + table.count > chunks)
        remarks.push(`${source.name}: the sector table at ${hex(offset)} passes the end of the medium`)
      else if (table.count > 0) found.push(table)
    }
  const tables: SectorTable[] = []
  let end = 0
  for (const table of found.sort((a, b) => a.first - b.first)) {
    if (table.first < end)
      remarks.push(
        `${table.source.name}: the sector table at ${hex(table.offset)} has chunks that another one has, and is left out`,
      )
    else {
      tables.push(table)
      end = table.first + table.count
    }
  }
  return { tables, remarks }
}

async function readTable(
  source: ByteSource,
  offset: bigint,
  body: bigint,
  length: bigint,
): Promise<SectorTable | undefined> {
  const { arrayHeader, tableEntry, checksum } = SIZES
  if (length < BigInt(arrayHeader)) return undefined
  const header = decodeTableHeader(await source.read(body, arrayHeader))
  const count = header.entries
  const sensible =
    header.checksum === 'right' && count <= MOST_READ && header.first <= BigInt(Number.MAX_SAFE_INTEGER)
  if (!sensible || BigInt(arrayHeader + count * tableEntry + checksum) > length) return undefined
  return { source, offset, first: Number(header.first), count, entries: body + BigInt(arrayHeader) }
}

/** The entries of a table, and whether they hold their checksum. */
export async function readEntries({ source, entries, count, offset }: SectorTable): Promise<LoadedEntries> {
  const length = count * SIZES.tableEntry
  const bytes: Bytes = Uint8Array.from(await source.read(entries, length + SIZES.checksum))
  if (bytes.length < length + SIZES.checksum)
    throw new FormatError(`${source.name}: a sector table past the end of the file`, offset)
  return { bytes, sound: checksumOf(bytes, length) === 'right' }
}

/**
 * Where a chunk is stored.
 * @param index in its table
 * @throws {FormatError} where its entry leads elsewhere, or its content would rest on a damaged entry alone
 */
export function placeOf(
  table: SectorTable,
  { bytes, sound }: LoadedEntries,
  index: number,
  chunkSize: number,
): StoredChunk {
  const entry = index * SIZES.tableEntry
  const { offset, size, flags } = decodeTableEntry(bytes, entry)
  const wrong = (what: string) =>
    new FormatError(
      `${table.source.name}: the sector table at ${hex(table.offset)} has its chunk ${index} ${what}`,
      table.entries + BigInt(entry),
    )
  const compressed = (flags & CHUNK_FLAG.compressed) !== 0
  const pattern = compressed && (flags & CHUNK_FLAG.pattern) !== 0
  const checked = !pattern && (compressed || (flags & CHUNK_FLAG.checksummed) !== 0)
  if (!checked && !sound) throw wrong('in a damaged entry, and no checksum of its own')
  // What is repeated stands where other entries have the offset.
  if (pattern) return { offset: Number(table.entries) + entry, length: PATTERN_SIZE, form: 'pattern' }
  if (offset < BigInt(SIZES.fileHeader) || offset + BigInt(size) > table.source.size) throw wrong('outside')
  if (compressed) {
    if (size > mostStored(chunkSize)) throw wrong(`in ${size} bytes`)
    return { offset: Number(offset), length: size, form: 'zlib' }
  }
  // Whether the checksum behind it is counted is told nowhere.
  const room = Number(min(BigInt(chunkSize + SIZES.checksum), table.source.size - offset))
  const form = checked ? 'plain' : 'bare'
  return { offset: Number(offset), length: form === 'plain' ? room : Math.min(size, room), form }
}

const PATTERN_SIZE = 8
