import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { compress, decompress } from '../src/codecs/codec.js'
import type { WritableCodec } from '../src/codecs/codec-error.js'
import { isZero } from '../src/codecs/zero.js'
import type { Cost } from './measure.js'

const CHUNK = 32 << 10
const BLOCK = 1 << 20

/**
 * What is done to each thread's share of the file, chunk by chunk, with nothing passed on:
 * `compress` reads and compresses it; `store` also writes the chunks that are not zeros, to a file of the thread's own,
 * and waits until they are on the disk;
 * `load` reads that file, decompresses it and feeds a SHA-256.
 */
type Work = 'compress' | 'store' | 'load'

interface Job {
  readonly file: string
  readonly codec: WritableCodec
  readonly work: Work
  /** Where `store` writes and `load` reads: a folder. */
  readonly folder: string
  readonly index: number
  readonly threads: number
}

/**
 * The least that a task can take: the codec and the system calls, on all cores of one process.
 * @returns what it took from the moment when all threads were ready
 */
export async function ceiling(work: Work, file: string, codec: WritableCodec, folder: string): Promise<Cost> {
  const threads = os.availableParallelism()
  const workers = Array.from({ length: threads }, (_, index) => {
    const workerData: Job = { file, codec, work, folder, index, threads }
    return new Worker(new URL(import.meta.url), { workerData })
  })
  const next = (worker: Worker) => new Promise((resolve) => worker.once('message', resolve))
  await Promise.all(workers.map(next))
  const began = process.hrtime.bigint()
  const before = process.cpuUsage()
  const done = workers.map(next)
  for (const worker of workers) worker.postMessage('go')
  await Promise.all(done)
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  const { user, system } = process.cpuUsage(before)
  await Promise.all(workers.map((worker) => worker.terminate()))
  return { seconds, processor: (user + system) / 1e6 }
}

/** Compresses the thread's share. @returns the stored lengths of the chunks that are not zeros */
async function compressShare({ file, codec, index, threads }: Job, out?: number): Promise<number[]> {
  const fd = fs.openSync(file, 'r')
  const { size } = fs.fstatSync(fd)
  const block = Buffer.alloc(BLOCK)
  const lengths: number[] = []
  for (let at = index * BLOCK; at < size; at += threads * BLOCK) {
    const count = fs.readSync(fd, block, 0, BLOCK, at)
    const stored: Uint8Array[] = []
    for (let start = 0; start < count; start += CHUNK) {
      const chunk = block.subarray(start, start + CHUNK)
      if (out === undefined) compress(codec, chunk)
      else if (!isZero(chunk)) stored.push(shorter(compress(codec, chunk), chunk))
    }
    if (out !== undefined) {
      fs.writevSync(out, stored)
      lengths.push(...stored.map(({ length }) => length))
    }
    // The memory of what lz4 gives is freed in the event loop alone.
    await setImmediate()
  }
  return lengths
}

const shorter = (stored: Uint8Array, chunk: Uint8Array) => (stored.length < chunk.length ? stored : chunk)

async function loadShare(job: Job, lengths: readonly number[]): Promise<void> {
  const fd = fs.openSync(shareOf(job), 'r')
  const block = Buffer.alloc(CHUNK * 32)
  const hash = createHash('sha256')
  for (let from = 0; from < lengths.length; from += 32) {
    const some = lengths.slice(from, from + 32)
    const bytes = some.reduce((sum, length) => sum + length, 0)
    fs.readSync(fd, block, 0, bytes, null)
    let at = 0
    for (const length of some) {
      const stored = block.subarray(at, at + length)
      hash.update(length === CHUNK ? stored : decompress(job.codec, stored, CHUNK))
      at += length
    }
    await setImmediate()
  }
}

const shareOf = ({ folder, index }: Job) => `${folder}/share-${index}`

if (!isMainThread) {
  const job = workerData as Job
  // A new file, as our sinks write one: the pages of the one before would cost nothing.
  const fresh = `${shareOf(job)}.new`
  const out = job.work === 'compress' ? undefined : fs.openSync(fresh, 'w')
  const lengths = job.work === 'load' ? await compressShare(job, out) : []
  if (job.work === 'load') fs.renameSync(fresh, shareOf(job))
  parentPort!.once('message', async () => {
    if (job.work === 'load') await loadShare(job, lengths)
    else await compressShare(job, out)
    if (job.work === 'store') {
      fs.fsyncSync(out!)
      fs.renameSync(fresh, shareOf(job))
    }
    parentPort!.postMessage('done')
  })
  parentPort!.postMessage('ready')
}
