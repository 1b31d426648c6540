import fs from 'node:fs'
import { promisify } from 'node:util'
import { storedForm } from './chunk-job.js'
import type { WritableCodec } from './codec-error.js'
import { copyBytes } from './copy-bytes.js'
import { crc32 } from './crc32.js'
import { sweepAfter } from './sweep.js'
import { isZero } from './zero.js'

/** A stretch of a file, to be read and compressed chunk by chunk where no other thread is waited for. */
export interface ReadJob {
  readonly codec: WritableCodec
  readonly chunkSize: number
  readonly fd: number
  readonly position: bigint
  /** What is left of its last chunk is zeros. */
  readonly length: number
  /** Receives what is stored of all chunks but zeros, back to back. */
  readonly slab: SharedArrayBuffer
}

/** Chunks that touch, none of them zeros. */
export interface StoredRun {
  /** Index of the first one among the chunks of the job. */
  readonly first: number
  /** What is stored of each, in bytes: a chunk's own size means that it is stored as it is. */
  readonly lengths: readonly number[]
  /** Of all that is stored. */
  readonly crc: number
}

export interface ReadJobResult {
  /** When it was read: milliseconds since the Unix epoch. */
  readonly time: number
  readonly runs: readonly StoredRun[]
}

/** Does jobs one after another, all in the same memory. */
export interface ReadJobs {
  /**
   * Waits for the disk, and nothing else can be done meanwhile.
   * @returns undefined when not all could be read: who sent the job finds out why
   */
  run(job: ReadJob): ReadJobResult | undefined
  /** The same, while the event loop turns until all is read. To be awaited before the next one. */
  runBeside(job: ReadJob): Promise<ReadJobResult | undefined>
}

const read = promisify(fs.read)

export function createReadJobs(): ReadJobs {
  let memory = Buffer.alloc(0)

  /** Room for the chunks of a job. */
  function room({ length, chunkSize }: ReadJob): Buffer {
    const whole = Math.ceil(length / chunkSize) * chunkSize
    if (memory.length < whole) memory = Buffer.allocUnsafeSlow(whole)
    return memory.subarray(0, whole)
  }

  return {
    run(job) {
      const { fd, length, position } = job
      const input = room(job)
      try {
        if (fs.readSync(fd, input, 0, length, position) < length) return undefined
      } catch {
        return undefined
      }
      return compressRead(job, input)
    },
    async runBeside(job) {
      const { fd, length, position } = job
      const input = room(job)
      try {
        if ((await read(fd, { buffer: input, length, position })).bytesRead < length) return undefined
      } catch {
        return undefined
      }
      return compressRead(job, input)
    },
  }
}

/** @param input what was read, and room for what is left of its last chunk */
function compressRead(job: ReadJob, input: Buffer): ReadJobResult {
  const { chunkSize, length } = job
  const whole = input.length
  const time = Date.now()
  input.fill(0, length)
  const slab = Buffer.from(job.slab)
  const runs: StoredRun[] = []
  let used = 0
  for (let at = 0; at < whole; ) {
    const first = at / chunkSize
    const begun = used
    const lengths: number[] = []
    for (; at < whole; at += chunkSize) {
      const chunk = input.subarray(at, at + chunkSize)
      if (isZero(chunk)) break
      const stored = storedForm(job, chunk)
      copyBytes(slab, used, stored)
      lengths.push(stored.length)
      used += stored.length
    }
    if (lengths.length > 0) runs.push({ first, lengths, crc: crc32(slab.subarray(begun, used)) })
    else at += chunkSize
  }
  sweepAfter(whole)
  return { time, runs }
}
