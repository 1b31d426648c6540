import type { ByteSource } from '../../byte-source.js'
import type { Filetime } from '../filetime.js'
import { NtfsError, type Report } from '../finding.js'
import { readBlockList, type StoreBlocks } from './block-list.js'
import { type CatalogEntry, readCatalog, STORE_FLAG } from './catalog.js'
import { BLOCK_SIZE } from './metadata-block.js'
import { type ShadowParts, shadowSource } from './shadow-source.js'
import { readStoreHeader, type StoreHeader } from './store-header.js'
import { readUnusedBlocks } from './unused-blocks.js'
import { readVolumeHeader } from './volume-header.js'

/** A volume as it was at some time. */
export interface ShadowCopy {
  /** 1 is the oldest. */
  readonly index: number
  /** GUID of its store. */
  readonly id: string
  readonly created: Filetime
  /** Of the volume then, in bytes. */
  readonly size: bigint
  /** STORE_FLAG and others. */
  readonly flags: bigint
  /** Deleted; it can be read as long as its store is not overwritten. */
  readonly offline: boolean
  /** Undefined where it is damaged. */
  readonly header: StoreHeader | undefined
  /** Its bytes, read through those of the volume as it is now. Closing it leaves the volume open. */
  open(): ByteSource
}

/** The driver makes copies of volumes of 64 TiB at most. */
const LARGEST_VOLUME = 1n << 46n
const NO_BITS = new Uint8Array(0)

/**
 * Lists the shadow copies of a volume, oldest first, those among them that Windows no longer lists.
 * @param volume as it is now, from its boot sector on
 * @param report told what is wrong with them, now and as they are read
 */
export async function listShadowCopies(volume: ByteSource, report: Report): Promise<ShadowCopy[]> {
  const header = await readVolumeHeader(volume, report)
  if (header === undefined || header.catalogOffset === 0n) return []
  if (header.storageId !== header.volumeId) {
    report({
      message: `the shadow copies are on another volume, ${header.storageId}, and are not read`,
      offset: header.catalogOffset,
    })
    return []
  }
  const entries = await readCatalog(volume, header.catalogOffset, report)
  const lists = entries.map((entry, index) => once(() => loadBlocks(volume, entry, index, report)))
  const copies: ShadowCopy[] = []
  for (const [at, { id, created, volumeSize, flags, position, location }] of entries.entries()) {
    const index = at + 1
    if (at > 0 && entries[at - 1]!.position === position)
      report({ message: `shadow copies ${at} and ${index} claim the same position, and are ordered by time` })
    const parts = once(() => loadParts(volume, entries, lists, at, report))
    copies.push({
      index,
      id,
      created,
      size: volumeSize,
      flags,
      offline: (flags & STORE_FLAG.offline) !== 0n,
      header: location?.header ? await readStoreHeader(volume, location.header, report) : undefined,
      open: () => shadowSource(volume, `${volume.name}, shadow copy ${index}`, volumeSize, parts),
    })
  }
  return copies
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

async function loadParts(
  volume: ByteSource,
  entries: readonly CatalogEntry[],
  lists: readonly (() => Promise<StoreBlocks>)[],
  at: number,
  report: Report,
): Promise<ShadowParts> {
  const { volumeSize, flags, location } = entries[at]!
  if (volumeSize > LARGEST_VOLUME)
    throw new NtfsError(`shadow copy ${at + 1} claims to be of a volume of ${volumeSize} bytes`)
  const stores: (StoreBlocks | Error)[] = []
  for (const list of lists.slice(at)) stores.push(await list().catch((error: unknown) => error as Error))
  const blockCount = Math.ceil(Number(volumeSize) / BLOCK_SIZE)
  const unused =
    flags & STORE_FLAG.zeroUnused && location !== undefined
      ? await readUnusedBlocks(volume, location, blockCount, report)
      : NO_BITS
  return { stores, unused }
}

async function loadBlocks(
  volume: ByteSource,
  { location }: CatalogEntry,
  at: number,
  report: Report,
): Promise<StoreBlocks> {
  if (location === undefined)
    throw new NtfsError(`the catalog does not say where the store of shadow copy ${at + 1} lies`)
  return readBlockList(volume, location.blockList, report)
}
