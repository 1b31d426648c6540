import { openThreadPool, threadsBesides } from '../../codecs/thread-pool.js'
import { type ChunkJob, type Damage, decodeChunks, JOB_BYTES, prepareJob } from './chunk-job.js'
import type { ChunkMap } from './chunk-map.js'

/** Digests of what more of them give would take longer than they do. */
const MOST_THREADS = 4

/** Chunks that follow one another, decoded. */
export interface DecodedChunks {
  readonly first: number
  readonly count: number
  /** One behind the other. */
  readonly content: Uint8Array
  /** By index; what `content` has of those is nothing. */
  readonly damage: Damage
  /** Gives the memory back. */
  release(): void
}

/** Decodes chunks on all cores before they are asked for. */
export interface ReadAhead {
  /**
   * The chunks from one on, or from one shortly before it on.
   * @returns undefined where it is better decoded by itself: chunks are asked for in no order, or cannot be found
   */
  take(chunk: number): Promise<DecodedChunks | undefined>
  /** Lets go of what is decoded; what is asked for next may be elsewhere. */
  drop(): void
  /** Ends the threads. */
  close(): Promise<void>
}

interface Waiting {
  readonly first: number
  readonly count: number
  readonly slab: SharedArrayBuffer
  readonly damage: Promise<Damage>
}

/** @param count chunks of the medium, each at most JOB_BYTES */
export function openReadAhead(map: ChunkMap, count: number): ReadAhead {
  const pool = openThreadPool<ChunkJob, Damage>({
    module: new URL('./ewf-chunk-thread.js', import.meta.url),
    work: decodeChunks,
    threads: threadsBesides(MOST_THREADS),
  })
  /** Besides those in flight, one is being used. */
  let unmade = pool.depth + 1
  const slabs: SharedArrayBuffer[] = []
  const waiting: Waiting[] = []
  let next = 0

  function takeSlab(): SharedArrayBuffer | undefined {
    const slab = slabs.pop()
    if (slab || unmade === 0) return slab
    unmade--
    return new SharedArrayBuffer(JOB_BYTES + 1)
  }

  async function fill(): Promise<void> {
    while (waiting.length < pool.depth && next < count) {
      const slab = takeSlab()
      if (!slab) return
      let job: ChunkJob
      try {
        job = await prepareJob(map, next, count - next, () => slab)
      } catch {
        // Why not is told when it is asked for.
        slabs.push(slab)
        return
      }
      const damage = pool.run(job, job.chunks.length * job.chunkSize)
      // Who stops early leaves jobs behind, and nobody waits for them.
      damage.catch(() => {})
      waiting.push({ first: next, count: job.chunks.length, slab, damage })
      next += job.chunks.length
    }
  }

  function dropBefore(chunk: number): void {
    while (waiting[0] && waiting[0].first + waiting[0].count <= chunk) {
      const { slab, damage } = waiting.shift()!
      const free = () => slabs.push(slab)
      damage.then(free, free)
    }
  }

  return {
    async take(chunk) {
      dropBefore(chunk)
      if (waiting.length === 0) next = chunk
      if (chunk < (waiting[0]?.first ?? next)) return undefined
      await fill()
      const job = waiting.shift()
      if (!job) return undefined
      const { first, count, slab } = job
      try {
        const damage = await job.damage
        return { first, count, content: new Uint8Array(slab), damage, release: () => slabs.push(slab) }
      } catch {
        slabs.push(slab)
        return undefined
      }
    },
    drop: () => dropBefore(Number.POSITIVE_INFINITY),
    close: pool.close,
  }
}
