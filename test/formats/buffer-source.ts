import type { ByteSource, Bytes } from '../../src/formats/byte-source.js'

/** A source over bytes in memory; `largestRead` tells how much a reader ever asked for at once. */
export function bufferSource(bytes: Bytes, name = 'buffer'): ByteSource & { largestRead: number } {
  return {
    name,
    size: BigInt(bytes.length),
    largestRead: 0,
    async read(offset, length) {
      this.largestRead = Math.max(this.largestRead, length)
      if (offset < 0n) throw new RangeError(`read at ${offset}`)
      const start = offset < this.size ? Number(offset) : bytes.length
      return bytes.subarray(start, start + length)
    },
    async close() {},
  }
}
