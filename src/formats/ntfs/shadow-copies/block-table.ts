import { firstIndex } from '../../address-space.js'
import { placesInOrder } from './number-log.js'

/** No block has this number: nothing stands at a key, or not any more. */
export const NO_BLOCK = 0xffffffff

/** Where among ascending keys one stands. What is looked up in ascending order is found without a search. */
export interface KeyIndex {
  /** Index of the first key that is not below `key`. */
  first(key: number): number
}

/** Numbers of blocks by the numbers of blocks. */
export interface BlockTable {
  readonly size: number
  /** NO_BLOCK where there is none. */
  get(key: number): number
}

/**
 * Makes a table of entries in the order in which they were made: of those with the same key the last one counts, and
 * NO_BLOCK takes away what was there.
 */
export function createBlockTable(keys: Uint32Array, values: Uint32Array): BlockTable {
  const places = placesInOrder(keys)
  const kept = new Uint32Array(places.length)
  const found = new Uint32Array(places.length)
  let size = 0
  for (let rank = 0; rank < places.length; rank++) {
    const place = places[rank]!
    const key = keys[place]!
    if (rank + 1 < places.length && keys[places[rank + 1]!] === key) continue
    if (values[place] === NO_BLOCK) continue
    kept[size] = key
    found[size] = values[place]!
    size++
  }
  const ordered = kept.slice(0, size)
  const blocks = found.slice(0, size)
  const index = createKeyIndex(ordered)
  return {
    size,
    get(key) {
      const at = index.first(key)
      return at < size && ordered[at] === key ? blocks[at]! : NO_BLOCK
    },
  }
}

/** @param keys ascending */
export function createKeyIndex(keys: Uint32Array): KeyIndex {
  let cursor = 0
  const isHere = (key: number) =>
    (cursor === keys.length || keys[cursor]! >= key) && (cursor === 0 || keys[cursor - 1]! < key)
  return {
    first(key) {
      if (isHere(key)) return cursor
      if (cursor < keys.length) {
        cursor++
        if (isHere(key)) return cursor
      }
      cursor = firstIndex(keys.length, (index) => keys[index]! >= key)
      return cursor
    },
  }
}
