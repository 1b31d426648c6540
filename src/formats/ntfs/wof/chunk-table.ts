import { asDataView } from '../../../codecs/views.js'
import type { ByteSource } from '../../byte-source.js'

/** Where the chunks of a stream `WofCompressedData` lie, of which the table at its front tells. */
export interface ChunkTable {
  readonly chunkCount: number
  /** Bytes of the stream that are left for chunks; negative when the table alone is longer than it. */
  readonly chunksSize: number
  /** Where they begin in the stream. */
  readonly chunksStart: bigint
  /**
   * Boundaries of chunks, as the table states them: one more than chunks, counted from where the first begins.
   * @throws what the stream throws
   */
  boundaries(first: number, count: number): Promise<number[]>
  /**
   * The first chunk from `first` on where the table, which may be a hole of any size, says something of where it ends.
   * @param nextStored where from an offset of the stream on the first byte stands that is stored
   */
  firstListed(first: number, nextStored: (offset: bigint) => bigint): number
}

/** Offsets are u32 below so many plain bytes, else u64; that of the first chunk, 0, is left out. */
const SMALL_LIMIT = 0xffff_ffffn

/** @param size plain bytes, in chunks of `chunkSize` */
export function openChunkTable(stream: ByteSource, size: bigint, chunkSize: number): ChunkTable {
  const chunkCount = Number((size + BigInt(chunkSize) - 1n) / BigInt(chunkSize))
  const entrySize = size > SMALL_LIMIT ? 8 : 4
  const chunksStart = BigInt(Math.max(0, chunkCount - 1)) * BigInt(entrySize)
  const chunksSize = Number(stream.size - chunksStart)
  return {
    chunkCount,
    chunksSize,
    chunksStart,
    async boundaries(first, count) {
      const behind = first + count
      const from = Math.max(first, 1)
      const to = Math.min(behind, chunkCount - 1)
      const length = Math.max(0, to - from + 1) * entrySize
      const bytes = await stream.read(BigInt(from - 1) * BigInt(entrySize), length)
      const view = asDataView(bytes)
      const boundaries = first === 0 ? [0] : []
      for (let at = 0; at + entrySize <= bytes.length; at += entrySize)
        boundaries.push(entrySize === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true)))
      if (behind === chunkCount && bytes.length === length) boundaries.push(chunksSize)
      return boundaries
    },
    firstListed(first, nextStored) {
      // No entry says where the last one ends.
      if (first >= chunkCount - 1) return first
      const stored = nextStored(BigInt(first) * BigInt(entrySize))
      return Math.min(Number(stored / BigInt(entrySize)), chunkCount - 1)
    },
  }
}
