import { availableParallelism } from 'node:os'
import { type ChunkJob, type ChunkJobResult, type ChunkSettings, runChunkJob } from './chunk-job.js'
import type { WritableCodec, WritableFileCodec } from './codec-error.js'
import { copyBytes } from './copy-bytes.js'
import { openThreadPool } from './thread-pool.js'

/** A chunk as it is stored. */
export type StoredChunk<C extends WritableFileCodec = WritableCodec> =
  | { readonly zero: true }
  /** Where compression does not make it shorter, `codec` is `none` and `bytes` the chunk as it was given. */
  | {
      readonly zero: false
      readonly codec: C | 'none'
      readonly bytes: Uint8Array
      /** Of the chunk as it was given, where that is wanted. */
      readonly crc32c?: number
    }

export interface ChunkCompressorOptions<C extends WritableFileCodec = WritableCodec>
  extends ChunkSettings<C> {
  /** Threads that compress; 1 means this one, alone. */
  readonly threads: number
  /** Compressed bytes stay valid until this many further results have been given. */
  readonly keep: number
}

/** Compresses chunks on several threads. Memory is bounded by jobs in flight, whatever flows through. */
export interface ChunkCompressor<C extends WritableFileCodec = WritableCodec> {
  /** Most jobs submitted whose promise is not settled yet. */
  readonly depth: number
  /**
   * Compresses the chunks of one job. Their bytes must not change before the promise settles. Views over
   * a SharedArrayBuffer are read where they lie, others are copied. Promises settle in the order of submission.
   * @returns one entry for each chunk
   * @throws {RangeError} when `depth` jobs are in flight already
   */
  submit(chunks: readonly Uint8Array[]): Promise<StoredChunk<C>[]>
  /** So many bytes are announced: threads that they are worth begin to start, before the first job comes. */
  expect(bytes: bigint): void
  /** Ends the threads; jobs in flight are rejected. */
  close(): Promise<void>
}

/** More threads than this outrun any pipe, and each costs some twenty megabytes. */
export const MOST_THREADS = 8
/** One thread for each core that this process may use. */
export function defaultThreads(): number {
  return Math.min(availableParallelism(), MOST_THREADS)
}

/** What a job should hold: enough to outweigh the messages, little enough to keep all threads busy. */
export const JOB_BYTES = 1 << 20
/** Announced bytes that are worth threads. */
const WORTH_THREADS = 8n << 20n
/** Jobs in flight beyond one for each thread: those that wait, or that are done and wait for their turn. */
const SPARE_JOBS = 2

/** Opens a compressor. Threads start once there is work for them. */
export function openChunkCompressor<C extends WritableFileCodec>(
  options: ChunkCompressorOptions<C>,
): ChunkCompressor<C> {
  const { threads, keep, ...settings } = options
  const pool = openThreadPool<ChunkJob, ChunkJobResult>({
    module: new URL('./chunk-worker.js', import.meta.url),
    work: runChunkJob,
    threads: threads > 1 ? threads : 0,
  })
  const depth = threads > 1 ? threads + SPARE_JOBS : 1
  const slabs: SharedArrayBuffer[] = Array(depth + keep)
  let submitted = 0
  let settled = 0
  let previous: Promise<unknown> = Promise.resolve()

  function slabOf(id: number, bytes: number): SharedArrayBuffer {
    const turn = id % slabs.length
    let slab = slabs[turn]
    if (!slab || slab.byteLength < bytes) slab = new SharedArrayBuffer(Math.max(bytes, JOB_BYTES))
    slabs[turn] = slab
    return slab
  }

  async function inTurn<T>(before: Promise<unknown>, work: () => Promise<T>): Promise<T> {
    const result = work()
    try {
      await Promise.allSettled([before, result])
      return await result
    } finally {
      settled++
    }
  }

  async function run(chunks: readonly Uint8Array[], job: ChunkJob): Promise<StoredChunk<C>[]> {
    // Counted as a full one: however short jobs are, from the third on they are worth threads.
    const { lengths, sums } = await pool.run(job, JOB_BYTES)
    let slot = 0
    return chunks.map((chunk, i) => {
      const at = slot
      slot += chunk.length
      if (lengths[i] === 0) return { zero: true }
      const sum = settings.crc32c ? { crc32c: sums[i]! } : {}
      if (lengths[i] === chunk.length) return { zero: false, codec: 'none', bytes: chunk, ...sum }
      return { zero: false, codec: settings.codec, bytes: Buffer.from(job.slab, at, lengths[i]), ...sum }
    })
  }

  return {
    depth,
    submit(chunks) {
      if (submitted - settled >= depth) throw new RangeError(`more than ${depth} jobs in flight`)
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      const job = layOut(settings, slabOf(submitted++, bytes), chunks)
      const result = inTurn(previous, () => run(chunks, job))
      previous = result
      // Whoever stops early leaves jobs behind; closing then rejects promises that nobody waits for.
      result.catch(() => {})
      return result
    },
    expect(bytes) {
      if (bytes >= WORTH_THREADS) pool.start()
    },
    close: pool.close,
  }
}

/** Names the place of each chunk for a thread; what no thread can see is copied into the job's slab. */
function layOut(
  settings: ChunkSettings<WritableFileCodec>,
  slab: SharedArrayBuffer,
  chunks: readonly Uint8Array[],
): ChunkJob {
  const inputs: SharedArrayBuffer[] = []
  const places: number[] = []
  let slot = 0
  for (const chunk of chunks) {
    let { buffer, byteOffset } = chunk
    if (!(buffer instanceof SharedArrayBuffer)) {
      copyBytes(Buffer.from(slab), slot, chunk)
      buffer = slab
      byteOffset = slot
    }
    let input = inputs.indexOf(buffer)
    if (input < 0) input = inputs.push(buffer) - 1
    places.push(input, byteOffset, chunk.length)
    slot += chunk.length
  }
  return { ...settings, slab, inputs, places }
}
