import type { ByteSource, Bytes } from './byte-source.js'
import { isDamage } from './format-error.js'

/** Headers as near as this are read together with what stands around them. */
const NEAR = 64n << 10n

/** Reads headers that stand scattered through a file, each a step from the last one. */
export interface HeaderReads {
  /** The bytes at `offset`, fewer where the file ends. They stay valid until the next call. */
  at(offset: bigint, length: number): Promise<Bytes>
}

/** Headers close together cost one large read for many, headers far apart a small read each. */
export function headerReads(source: ByteSource): HeaderReads {
  let block: Bytes = new Uint8Array()
  let start = 0n
  let last = 0n

  async function readAround(offset: bigint, length: number): Promise<Bytes> {
    start = offset < NEAR ? 0n : offset - NEAR
    const before = Number(offset - start)
    block = await source.read(start, before + length + Number(NEAR))
    return block.subarray(before, before + length)
  }

  return {
    async at(offset, length) {
      const step = offset > last ? offset - last : last - offset
      last = offset
      const from = Number(offset - start)
      if (from >= 0 && from + length <= block.length) return block.subarray(from, from + length)
      if (offset >= source.size) return new Uint8Array()
      if (step <= NEAR) {
        try {
          return await readAround(offset, length)
        } catch (error) {
          // What is damaged may stand beside it.
          if (!isDamage(error)) throw error
          block = new Uint8Array()
        }
      }
      return source.read(offset, length)
    },
  }
}
