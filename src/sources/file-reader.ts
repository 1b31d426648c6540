import type { SystemFile } from '../platform/system-files.js'
import type { ReadBytes } from './salvage.js'

/**
 * Reads a file of a system for `spansToFrames`.
 * @param placeOf where in the file an address stands; at first there itself
 */
export const fileReader =
  ({ read }: Pick<SystemFile, 'read'>, placeOf = (address: bigint) => address): ReadBytes =>
  (address, length, slab) => {
    const place = slab.subarray(0, length)
    const count = read(placeOf(address), place)
    // No promise where the bytes are there already.
    return typeof count === 'number'
      ? place.subarray(0, count)
      : count.then((count) => place.subarray(0, count))
  }
