import { MOST_THREADS } from './chunk-compressor.js'
import type { WritableCodec } from './codec-error.js'
import { createReadJobs, type ReadJob, type ReadJobResult, type StoredRun } from './read-job.js'
import { openThreadPool, threadsBesides } from './thread-pool.js'

/** What was read of a stretch, compressed. What no run holds is zeros. */
export interface ReadChunks {
  /** When it was read: milliseconds since the Unix epoch. */
  readonly time: number
  readonly runs: readonly (StoredRun & { readonly bytes: Uint8Array })[]
  /** To be called once when the bytes of all runs may go, for others are read into their memory. */
  release(): void
  /** Makes them stay, all the same, until what is returned is called. To be called before `release`. */
  hold(): () => void
}

/** Reads files and compresses what is read, both in threads: from the disk to its stored form on one processor. */
export interface ChunkReader {
  readonly codec: WritableCodec
  readonly chunkSize: number
  /** Most reads whose promise is not settled yet. */
  readonly depth: number
  /** Most bytes that one read asks for, a multiple of the chunk size. */
  readonly size: number
  /**
   * Reads `length` bytes and compresses them; what is left of the last chunk is zeros.
   * @returns undefined when not all could be read
   * @throws {RangeError} when `depth` reads are in flight already
   */
  read(place: FilePlace, length: number): Promise<ReadChunks | undefined>
  /** Starts the threads before the first read, for files that are known to be worth them. */
  start(): void
  /** Ends the threads; reads in flight are rejected. */
  close(): Promise<void>
}

/** Where bytes stand in an open file. */
export interface FilePlace {
  readonly fd: number
  readonly position: bigint
}

/** What one read asks for, unless a chunk is larger. */
const READ_SIZE = 1 << 20
/**
 * Reads in flight beyond those that keep all threads busy: they are done and wait for one before them, which may take a
 * hundred times as long, and others wait for a thread.
 */
const SPARE_READS = 4

/** Opens a reader. Threads start once there is work for them. */
export function openChunkReader(codec: WritableCodec, chunkSize: number): ChunkReader {
  const pool = openThreadPool<ReadJob, ReadJobResult | undefined>({
    module: new URL('./read-worker.js', import.meta.url),
    work: createReadJobs().runBeside,
    threads: threadsBesides(MOST_THREADS - 1),
  })
  const depth = pool.depth + SPARE_READS
  const size = Math.max(1, Math.floor(READ_SIZE / chunkSize)) * chunkSize
  /** Memory that nobody holds. */
  const free: SharedArrayBuffer[] = []
  let underWay = 0

  async function run(job: ReadJob): Promise<ReadChunks | undefined> {
    try {
      const result = await pool.run(job, job.length)
      if (!result) {
        free.push(job.slab)
        return undefined
      }
      let at = 0
      const runs = result.runs.map((stored) => {
        const length = stored.lengths.reduce((sum, each) => sum + each, 0)
        const bytes = Buffer.from(job.slab, at, length)
        at += length
        return { ...stored, bytes }
      })
      return { time: result.time, runs, ...holding(job.slab) }
    } finally {
      underWay--
    }
  }

  /** Counts who needs a slab. */
  function holding(slab: SharedArrayBuffer): Pick<ReadChunks, 'release' | 'hold'> {
    let holders = 1
    function release(): void {
      if (--holders === 0) free.push(slab)
    }
    return {
      release,
      hold() {
        if (holders === 0) throw new RangeError('another read may have that memory by now')
        holders++
        return release
      },
    }
  }

  return {
    codec,
    chunkSize,
    depth,
    size,
    read({ fd, position }, length) {
      if (underWay >= depth) throw new RangeError(`more than ${depth} reads in flight`)
      underWay++
      const slab = free.pop() ?? new SharedArrayBuffer(size)
      const result = run({ codec, chunkSize, fd, position, length, slab })
      // Whoever stops early leaves reads behind; closing then rejects promises that nobody waits for.
      result.catch(() => {})
      return result
    },
    start: pool.start,
    close: pool.close,
  }
}
