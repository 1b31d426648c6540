import type { ByteSource, Bytes } from './byte-source.js'

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
  return {
    async at(offset, length) {
      const step = offset > last ? offset - last : last - offset
      last = offset
      const from = Number(offset - start)
      if (from >= 0 && from + length <= block.length) return block.subarray(from, from + length)
      const before = step > NEAR ? 0n : offset < NEAR ? offset : NEAR
      start = offset - before
      block =
        start < source.size
          ? await source.read(start, Number(before) + length + (step > NEAR ? 0 : Number(NEAR)))
          : new Uint8Array()
      return block.subarray(Number(before), Number(before) + length)
    },
  }
}
