import type { FlatImage } from './flat-image.js'

/**
 * x86-64 page tables (Intel SDM volume 3, 4.5): 512 entries of 8 bytes a table, 9 bits of the address a level;
 * bit 0 present, bit 7 a large page at levels 2 and 3, bits 12 to 51 the physical address.
 */
const PRESENT = 1n
const LARGE = 1n << 7n
const ADDRESS = 0x000f_ffff_ffff_f000n

/** @returns the physical address, or undefined where nothing is mapped */
export function walk(image: FlatImage, root: bigint, levels: 4 | 5, address: bigint): bigint | undefined {
  let table = root
  for (let level = levels as number; level >= 1; level--) {
    const shift = BigInt(12 + 9 * (level - 1))
    const entry = image.read(table + ((address >> shift) & 511n) * 8n, 8).readBigUInt64LE(0)
    if (!(entry & PRESENT)) return undefined
    if (level === 1 || (level <= 3 && entry & LARGE)) {
      const within = (1n << shift) - 1n
      return (entry & ADDRESS & ~within) | (address & within)
    }
    table = entry & ADDRESS
  }
  return undefined
}
