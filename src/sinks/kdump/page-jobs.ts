import type { ChunkCompressor, StoredChunk } from '../../codecs/chunk-compressor.js'
import { JOB_BYTES } from '../../codecs/chunk-compressor.js'
import type { WritableFileCodec } from '../../codecs/codec-error.js'
import type { PageRun } from '../../formats/kdump/bitmaps.js'

/** Pages that follow one another: zeros, or their stored forms. */
export interface StoredPages<C extends WritableFileCodec> extends PageRun {
  /** One for each page; undefined where all are zeros. */
  readonly stored: readonly StoredChunk<C>[] | undefined
}

/** Compresses whole pages on all cores, some megabytes at a time, and hands them on in their order. */
export interface PageJobs {
  /** Room for the next page: it must be filled before `add`. */
  page(): Buffer
  /** How many pages there is room for from `page` on, one behind the other. */
  readonly room: number
  /** Takes pages that were put into the room. */
  add(first: number, count: number): void | Promise<void>
  addZeros(first: number, count: number): void | Promise<void>
  /** Hands on all that was taken. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** Runs of one job: so many that short ones do not pile up. */
const MOST_RUNS = 4096

interface Job {
  readonly slab: Buffer
  readonly runs: { first: number; count: number; zeros: boolean }[]
  pages: number
}

export function pageJobs<C extends WritableFileCodec>(
  pageSize: number,
  compressor: ChunkCompressor<C>,
  take: (pages: StoredPages<C>) => void | Promise<void>,
): PageJobs {
  const capacity = Math.max(1, JOB_BYTES / pageSize)
  const free: Buffer[] = []
  const running: { job: Job; stored: Promise<StoredChunk<C>[]> }[] = []
  let current = newJob()

  function newJob(): Job {
    const slab = free.pop() ?? Buffer.from(new SharedArrayBuffer(capacity * pageSize))
    return { slab, runs: [], pages: 0 }
  }

  function addRun(first: number, count: number, zeros: boolean): void {
    const last = current.runs.at(-1)
    if (last && last.zeros === zeros && last.first + last.count === first) last.count += count
    else current.runs.push({ first, count, zeros })
  }

  async function finishOldest(): Promise<void> {
    const oldest = running.shift()
    if (!oldest) return
    const { job } = oldest
    const stored = await oldest.stored
    let next = 0
    for (const { first, count, zeros } of job.runs) {
      await take({ first, count, stored: zeros ? undefined : stored.slice(next, next + count) })
      if (!zeros) next += count
    }
    free.push(job.slab)
  }

  async function submit(): Promise<void> {
    if (current.runs.length === 0) return
    if (running.length === compressor.depth) await finishOldest()
    const job = current
    const chunks = Array.from({ length: job.pages }, (_, i) =>
      job.slab.subarray(i * pageSize, (i + 1) * pageSize),
    )
    running.push({ job, stored: chunks.length > 0 ? compressor.submit(chunks) : Promise.resolve([]) })
    current = newJob()
  }

  return {
    page: () => current.slab.subarray(current.pages * pageSize),
    get room() {
      return capacity - current.pages
    },
    add(first, count) {
      addRun(first, count, false)
      current.pages += count
      return current.pages === capacity || current.runs.length >= MOST_RUNS ? submit() : undefined
    },
    addZeros(first, count) {
      addRun(first, count, true)
      return current.runs.length >= MOST_RUNS ? submit() : undefined
    },
    async settle() {
      await submit()
      while (running.length > 0) await finishOldest()
    },
    close: () => compressor.close(),
  }
}
