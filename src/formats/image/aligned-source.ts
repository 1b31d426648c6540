import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import type { ReadAt } from '../file-source.js'

/** A multiple of every sector size. */
const UNIT = 4096
const SMALLEST_SECTOR = 512
/** Bytes of one read at most. */
const MOST = 1 << 20

/**
 * A device that reads whole sectors only as a ByteSource: reads are widened to units of 4096 bytes, short of the end of
 * the device.
 * @param size in bytes, of whole sectors
 */
export function alignedSource(name: string, size: bigint, read: ReadAt, close: () => void): ByteSource {
  const room = Buffer.allocUnsafe(MOST)
  return {
    name,
    size,
    async read(offset, length, into) {
      const wanted = offset >= size ? 0 : clipLength(length, size - offset)
      const bytes = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
      for (let done = 0; done < wanted; ) {
        const at = offset + BigInt(done)
        const within = Number(at % BigInt(UNIT))
        const left = Math.min(wanted - done, room.length - within)
        const start = at - BigInt(within)
        const end = clipLength(Math.ceil((within + left) / UNIT) * UNIT, size - start)
        const got = Math.max(0, Math.min(left, readFully(read, start, room.subarray(0, end)) - within))
        bytes.set(room.subarray(within, within + got), done)
        done += got
        if (got < left) return bytes.subarray(0, done)
      }
      return bytes
    },
    async close() {
      close()
    },
  }
}

/** Reads until `into` is full or the device ends; a part of a sector at the end is dropped. */
function readFully(read: ReadAt, offset: bigint, into: Bytes): number {
  let filled = 0
  while (filled < into.length) {
    const count = read(offset + BigInt(filled), into.subarray(filled))
    filled += count - (count % SMALLEST_SECTOR)
    if (count < SMALLEST_SECTOR) break
  }
  return filled
}
