import type { Bytes } from '../byte-source.js'
import type { ReadAt } from '../file-source.js'

const UNIT = 4096n
const SECTOR = 512n
/** No device is larger: 2^63 is where offsets end. */
const LARGEST = 1n << 62n

/**
 * Finds how large a device is that does not say so, by looking for the last unit that can be read. Damage is no end.
 * @returns bytes, a multiple of 512
 * @throws the operating system's error, when it cannot be read at all
 */
export function findDeviceSize(read: ReadAt): bigint {
  const room = Buffer.allocUnsafe(Number(UNIT))
  if (!isThere(read, 0n, room)) read(0n, room)
  const reaches = (end: bigint) => end === 0n || isThere(read, end - UNIT, room)
  let low = 0n
  let high = UNIT
  while (high < LARGEST && reaches(high)) {
    low = high
    high *= 2n
  }
  while (high - low > UNIT) {
    const middle = low + ((high - low) / 2n / UNIT) * UNIT
    if (reaches(middle)) low = middle
    else high = middle
  }
  const sector = room.subarray(0, Number(SECTOR))
  let size = low
  while (size < low + UNIT && isThere(read, size, sector)) size += SECTOR
  return size
}

function isThere(read: ReadAt, offset: bigint, room: Bytes): boolean {
  try {
    return read(offset, room) === room.length
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EIO'
  }
}
