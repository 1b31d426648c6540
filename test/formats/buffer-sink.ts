import type { ByteSink, Bytes } from '../../src/formats/byte-source.js'

/** A sink into memory; from `capacity` on it is full, as a disk is. */
export function bufferSink(capacity = Number.POSITIVE_INFINITY): ByteSink & {
  capacity: number
  bytes(): Buffer
  truncate(size: bigint): void
} {
  let pieces: Bytes[] = []
  let length = 0
  return {
    name: 'buffer',
    capacity,
    get position() {
      return BigInt(length)
    },
    async write(...more) {
      const added = more.reduce((sum, piece) => sum + piece.length, 0)
      if (length + added > this.capacity)
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), {
          code: 'ENOSPC',
          errno: -28,
          syscall: 'write',
        })
      for (const piece of more) pieces.push(Uint8Array.from(piece))
      length += added
    },
    bytes() {
      pieces = [Buffer.concat(pieces)]
      return pieces[0] as Buffer
    },
    truncate(size) {
      pieces = [this.bytes().subarray(0, Number(size))]
      length = Number(size)
    },
  }
}
