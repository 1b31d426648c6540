import type { Run } from '../address-space.js'
import type { Bytes } from '../byte-source.js'
import { min } from '../min-max.js'
import { MAP_ENTRY_SIZE, type PackedEntry, readMapEntry, writeMapEntry } from './map.js'

const ENTRIES_PER_BLOCK = 1 << 15
/** The first block grows: a volume may have as many maps as files. */
const FIRST_ENTRIES = 1 << 6

/** Entries of a map in their stored form: millions of them cost 28 bytes each. */
export interface MapEntries {
  readonly count: number
  /** They ascend and don't overlap. */
  readonly sorted: boolean
  /** Where the last byte ends. */
  readonly end: bigint
  /** Appends an entry, or lengthens the last one where it continues that. */
  add(offset: bigint, length: bigint, targetOffset: bigint, targetId: number): void
  at(index: number): PackedEntry
  /** The stored form from an entry on: views, valid until the next change. */
  bytes(from?: number): Bytes[]
}

export function createMapEntries(): MapEntries {
  const blocks: DataView[] = []
  /** Entries that the blocks have room for. */
  let capacity = 0
  let count = 0
  let sorted = true
  let end = 0n
  /** Of the last entry: its length, where it and its target end, and its target. */
  let length = 0n
  let mapEnd = 0n
  let targetEnd = -1n
  let targetId = -1

  function grow(): void {
    const first = capacity < ENTRIES_PER_BLOCK ? blocks.pop() : undefined
    const entries = first ? 2 * capacity : capacity === 0 ? FIRST_ENTRIES : ENTRIES_PER_BLOCK
    const block = Buffer.allocUnsafeSlow(entries * MAP_ENTRY_SIZE)
    if (first) block.set(new Uint8Array(first.buffer))
    blocks.push(new DataView(block.buffer))
    capacity += first ? capacity : entries
  }

  const viewOf = (index: number) => blocks[Math.floor(index / ENTRIES_PER_BLOCK)]!
  const placeOf = (index: number) => (index % ENTRIES_PER_BLOCK) * MAP_ENTRY_SIZE

  return {
    get count() {
      return count
    },
    get sorted() {
      return sorted
    },
    get end() {
      return end
    },
    add(offset, more, targetOffset, id) {
      if (offset === mapEnd && id === targetId && targetOffset === targetEnd && count > 0) {
        length += more
        viewOf(count - 1).setBigUint64(placeOf(count - 1) + 8, length, true)
      } else {
        if (offset < mapEnd) sorted = false
        if (count === capacity) grow()
        length = more
        writeMapEntry(viewOf(count), placeOf(count), { offset, length, targetOffset, targetId: id })
        targetId = id
        count++
      }
      mapEnd = offset + more
      targetEnd = targetOffset + more
      if (mapEnd > end) end = mapEnd
    },
    at: (index) => readMapEntry(viewOf(index), placeOf(index)),
    bytes(from = 0) {
      const pieces: Bytes[] = []
      for (let index = from; index < count; ) {
        const block = viewOf(index)
        const next = Math.min(count, (Math.floor(index / ENTRIES_PER_BLOCK) + 1) * ENTRIES_PER_BLOCK)
        pieces.push(new Uint8Array(block.buffer, placeOf(index), (next - index) * MAP_ENTRY_SIZE))
        index = next
      }
      return pieces
    },
  }
}

/**
 * The same entries in ascending order. Of two that overlap the one that begins first is kept whole, and what
 * it covers is cut from the other; `cut` are those ranges.
 */
export function sortEntries(entries: MapEntries): { entries: MapEntries; cut: Run[] } {
  if (entries.sorted) return { entries, cut: [] }
  const offsets = new BigUint64Array(entries.count)
  for (let index = 0; index < offsets.length; index++) offsets[index] = entries.at(index).offset
  const order = Uint32Array.from(offsets, (_, index) => index).sort((a, b) =>
    offsets[a]! < offsets[b]! ? -1 : offsets[a]! > offsets[b]! ? 1 : a - b,
  )
  const result = createMapEntries()
  const cut: Run[] = []
  for (const index of order) {
    const { offset, length, targetOffset, targetId } = entries.at(index)
    const covered = result.end > offset ? result.end - offset : 0n
    if (covered > 0n) cut.push({ start: offset, length: min(covered, length) })
    if (covered < length) result.add(offset + covered, length - covered, targetOffset + covered, targetId)
  }
  return { entries: result, cut }
}

/** The ranges that sorted entries cover, touching ones joined. */
export function entryRuns(entries: MapEntries): Run[] {
  const runs: { start: bigint; length: bigint }[] = []
  let end = -1n
  for (let index = 0; index < entries.count; index++) {
    const { offset, length } = entries.at(index)
    if (offset === end) runs.at(-1)!.length += length
    else runs.push({ start: offset, length })
    end = offset + length
  }
  return runs
}
