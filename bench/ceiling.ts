import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { compress, decompress } from '../src/codecs/codec.js'
import type { WritableCodec } from '../src/codecs/codec-error.js'
import { isZero } from '../src/codecs/zero.js'
import { type Cost, runPipeline } from './measure.js'

const CHUNK = 32 << 10
const BLOCK = 1 << 20

/**
 * What is done to each thread's share of the file, chunk by chunk, with nothing passed on:
 * `store` reads and compresses it, writes the chunks that are not zeros to a file of the thread's own, and waits until
 * they are on the disk; `load` reads what `store` wrote, decompresses it and feeds it and the zeros to a SHA-256 of each
 * thread.
 */
type Work = 'store' | 'load'

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
 * The least that a task can take: the codec and the system calls, on all cores of one process, which is a process as
 * the one beside it: what its start takes counts.
 */
export const ceiling = (work: Work, file: string, codec: WritableCodec, folder: string): Promise<Cost> =>
  runPipeline(
    [process.execPath, fileURLToPath(import.meta.url), work, file, codec, folder]
      .map((word) => `'${word}'`)
      .join(' '),
  )

async function work([work, file, codec, folder]: string[]): Promise<void> {
  const threads = os.availableParallelism()
  const ended = Array.from({ length: threads }, (_, index) => {
    const workerData = { file, codec, work, folder, index, threads } as Job
    const worker = new Worker(new URL(import.meta.url), { workerData })
    return new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve))
  })
  await Promise.all(ended)
}

async function storeShare(job: Job): Promise<void> {
  const { file, codec, index, threads } = job
  const fd = fs.openSync(file, 'r')
  const { size } = fs.fstatSync(fd)
  // A new file, as our sinks write one: the pages of the one before would cost nothing.
  const fresh = `${shareOf(job)}.new`
  const out = fs.openSync(fresh, 'w')
  const block = Buffer.alloc(BLOCK)
  const lengths: number[] = []
  for (let at = index * BLOCK; at < size; at += threads * BLOCK) {
    const count = fs.readSync(fd, block, 0, BLOCK, at)
    const stored: Uint8Array[] = []
    for (let start = 0; start < count; start += CHUNK) {
      const chunk = block.subarray(start, start + CHUNK)
      const kept = isZero(chunk) ? NOTHING : shorter(compress(codec, chunk), chunk)
      stored.push(kept)
      lengths.push(kept.length)
    }
    fs.writevSync(out, stored)
    // The memory of what lz4 gives is freed in the event loop alone.
    await setImmediate()
  }
  fs.fsyncSync(out)
  fs.renameSync(fresh, shareOf(job))
  fs.writeFileSync(lengthsOf(job), JSON.stringify(lengths))
}

/** What is stored of a chunk of zeros. */
const NOTHING = new Uint8Array()
const contentOf = (codec: WritableCodec, stored: Uint8Array) =>
  stored.length === CHUNK ? stored : decompress(codec, stored, CHUNK)
const shorter = (stored: Uint8Array, chunk: Uint8Array) => (stored.length < chunk.length ? stored : chunk)

async function loadShare(job: Job): Promise<void> {
  const lengths: number[] = JSON.parse(fs.readFileSync(lengthsOf(job), 'utf8'))
  const fd = fs.openSync(shareOf(job), 'r')
  const block = Buffer.alloc(CHUNK * 32)
  const zeros = Buffer.alloc(CHUNK)
  const hash = createHash('sha256')
  for (let from = 0; from < lengths.length; from += 32) {
    const some = lengths.slice(from, from + 32)
    const bytes = some.reduce((sum, length) => sum + length, 0)
    fs.readSync(fd, block, 0, bytes, null)
    let at = 0
    for (const length of some) {
      hash.update(length === 0 ? zeros : contentOf(job.codec, block.subarray(at, at + length)))
      at += length
    }
    await setImmediate()
  }
}

const shareOf = ({ folder, index }: Job) => `${folder}/share-${index}`
const lengthsOf = (job: Job) => `${shareOf(job)}.lengths`

if (!isMainThread) {
  const job = workerData as Job
  if (job.work === 'load') await loadShare(job)
  else await storeShare(job)
} else if (process.argv[1] === fileURLToPath(import.meta.url)) await work(process.argv.slice(2))
