import { firstIndex } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { ChunkMap, StoredChunk } from './chunk-map.js'

/** Entries that are kept at hand. */
const CACHED_BYTES = 8 << 20

/** A table whose chunks have their place in the medium. */
export interface NumberedTable {
  readonly source: ByteSource
  readonly first: number
  readonly count: number
  /** Of its descriptor. */
  readonly offset: bigint
}

export interface LoadedEntries {
  readonly bytes: Uint8Array
  /** Whether they hold their checksum. */
  readonly sound: boolean
}

export interface TableMap<T extends NumberedTable, E extends LoadedEntries> {
  /** Of the medium, in bytes. */
  readonly size: bigint
  readonly chunkSize: number
  readonly sectorSize: number
  /** Ascending, not overlapping. */
  readonly tables: readonly T[]
  /** @throws {FormatError} where they are not there */
  readEntries(table: T): Promise<E>
  /** @throws {FormatError} where the entry leads elsewhere */
  placeOf(table: T, entries: E, index: number, chunkSize: number): StoredChunk
  /** Told of a table that is read although neither it nor its copy hold their checksum. */
  warn(message: string): void
}

/** Tells where chunks are stored by tables, whose entries are loaded as they are needed. */
export function openTableMap<T extends NumberedTable, E extends LoadedEntries>(
  map: TableMap<T, E>,
): ChunkMap {
  const { size, chunkSize, sectorSize, tables, warn } = map
  const loaded = new Map<T, E>()
  const warned = new Set<T>()
  let bytes = 0

  async function entriesOf(table: T): Promise<E> {
    const cached = loaded.get(table)
    if (cached) return cached
    const entries = await map.readEntries(table)
    if (!entries.sound && !warned.has(table)) {
      warned.add(table)
      const where = `${table.source.name}: the table at 0x${table.offset.toString(16)}`
      warn(`${where} does not hold its checksum, nor does any copy: the checksum of each chunk is compared`)
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

  /** Undefined where its entry leads elsewhere: that is told when it is its turn. */
  function placed(table: T, entries: E, index: number): StoredChunk | undefined {
    try {
      return map.placeOf(table, entries, index, chunkSize)
    } catch {
      return undefined
    }
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
      const chunks: StoredChunk[] = [map.placeOf(table, entries, within, chunkSize)]
      for (let at = within + 1; at < last; at++) {
        const chunk = placed(table, entries, at)
        // Patterns stand in the table, far from other chunks.
        if (!chunk || (chunk.form === 'pattern') !== (chunks[0]!.form === 'pattern')) break
        chunks.push(chunk)
      }
      return { source: table.source, chunks }
    },
  }
}
