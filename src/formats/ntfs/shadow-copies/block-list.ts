import type { ByteSource } from '../../byte-source.js'
import type { Report } from '../finding.js'
import { type BlockTable, createBlockTable, NO_BLOCK } from './block-table.js'
import { BLOCK_SIZE, BLOCK_TYPE, readChain } from './metadata-block.js'
import { createNumberLog, type NumberLog } from './number-log.js'
import { createOverlays, type Overlays } from './overlays.js'

/*
 * Entries of 32 bytes, in the order in which they were made; one that is all zero ends a block:
 *
 *      0  8  original offset, on the volume
 *      8  8  relative offset: of a forwarder where the data went, else an offset within the store
 *     16  8  offset on the volume at which the store has the data
 *     24  4  flags
 *     28  4  of an overlay its pieces, lowest bit first
 */
const ENTRY_SIZE = 32
const BLOCK_FLAG = { forwarder: 1, overlay: 2, ignored: 4 } as const

/** Where data is said to lie that is no place: the driver makes copies of 64 TiB at most, which are 2^32 blocks. */
export const OUTSIDE = NO_BLOCK - 1
const BLOCKS_IN_4_GIB = 2 ** 32 / BLOCK_SIZE

/** What a store has of a volume, by blocks of 16 KiB, each named by its number on the volume. */
export interface StoreBlocks {
  /** Where it has a block; OUTSIDE where that is no place. */
  readonly stored: BlockTable
  /** Where on the volume the data of a block was when the next store was made. */
  readonly moved: BlockTable
  readonly overlays: Overlays
}

/** Reads the block list of a store. What is wrong in it is reported and passed over. */
export async function readBlockList(source: ByteSource, first: bigint, report: Report): Promise<StoreBlocks> {
  const list = createList()
  const chain = readChain({ source, type: BLOCK_TYPE.blockList, first, what: 'a block list', report })
  for await (const payload of chain)
    for (let at = 0; at + ENTRY_SIZE <= payload.length && !isEnd(payload, at); at += ENTRY_SIZE)
      list.take(payload, at)
  const { blocks, strange } = list.end()
  if (strange > 0)
    report({
      message: `entries of a block list of the shadow copies make no sense, ${strange} in all, and are passed over`,
      offset: first,
    })
  return blocks
}

function createList() {
  const stored = createPairs()
  const moved = createPairs()
  const overlays = { ...createPairs(), bits: createNumberLog() }
  /** By where their data went, the blocks whose data a later entry may tell of under its new place. */
  const pending = new Map<number, number>()
  let strange = 0

  function take(payload: Buffer, at: number): void {
    const flags = payload.readUInt32LE(at + 24)
    if (flags & BLOCK_FLAG.ignored) return
    const original = blockAt(payload, at)
    const forwarder = (flags & BLOCK_FLAG.forwarder) !== 0
    const overlay = (flags & BLOCK_FLAG.overlay) !== 0
    if (original === OUTSIDE || (forwarder && overlay)) {
      strange++
      return
    }
    // No store has the boot sector for a place.
    const place = blockAt(payload, at + 16) || OUTSIDE
    if (overlay) {
      push(overlays, original, place)
      overlays.bits.push(payload.readUInt32LE(at + 28))
      return
    }
    const owner = pending.get(original)
    if (owner !== undefined) pending.delete(original)
    const block = owner ?? original
    if (!forwarder) {
      push(stored, block, place)
      return
    }
    const target = blockAt(payload, at + 8)
    if (target === block) {
      // The data is back where it was.
      push(stored, block, NO_BLOCK)
      push(moved, block, NO_BLOCK)
      return
    }
    push(moved, block, target)
    pending.set(target, block)
  }

  return {
    take,
    end(): { blocks: StoreBlocks; strange: number } {
      const blocks = {
        stored: createBlockTable(stored.keys.values(), stored.blocks.values()),
        moved: createBlockTable(moved.keys.values(), moved.blocks.values()),
        overlays: createOverlays(overlays.keys.values(), overlays.blocks.values(), overlays.bits.values()),
      }
      return { blocks, strange }
    },
  }
}

interface Pairs {
  readonly keys: NumberLog
  readonly blocks: NumberLog
}

const createPairs = (): Pairs => ({ keys: createNumberLog(), blocks: createNumberLog() })

function push({ keys, blocks }: Pairs, key: number, block: number): void {
  keys.push(key)
  blocks.push(block)
}

function isEnd(payload: Buffer, at: number): boolean {
  for (let word = at; word < at + ENTRY_SIZE; word += 4) if (payload.readUInt32LE(word) !== 0) return false
  return true
}

/** The block that begins at the offset that stands here. */
function blockAt(payload: Buffer, at: number): number {
  const low = payload.readUInt32LE(at)
  const block = payload.readUInt32LE(at + 4) * BLOCKS_IN_4_GIB + low / BLOCK_SIZE
  return low % BLOCK_SIZE === 0 && block < OUTSIDE ? block : OUTSIDE
}
