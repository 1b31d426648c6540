import { asDataView } from '../../../codecs/views.js'
import type { ByteSource } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { textWithName } from '../content-name.js'
import {
  decodeIdx,
  MAP_ENTRY_SIZE,
  readMapEntry,
  readMapEntry2015,
  symbolicContent,
  symbolicUrn,
} from '../map.js'
import { createMapEntries, type MapEntries, sortEntries } from '../map-entries.js'
import { contentOf, type FoundMap } from './catalogue.js'
import type { FoundMember } from './scan.js'

/** What is known of where the bytes of a map are. */
export interface RestoredMap {
  /** Undefined for a line that is lost. */
  readonly targets: readonly string[]
  /** In order, not overlapping. */
  readonly entries: MapEntries
  /** It is the map as it was finished, not what was known of it at some time before. */
  readonly finished: boolean
  /** Entries that contradict others, or leave the address space. */
  readonly refused: number
}

const LARGEST_MAP = 1n << 30n
const LARGEST_IDX = 64n << 20n
const ADDRESS_LIMIT = 1n << 64n
const BLOCK = MAP_ENTRY_SIZE << 15

/**
 * @param targetFirst entries are those of the suite of 2015
 * @param urn of the volume
 * @returns undefined when nothing is known
 */
export async function restoreMap(
  source: ByteSource,
  map: FoundMap,
  targetFirst: boolean,
  urn: string,
): Promise<RestoredMap | undefined> {
  const { points, idx } = map
  const finished = points?.state === 'whole' && idx?.state === 'whole'
  const members = finished
    ? { points: [points], targets: await readIdx(source, idx, urn) }
    : await checkpointsOf(source, map, urn)
  if (members.points.length === 0) return undefined
  const read = targetFirst ? readMapEntry2015 : readMapEntry
  const entries = createMapEntries()
  let refused = 0
  for (const member of members.points) {
    if (member.size! > LARGEST_MAP) continue
    for (let done = 0n; done < member.available; done += BigInt(BLOCK)) {
      const left = member.available - done
      const block = await source.read(member.start + done, clipLength(BLOCK, left))
      const view = asDataView(block)
      for (let at = 0; at + MAP_ENTRY_SIZE <= block.length; at += MAP_ENTRY_SIZE) {
        const { offset, length, targetOffset, targetId } = read(view, at)
        if (offset + length > ADDRESS_LIMIT || targetOffset + length > ADDRESS_LIMIT) refused++
        else if (length > 0n) entries.add(offset, length, targetOffset, targetId)
      }
    }
  }
  const { entries: sorted, cut } = sortEntries(entries)
  return {
    targets: members.targets.map(standardTarget),
    entries: sorted,
    finished: finished ?? false,
    refused: refused + cut.length,
  }
}

/** The pieces that were written ahead, up to the first one of which the targets are not known. */
async function checkpointsOf(
  source: ByteSource,
  { checkpoints }: FoundMap,
  urn: string,
): Promise<{ points: FoundMember[]; targets: string[] }> {
  const points: FoundMember[] = []
  const targets: string[] = []
  let numbered = true
  for (const [number, checkpoint] of [...checkpoints].sort(([a], [b]) => a - b)) {
    // Lines count on from one piece to the next: behind one that is lost no number means anything.
    numbered &&=
      number === points.length && checkpoint.idx?.state !== 'damaged' && checkpoint.idx?.state !== 'cut'
    if (numbered && checkpoint.idx) targets.push(...(await readIdx(source, checkpoint.idx, urn)))
    if (checkpoint.points?.state === 'whole') points.push(checkpoint.points)
    else numbered = false
  }
  return { points, targets }
}

/** Symbolic streams have had other names before the Standard. */
function standardTarget(target: string): string {
  const content = symbolicContent(target)
  return content === undefined ? target : symbolicUrn(content)
}

async function readIdx(source: ByteSource, idx: FoundMember, urn: string): Promise<string[]> {
  const bytes = await contentOf(source, idx, LARGEST_IDX)
  return bytes ? decodeIdx(bytes).map((target) => textWithName(target, urn)) : []
}
