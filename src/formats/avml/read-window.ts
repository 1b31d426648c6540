import type { ByteSource, Bytes } from '../byte-source.js'
import { isDamage } from '../format-error.js'

const WINDOW = 1 << 20

/** Reads what lies one behind the other in large pieces. */
export interface ReadWindow {
  /** The bytes at `offset`, fewer where the source ends: a view that is valid until the next call. */
  at(offset: bigint, length: number): Promise<Bytes>
}

export function readWindow(source: ByteSource): ReadWindow {
  const slab = Buffer.allocUnsafeSlow(WINDOW)
  let held: Bytes = slab.subarray(0, 0)
  let start = 0n
  return {
    async at(offset, length) {
      const from = Number(offset - start)
      if (from >= 0 && from + length <= held.length) return held.subarray(from, from + length)
      if (offset >= source.size) return slab.subarray(0, 0)
      held = slab.subarray(0, 0)
      try {
        held = await source.read(offset, WINDOW, slab)
        start = offset
        return held.subarray(0, length)
      } catch (error) {
        // What is damaged may stand behind it.
        if (!isDamage(error)) throw error
        return source.read(offset, length, slab)
      }
    },
  }
}
