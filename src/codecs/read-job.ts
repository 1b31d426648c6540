import fs from 'node:fs'
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

let scratch = Buffer.alloc(0)

/** @returns undefined when not all could be read: who sent the job finds out why */
export function runReadJob(job: ReadJob): ReadJobResult | undefined {
  const { chunkSize, length } = job
  const whole = Math.ceil(length / chunkSize) * chunkSize
  if (scratch.length < whole) scratch = Buffer.allocUnsafeSlow(whole)
  const input = scratch.subarray(0, whole)
  if (!isWhole(job, input)) return undefined
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

function isWhole({ fd, position, length }: ReadJob, input: Buffer): boolean {
  try {
    return fs.readSync(fd, input, 0, length, position) === length
  } catch {
    return false
  }
}
