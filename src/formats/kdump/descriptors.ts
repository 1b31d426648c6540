import { asBuffer } from '../../codecs/views.js'
import { firstIndex } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { PageRun } from './bitmaps.js'
import { DESCRIPTOR_SIZE } from './structs.js'

/** Descriptors of one read: of 64 MiB of memory. */
export const WINDOW = 2 ** 14

/** Where a page's bytes stand, and how they are stored. */
export interface Descriptor {
  readonly offset: number
  readonly size: number
  readonly flags: number
}

/** The descriptors of the pages that are in the file, one after another in the order of the pages. */
export interface Descriptors {
  /** How many there are. */
  readonly count: number
  /** Which one is that of a page, which must be in the file; pages of one run follow one another. */
  rankOf(page: number): number
  /**
   * `count` of them from a rank on, at most 16384; valid until the next call.
   * @throws {FormatError} where they lie past the end of the file
   */
  at(rank: number, count: number): Promise<(index: number) => Descriptor>
}

/** @param runs the pages that are in the file, ascending */
export function openDescriptors(
  source: ByteSource,
  start: bigint,
  littleEndian: boolean,
  runs: readonly PageRun[],
): Descriptors {
  const ranks = new Float64Array(runs.length)
  let total = 0
  for (const [i, { count }] of runs.entries()) {
    ranks[i] = total
    total += count
  }
  const room = Buffer.allocUnsafe(WINDOW * DESCRIPTOR_SIZE)
  let held: Bytes = room.subarray(0, 0)
  let heldRank = 0

  return {
    count: total,
    rankOf(page) {
      const index = firstIndex(runs.length, (i) => runs[i]!.first > page) - 1
      return ranks[index]! + page - runs[index]!.first
    },
    async at(rank, count) {
      if (rank < heldRank || rank + count > heldRank + held.length / DESCRIPTOR_SIZE) {
        held = room.subarray(0, 0)
        const offset = start + BigInt(rank * DESCRIPTOR_SIZE)
        const needed = count * DESCRIPTOR_SIZE
        const wanted = Math.max(needed, Math.min(WINDOW, total - rank) * DESCRIPTOR_SIZE)
        const bytes = offset < source.size ? await source.read(offset, wanted, room) : held
        if (bytes.length < needed)
          throw new FormatError('page descriptors lie past the end of the file', offset)
        held = bytes
        heldRank = rank
      }
      const buffer = asBuffer(held)
      const skip = (rank - heldRank) * DESCRIPTOR_SIZE
      return (index) => decodeDescriptor(buffer, skip + index * DESCRIPTOR_SIZE, littleEndian)
    },
  }
}

/** An offset that no file has is -1. */
function decodeDescriptor(bytes: Buffer, at: number, littleEndian: boolean): Descriptor {
  const [low, high] = littleEndian
    ? [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)]
    : [bytes.readUInt32BE(at + 4), bytes.readUInt32BE(at)]
  return {
    offset: high < 1 << 21 ? high * 2 ** 32 + low : -1,
    size: littleEndian ? bytes.readUInt32LE(at + 8) : bytes.readUInt32BE(at + 8),
    flags: littleEndian ? bytes.readUInt32LE(at + 12) : bytes.readUInt32BE(at + 12),
  }
}

/** Writes the descriptor of a page at an offset of `into`, little-endian. */
export function encodeDescriptor({ offset, size, flags }: Descriptor, into: Buffer, at: number): void {
  into.writeUInt32LE(offset % 2 ** 32, at)
  into.writeUInt32LE(Math.floor(offset / 2 ** 32), at + 4)
  into.writeUInt32LE(size, at + 8)
  into.writeUInt32LE(flags, at + 12)
  into.fill(0, at + 16, at + DESCRIPTOR_SIZE)
}
