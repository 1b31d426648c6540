import { firstIndex } from '../address-space.js'
import { FormatError } from '../format-error.js'
import type { ChunkMap, StoredChunk } from './chunk-map.js'
import type { PlacedTable } from './layout.js'
import { type Entries, placeOf, readEntries } from './tables.js'

/** Entries that are kept at hand. */
const CACHED_BYTES = 8 << 20

export interface TableMap {
  /** Of the medium, in bytes. */
  readonly size: bigint
  readonly chunkSize: number
  readonly sectorSize: number
  readonly tables: readonly PlacedTable[]
  /** Told of a table that is read although neither it nor its copy hold their checksum. */
  warn(message: string): void
}

/** Tells where chunks are stored by tables, whose entries are loaded as they are needed. */
export function openTableMap({ size, chunkSize, sectorSize, tables, warn }: TableMap): ChunkMap {
  const loaded = new Map<PlacedTable, Entries>()
  const warned = new Set<PlacedTable>()
  let bytes = 0

  async function entriesOf(table: PlacedTable): Promise<Entries> {
    const cached = loaded.get(table)
    if (cached) return cached
    const entries = await readEntries(table)
    if (!entries.sound && !warned.has(table)) {
      warned.add(table)
      const where = `${table.source.name}: the table at 0x${table.offset.toString(16)}`
      warn(`${where} does not hold its checksum, nor does a copy: the checksum of each chunk is compared`)
    }
    loaded.set(table, entries)
    bytes += entries.bytes.length
    for (const [oldest, old] of loaded) {
      if (bytes <= CACHED_BYTES || oldest === table) break
      loaded.delete(oldest)
      bytes -= old.bytes.length
    }
    return entries
  }

  function describe(chunk: number): string {
    const start = BigInt(chunk) * BigInt(chunkSize)
    const end = start + BigInt(chunkSize) < size ? start + BigInt(chunkSize) : size
    const sector = BigInt(sectorSize)
    return `sectors ${start / sector} to ${(end + sector - 1n) / sector - 1n}`
  }

  return {
    size,
    chunkSize,
    describe,
    async locate(first, most) {
      const index = firstIndex(tables.length, (at) => tables[at]!.first > first) - 1
      const table = tables[index]
      const within = first - (table?.first ?? 0)
      if (!table || within >= table.count)
        throw new FormatError(`${describe(first)} are not in the files that are there`)
      const entries = await entriesOf(table)
      const last = Math.min(within + most, table.count)
      const chunks: StoredChunk[] = [placeOf(table, entries, within, chunkSize)]
      for (let at = within + 1; at < last; at++) {
        const chunk = placed(table, entries, at, chunkSize)
        if (!chunk) break
        chunks.push(chunk)
      }
      return { source: table.source, chunks }
    },
  }
}

/** Undefined where its entry leads elsewhere: that is told when it is its turn. */
function placed(table: PlacedTable, entries: Entries, index: number, chunkSize: number) {
  try {
    return placeOf(table, entries, index, chunkSize)
  } catch {
    return undefined
  }
}
