import type { ByteSource } from '../../byte-source.js'
import { formatGuid } from '../../guid.js'
import type { Filetime } from '../filetime.js'
import type { Report } from '../finding.js'
import { BLOCK_TYPE, readChain } from './metadata-block.js'

/*
 * Entries of 128 bytes, in any order. Two make a store, one of each kind with its GUID:
 *
 *   what it is                      where it lies
 *      0  4  2                         0  4  3
 *      8  8  size of the volume        8  8  offset of the block list
 *     16 16  GUID of the store        16 16  GUID of the store
 *     32  8  position in the stack    32  8  offset of the store header
 *     40  8  flags                    40  8  offset of the range list
 *     48  8  creation time            48  8  offset of the bitmap
 *                                     72  8  offset of the previous bitmap
 */
const ENTRY_SIZE = 128
const ENTRY = { end: 0, free: 1, store: 2, location: 3 } as const

/** Windows makes 64 of one volume, and 512 at the very most. */
const MOST_STORES = 4096

export const STORE_FLAG = {
  /** Deleted: no longer listed by Windows. */
  offline: 0x100n,
  /** What was unused when the copy was made reads as zero. */
  zeroUnused: 0x400n,
} as const

/** Offsets on the volume, 0 where there is no such structure. */
export interface StoreLocation {
  readonly blockList: bigint
  readonly header: bigint
  readonly bitmap: bigint
  readonly previousBitmap: bigint
}

export interface CatalogEntry {
  readonly id: string
  readonly volumeSize: bigint
  /** Newer copies have higher ones. */
  readonly position: bigint
  readonly flags: bigint
  readonly created: Filetime
  /** Undefined where the catalog does not say. */
  readonly location: StoreLocation | undefined
}

/** The stores of a volume, oldest first. */
export async function readCatalog(
  source: ByteSource,
  offset: bigint,
  report: Report,
): Promise<CatalogEntry[]> {
  const stores = new Map<string, Omit<CatalogEntry, 'location'>>()
  const locations = new Map<string, StoreLocation>()
  const twice = (kind: string, id: string) =>
    report({ message: `the catalog of the shadow copies has ${kind} ${id} twice: the first counts`, offset })
  const take = (entry: Buffer, type: number) => {
    const id = formatGuid(entry, 16)
    if (type === ENTRY.store) {
      if (stores.has(id)) twice('store', id)
      else if (stores.size < MOST_STORES) stores.set(id, decodeStore(entry, id))
    } else if (type === ENTRY.location) {
      if (locations.has(id)) twice('the location of store', id)
      else if (locations.size < MOST_STORES) locations.set(id, decodeLocation(entry))
    } else if (type !== ENTRY.free)
      report({ message: `the catalog of the shadow copies has an entry of type ${type}`, offset })
  }
  const chain = readChain({ source, type: BLOCK_TYPE.catalog, first: offset, what: 'the catalog', report })
  for await (const payload of chain)
    for (let at = 0; at + ENTRY_SIZE <= payload.length; at += ENTRY_SIZE) {
      const type = payload.readUInt32LE(at)
      if (type === ENTRY.end) break
      take(payload.subarray(at, at + ENTRY_SIZE), type)
    }
  const entries = [...stores.values()].map((store) => ({ ...store, location: locations.get(store.id) }))
  return entries.sort((a, b) => compare(a.position, b.position) || compare(a.created, b.created))
}

const decodeStore = (entry: Buffer, id: string) => ({
  id,
  volumeSize: entry.readBigUInt64LE(8),
  position: entry.readBigUInt64LE(32),
  flags: entry.readBigUInt64LE(40),
  created: entry.readBigInt64LE(48),
})

const decodeLocation = (entry: Buffer): StoreLocation => ({
  blockList: entry.readBigUInt64LE(8),
  header: entry.readBigUInt64LE(32),
  bitmap: entry.readBigUInt64LE(48),
  previousBitmap: entry.readBigUInt64LE(72),
})

const compare = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)
