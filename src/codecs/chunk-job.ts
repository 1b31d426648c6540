import { compress } from './codec.js'
import type { WritableFileCodec } from './codec-error.js'
import { copyBytes } from './copy-bytes.js'
import { crc32c } from './crc32c.js'
import { looksLikeNoise } from './noise.js'
import { sweepAfter } from './sweep.js'
import { isZero } from './zero.js'

/** How every chunk of a compressor is treated. */
export interface ChunkSettings<C extends WritableFileCodec> {
  readonly codec: C
  readonly level?: number
  /** The sum of each chunk is wanted, too. */
  readonly crc32c?: boolean
}

/** Chunks to compress, as one message to a thread: about a megabyte, so that the message costs nothing. */
export interface ChunkJob extends ChunkSettings<WritableFileCodec> {
  /** Receives the compressed forms, each where its chunk would lie if all were laid end to end. */
  readonly slab: SharedArrayBuffer
  readonly inputs: readonly SharedArrayBuffer[]
  /** For each chunk three numbers: index into `inputs`, offset, length. */
  readonly places: readonly number[]
}

export interface ChunkJobResult {
  /** The stored length of each chunk: 0 for zeros, the chunk's own where it stays as it is. */
  readonly lengths: readonly number[]
  /** The CRC-32C of each, where that is wanted; 0 for zeros. */
  readonly sums: readonly number[]
}

/** Compresses the chunks of one job into its slab. */
export function runChunkJob(job: ChunkJob): ChunkJobResult {
  const slab = Buffer.from(job.slab)
  const lengths: number[] = []
  const sums: number[] = []
  let slot = 0
  let given = 0
  for (let i = 0; i < job.places.length; i += 3) {
    const chunk = Buffer.from(job.inputs[job.places[i]!]!, job.places[i + 1], job.places[i + 2])
    const zero = isZero(chunk)
    if (job.crc32c) sums.push(zero ? 0 : crc32c(chunk))
    if (zero) lengths.push(0)
    else {
      const stored = storedForm(job, chunk)
      given += chunk.length
      if (stored !== chunk) copyBytes(slab, slot, stored)
      lengths.push(stored.length)
    }
    slot += chunk.length
  }
  sweepAfter(given)
  return { lengths, sums }
}

/** What is stored of a chunk: itself, where nothing makes it shorter. */
export function storedForm(
  { codec, level }: ChunkSettings<WritableFileCodec>,
  chunk: Uint8Array,
): Uint8Array {
  // The other codecs are as fast in finding that out by themselves.
  if (codec === 'zlib' && looksLikeNoise(chunk)) return chunk
  const stored = compress(codec, chunk, level)
  // A stored length equal to the chunk's means raw bytes to every AFF4 reader, so it must be.
  return stored.length < chunk.length ? stored : chunk
}
