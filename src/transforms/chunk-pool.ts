/** Buffers for chunks that lie nowhere in the input as they are sent: put together, or padded. */
export interface ChunkPool {
  /** Of each buffer, in bytes. */
  readonly size: number
  /** A buffer that nobody else holds, until it is lent or given back. */
  take(): Buffer
  /** It goes downstream with the batch that is being made. */
  lend(buffer: Buffer): void
  /** The batch has been sent; what was lent with one `batchesAlive` before it is free again. */
  turn(): void
}

/** Shared memory, so that compressing threads read it where it lies. */
export function createChunkPool(size: number, batchesAlive: number): ChunkPool {
  const free: Buffer[] = []
  const batches: Buffer[][] = [[]]
  return {
    size,
    take: () => free.pop() ?? Buffer.from(new SharedArrayBuffer(size)),
    lend: (buffer) => void batches[0]!.push(buffer),
    turn() {
      batches.unshift([])
      if (batches.length > batchesAlive + 1) free.push(...batches.pop()!)
    },
  }
}
