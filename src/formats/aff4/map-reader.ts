import { crc32 } from 'node:zlib'
import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Member } from './container.js'
import { aff4 } from './lexicon.js'
import {
  decodeIdx,
  idxUrn,
  MAP_ENTRY_SIZE,
  mapUrn,
  readMapEntry,
  readMapEntry2015,
  symbolicContent,
} from './map.js'
import { createMapEntries, type MapEntries, sortEntries } from './map-entries.js'
import type { SymbolicContent } from './symbolic.js'
import type { Volume } from './volume.js'

/** 38 million entries. */
const LARGEST_MAP = 1n << 30n
const LARGEST_IDX = 64n << 20n
const BLOCK = MAP_ENTRY_SIZE << 15
/** Maps say where bytes lie in 64 bits. */
const ADDRESS_LIMIT = 1n << 64n

/** A map as it was read: entries in order, each of a target of `targets`. */
export interface LoadedMap {
  readonly size: bigint
  /** What no entry covers reads as this. */
  readonly gap: SymbolicContent
  readonly targets: readonly string[]
  readonly entries: MapEntries
}

/**
 * Loads a map.
 * @throws {FormatError} with the entry when one leaves the map or the address space, overlaps another, or has
 *   no target
 */
export async function loadMap(volume: Volume, urn: string): Promise<LoadedMap> {
  const { graph } = volume
  const refuse = (why: string): never => {
    throw new FormatError(`${volume.name}: map ${urn}: ${why}`)
  }
  const points = volume.find(mapUrn(urn))
  const declared = graph.integer(urn, aff4('size'))
  if (!points && declared !== 0n) refuse('its entries are not in the volume')
  const targets = await loadIdx(volume, urn)
  const entries = createMapEntries()
  if (points) await readEntries(volume, points, entries, targets.length, refuse)
  const { entries: sorted, cut } = sortEntries(entries)
  if (cut[0]) refuse(`ranges overlap at 0x${cut[0].start.toString(16)}`)
  const size = declared ?? sorted.end
  if (sorted.end > size) refuse(`an entry ends at ${sorted.end}, behind the map's size of ${size}`)
  const gapStream = graph.value(urn, aff4('mapGapDefaultStream')) ?? aff4('Zero')
  const gap = symbolicContent(gapStream) ?? refuse(`gaps are ${gapStream}, which is not known`)
  return { size, gap, targets, entries: sorted }
}

/** The targets of a map, symbolic ones among them; none where it has no `idx`. */
export async function loadIdx(volume: Volume, map: string): Promise<string[]> {
  const idx = volume.find(idxUrn(map))
  return idx ? decodeIdx(await volume.read(idx, LARGEST_IDX)) : []
}

async function readEntries(
  volume: Volume,
  member: Member,
  entries: MapEntries,
  targetCount: number,
  refuse: (why: string) => never,
): Promise<void> {
  if (member.size > LARGEST_MAP || member.size % BigInt(MAP_ENTRY_SIZE) !== 0n)
    refuse(`entries of ${member.size} bytes`)
  const source = await volume.open(member)
  const readEntry = volume.dialect.mapEntry === 'length-first' ? readMapEntry : readMapEntry2015
  let crc = 0
  for (let done = 0n; done < source.size; done += BigInt(BLOCK)) {
    const block: Bytes = await source.read(done, BLOCK)
    crc = crc32(block, crc)
    const view = asDataView(block)
    for (let at = 0; at < block.length; at += MAP_ENTRY_SIZE) {
      const { offset, length, targetOffset, targetId } = readEntry(view, at)
      const where = () => `entry ${done / BigInt(MAP_ENTRY_SIZE) + BigInt(at / MAP_ENTRY_SIZE)}`
      if (targetId >= targetCount) refuse(`${where()} has target ${targetId} of ${targetCount}`)
      if (offset + length > ADDRESS_LIMIT || targetOffset + length > ADDRESS_LIMIT)
        refuse(`${where()} leaves the address space`)
      if (length > 0n) entries.add(offset, length, targetOffset, targetId)
    }
  }
  if (member.crc !== undefined && crc !== member.crc) refuse('CRC of its entries does not match')
}
