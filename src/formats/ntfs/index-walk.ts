import { blockOf, type NtfsIndex } from './index.js'
import { decodeIndexBlock } from './index-block.js'
import { type ReadBlock, readSingleBlock, readThroughWindows } from './index-block-reader.js'
import type { IndexEntry } from './index-entry.js'

/** Windows builds trees of four levels at most. */
const DEEPEST = 32

/** A node on the way from the root, and the entry that is next in it. */
interface Step {
  readonly entries: readonly IndexEntry[]
  next: number
  /** Whether the child of that entry has been visited. */
  descended: boolean
}

/** Blocks that have been, by their numbers. */
export interface Visited {
  has(block: number): boolean
  add(block: number): unknown
}

/** All entries in order, those with keys: a batch for every node. */
export const walkIndex = (
  index: NtfsIndex,
  visited = new Set<number>(),
): AsyncGenerator<readonly IndexEntry[]> => traverse(index, visited, readThroughWindows(index))

/**
 * The entries of a range of the order, visiting no more nodes than lead to them.
 * @param place negative for a key before the range, 0 in it, positive behind it
 */
export const findInIndex = (
  index: NtfsIndex,
  place: (entry: IndexEntry) => number,
): AsyncGenerator<readonly IndexEntry[]> => traverse(index, new Set(), readSingleBlock(index), place)

/**
 * What cannot be read, or leads nowhere, is complained about and passed over with what lies below it.
 * @param visited blocks that have been; those of the walk are added
 */
async function* traverse(
  index: NtfsIndex,
  visited: Set<number>,
  read: ReadBlock,
  place: (entry: IndexEntry) => number = () => 0,
): AsyncGenerator<readonly IndexEntry[]> {
  const path: Step[] = [{ entries: index.root.node.entries, next: 0, descended: false }]
  let found: IndexEntry[] = []
  while (path.length > 0) {
    const step = path.at(-1)!
    const entry = step.entries[step.next]
    if (entry === undefined) {
      path.pop()
      if (found.length > 0) yield found
      found = []
      continue
    }
    const where = entry.keyLength === 0 ? 0 : place(entry)
    if (where >= 0 && entry.child !== undefined && !step.descended) {
      step.descended = true
      const entries = await follow(index, entry.child, path.length, visited, read)
      if (entries) path.push({ entries, next: 0, descended: false })
      continue
    }
    if (where > 0) {
      step.next = step.entries.length
      continue
    }
    if (where === 0 && entry.keyLength > 0) found.push(entry)
    step.next++
    step.descended = false
  }
}

/**
 * The entries of the node at a VCN; undefined where the branch leads to none, which is complained about.
 * @param depth of the node above it: 1 for the root
 * @param visited blocks that have been; this one is added
 */
export async function follow(
  index: NtfsIndex,
  vcn: number,
  depth: number,
  visited: Visited,
  read: ReadBlock,
): Promise<readonly IndexEntry[] | undefined> {
  const block = blockOf(index, vcn)
  const give = (what: string): undefined => {
    index.complain(`the branch to VCN ${vcn} ${what}`)
  }
  if (block === undefined) return give('leads to no block')
  if (visited.has(block)) return give('leads to a block that has been visited')
  if (depth > DEEPEST) return give(`lies deeper than ${DEEPEST} levels`)
  visited.add(block)
  let raw: Buffer
  try {
    raw = await read(block)
  } catch (error) {
    return give(`leads to a block that cannot be read: ${(error as Error).message}`)
  }
  const decoded = decodeIndexBlock(raw)
  if (typeof decoded === 'string') return give(`leads to a block that ${decoded}`)
  if (decoded.vcn !== vcn) return give(`leads to a block that bears VCN ${decoded.vcn}`)
  for (const complaint of decoded.complaints) index.complain(`the block at VCN ${vcn} ${complaint}`)
  return decoded.node.entries
}
