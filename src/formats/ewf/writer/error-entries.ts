import type { Run } from '../../address-space.js'
import type { ErrorEntry } from '../structs.js'

/** Sectors beyond cannot be named: entries have 32 bits. */
const END_OF_SECTORS = 2n ** 32n

/**
 * The sectors that hold any byte of the ranges.
 * @param ranges of the media, ascending
 * @param mediaSize where they end
 */
export function errorEntries(ranges: readonly Run[], mediaSize: bigint, sectorSize: number): ErrorEntry[] {
  const size = BigInt(sectorSize)
  const entries: { firstSector: number; sectors: number }[] = []
  let end = 0n
  for (const { start, length } of ranges) {
    const stop = start + length < mediaSize ? start + length : mediaSize
    const first = start / size > end ? start / size : end
    const last = (stop + size - 1n) / size
    const next = last < END_OF_SECTORS ? last : END_OF_SECTORS - 1n
    if (next <= first) continue
    const previous = entries.at(-1)
    if (previous && first === end) previous.sectors += Number(next - first)
    else entries.push({ firstSector: Number(first), sectors: Number(next - first) })
    end = next
  }
  return entries
}
