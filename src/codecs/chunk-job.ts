import type { WritableCodec } from './codec.js'
import { compress } from './codec.js'
import { sweepAfter } from './sweep.js'
import { isZero } from './zero.js'

/** How every chunk of a compressor is treated. */
export interface ChunkSettings {
  readonly codec: WritableCodec
  readonly level?: number
  /** A slot of a slab; no chunk is longer. */
  readonly chunkSize: number
}

/** Chunks to compress, as one message to a worker: about a megabyte, so that the message costs nothing. */
export interface ChunkJob {
  readonly id: number
  /** Receives the stored forms, chunk `i` at slot `i`. May itself hold the input. */
  readonly slab: SharedArrayBuffer
  readonly inputs: readonly SharedArrayBuffer[]
  /** For each chunk three numbers: index into `inputs`, offset, length. */
  readonly places: readonly number[]
}

export type ChunkReply =
  /** The stored length of each chunk: 0 for zeros, the chunk's own length for raw bytes. */
  | { readonly id: number; readonly lengths: readonly number[] }
  | { readonly id: number; readonly error: string }

/** Compresses the chunks of one job into its slab and gives their stored lengths. */
export function runChunkJob({ codec, level, chunkSize }: ChunkSettings, job: ChunkJob): number[] {
  const slab = Buffer.from(job.slab)
  const lengths: number[] = []
  let given = 0
  for (let i = 0; i < job.places.length / 3; i++) {
    const input = job.inputs[job.places[3 * i]!]!
    const chunk = Buffer.from(input, job.places[3 * i + 1], job.places[3 * i + 2])
    if (isZero(chunk)) {
      lengths.push(0)
      continue
    }
    const compressed = compress(codec, chunk, level)
    given += chunk.length
    // A stored length equal to the chunk's means raw bytes to every AFF4 reader, so it must be.
    const stored = compressed.length < chunk.length ? compressed : chunk
    const inPlace = stored === chunk && input === job.slab && chunk.byteOffset === i * chunkSize
    if (!inPlace) slab.set(stored, i * chunkSize)
    lengths.push(stored.length)
  }
  sweepAfter(given)
  return lengths
}
