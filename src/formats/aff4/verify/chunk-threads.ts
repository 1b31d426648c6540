import { JOB_BYTES } from '../../../codecs/chunk-compressor.js'
import { openThreadPool, threadsBesides } from '../../../codecs/thread-pool.js'
import type { Bytes } from '../../byte-source.js'
import type { ImageStream } from '../image-stream-reader.js'
import { type ChunkJob, type ChunkSums, checkChunks } from './chunk-job.js'

/** Most bytes of chunks that go in one job, and most chunks: each costs memory, however small it is. */
const MOST_DECODED = JOB_BYTES
const MOST_CHUNKS = 2048
/** Most chunks of so many bytes that go in one job: none where they are too large for one. */
export const chunksInJob = (chunkSize: number): number =>
  Math.min(Math.floor(MOST_DECODED / chunkSize), MOST_CHUNKS)

/** A linear SHA-256 of what more of them give would take longer than they do. */
const MOST_THREADS = 4

/** Of a thread: this one is away for two, when it has decoded one of its own and takes the digest of another. */
const JOBS_PER_THREAD = 3
/** Stored bytes that are worth threads. */
const WORTH_THREADS = 8n << 20n

/** Chunks that are on their way through a thread. */
export interface Decoding {
  readonly count: number
  /** How long they are as they are stored. */
  readonly bytes: number
  /** Undefined when one of them is damaged. */
  readonly sums: Promise<ChunkSums | undefined>
  /** Whether that is settled, as far as the event loop has told. */
  readonly done: boolean
  /** The chunks themselves, once there are sums. */
  readonly content: Bytes
  /** Gives the memory of the content back. */
  release(): void
}

/** Decodes chunks of any streams on several threads, which read them for themselves where they lie in a file. */
export interface ChunkThreads {
  /** Tells that so many stored bytes are to come: threads start at once where they are worth it. */
  expect(bytes: bigint): void
  /** Whether all threads have enough to do: what is begun then is decoded here, unless one is done before. */
  readonly busy: boolean
  /**
   * Begins to decode chunks that lie back to back.
   * @param most of them, `chunksInJob` or fewer
   * @param digests that are wanted of each, as Node calls them
   * @returns undefined while all memory is in use
   * @throws {FormatError} when one is not in the volume, or outside its bevy
   */
  begin(
    stream: ImageStream,
    first: bigint,
    most: number,
    digests: readonly string[],
  ): Promise<Decoding | undefined>
  /** Ends the threads. */
  close(): Promise<void>
}

export function openChunkThreads(): ChunkThreads {
  const pool = openThreadPool<ChunkJob, ChunkSums | undefined>({
    module: new URL('./chunk-thread.js', import.meta.url),
    work: checkChunks,
    threads: threadsBesides(MOST_THREADS),
    jobsPerThread: JOBS_PER_THREAD,
  })
  /** Besides what is in flight, one is being used, and one that was decoded here waits. */
  const slabs: (SharedArrayBuffer | undefined)[] = Array(pool.depth + 2).fill(undefined)
  let underWay = 0

  return {
    expect(bytes) {
      if (bytes >= WORTH_THREADS) pool.start()
    },
    get busy() {
      return underWay >= pool.depth - 1
    },
    async begin(stream, first, most, digests) {
      if (slabs.length === 0) return undefined
      const { source, offset, lengths, bytes } = await stream.whereIs(first, most)
      const stored = source.place
        ? { fd: source.place.fd, position: Number(source.place.offset + offset) }
        : new Uint8Array(await source.read(offset, bytes))
      const content = slabs.pop() ?? new SharedArrayBuffer(MOST_DECODED)
      const job: ChunkJob = { stored, lengths, format: stream.format, digests, content }
      const sums = pool.run(job, bytes, 'fd' in stored ? [] : [stored.buffer])
      const decoding = {
        count: lengths.length,
        bytes,
        sums,
        done: false,
        content: Buffer.from(content, 0, lengths.length * stream.format.chunkSize),
        release: () => slabs.push(content),
      }
      const end = () => {
        underWay--
        decoding.done = true
      }
      underWay++
      // Who stops early leaves jobs behind, and nobody waits for them.
      sums.then(end, end)
      return decoding
    },
    close: pool.close,
  }
}
