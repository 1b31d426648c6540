import { createKeyIndex } from './block-table.js'
import { placesInOrder } from './number-log.js'

/** Which pieces of a block lie elsewhere than the rest of it. A piece is a sector of 512 bytes, 32 are a block. */
export interface Overlays {
  readonly size: number
  /** Calls `each` with the block that has pieces of `key`, and the pieces as bits; no piece twice. */
  pieces(key: number, each: (block: number, bits: number) => void): void
}

/**
 * Puts overlays together, given in the order in which they were made: of a piece the last one counts.
 * @param keys blocks of the volume
 * @param blocks where the pieces lie
 * @param bits which pieces do
 */
export function createOverlays(keys: Uint32Array, blocks: Uint32Array, bits: Uint32Array): Overlays {
  const places = placesInOrder(keys)
  const keptKeys = new Uint32Array(places.length)
  const keptBlocks = new Uint32Array(places.length)
  const keptBits = new Uint32Array(places.length)
  let size = 0
  for (let end = places.length; end > 0; ) {
    const key = keys[places[end - 1]!]!
    let taken = 0
    for (; end > 0 && keys[places[end - 1]!] === key; end--) {
      const place = places[end - 1]!
      const own = bits[place]! & ~taken
      if (own === 0) continue
      taken |= own
      keptKeys[size] = key
      keptBlocks[size] = blocks[place]!
      keptBits[size] = own
      size++
    }
  }
  const ordered = keptKeys.slice(0, size).reverse()
  const orderedBlocks = keptBlocks.slice(0, size).reverse()
  const orderedBits = keptBits.slice(0, size).reverse()
  const index = createKeyIndex(ordered)
  return {
    size,
    pieces(key, each) {
      for (let at = index.first(key); at < size && ordered[at] === key; at++)
        each(orderedBlocks[at]!, orderedBits[at]!)
    },
  }
}
