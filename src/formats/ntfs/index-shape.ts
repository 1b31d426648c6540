import { type NtfsIndex, readBlockBitmap, testBit } from './index.js'
import { readThroughWindows } from './index-block-reader.js'
import type { IndexEntry } from './index-entry.js'
import { follow, type Visited } from './index-walk.js'

/** What a tree looks like from above, and how far its $BITMAP agrees with it. */
export interface IndexShape {
  /** Levels of nodes that can be reached; an index that has nothing but its root has 1. */
  readonly levels: number
  /** Entries with keys, in nodes that can be reached. */
  readonly entries: number
  /** Bytes of a block. */
  readonly blockSize: number
  /** Blocks of $INDEX_ALLOCATION. */
  readonly blocks: number
  /** Those that the tree leads to. */
  readonly reached: number
  /** Those in use by $BITMAP; undefined: it does not say. */
  readonly inUse: number | undefined
  /** In use by $BITMAP, and no branch leads there. */
  readonly unreached: number
  /** A branch leads there, and $BITMAP says that they are free. */
  readonly reachedFree: number
}

/** Visits every node once, level by level. What is wrong with the tree is complained about. */
export async function measureIndex(index: NtfsIndex): Promise<IndexShape> {
  const visited = createBlockSet(index.blockCount)
  const read = readThroughWindows(index)
  const root = index.root.node.entries
  let entries = countKeys(root)
  let levels = 1
  let reached = 0
  for (let level = childrenOf(root), depth = 1; level.length > 0; depth++) {
    const below: number[] = []
    for (const vcn of level) {
      const node = await follow(index, vcn, depth, visited, read)
      if (!node) continue
      levels = depth + 1
      reached++
      entries += countKeys(node)
      for (const child of childrenOf(node)) below.push(child)
    }
    level = below
  }
  return { levels, entries, blockSize: index.blockSize, reached, ...(await compareBitmap(index, visited)) }
}

async function compareBitmap(index: NtfsIndex, visited: Visited) {
  const blocks = index.blockCount
  const bitmap = await readBlockBitmap(index)
  if (!bitmap) return { blocks, inUse: undefined, unreached: 0, reachedFree: 0 }
  let [inUse, unreached, reachedFree] = [0, 0, 0]
  for (let block = 0; block < blocks; block++) {
    const used = testBit(bitmap, block) === true
    if (used) inUse++
    if (used !== visited.has(block)) {
      if (used) unreached++
      else reachedFree++
    }
  }
  return { blocks, inUse, unreached, reachedFree }
}

/** Numbers below `count`, a bit each. */
function createBlockSet(count: number): Visited {
  const bits = new Uint8Array(Math.ceil(count / 8))
  return {
    has: (block) => testBit(bits, block) === true,
    add: (block) => {
      bits[block >>> 3]! |= 1 << (block & 7)
    },
  }
}

const countKeys = (entries: readonly IndexEntry[]) => entries.filter(({ keyLength }) => keyLength > 0).length
const childrenOf = (entries: readonly IndexEntry[]): number[] =>
  entries.flatMap(({ child }) => (child === undefined ? [] : [child]))
