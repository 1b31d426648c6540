import type { Bytes } from '../../byte-source.js'
import { INDEX_ENTRY_SIZE, readIndexEntry, readIndexOffsets, type StoredRange } from '../image-stream.js'

/** Where the chunks of a bevy are stored. */
export interface ChunkTable {
  readonly count: number
  /** Chunk `slot`, which is smaller than `count`. */
  at(slot: number): StoredRange
}

/**
 * An index as it was written.
 * @param packed in the form before the Standard
 * @param bevySize where the last chunk ends when the index says only where chunks start
 */
export const indexTable = (index: Bytes, packed: boolean, bevySize: bigint): ChunkTable =>
  packed
    ? { count: Math.floor(index.length / 4), at: (slot) => readIndexOffsets(index, slot, bevySize)! }
    : { count: Math.floor(index.length / INDEX_ENTRY_SIZE), at: (slot) => readIndexEntry(index, slot)! }
