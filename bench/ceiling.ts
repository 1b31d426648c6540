import fs from 'node:fs'
import os from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { compress, type WritableCodec } from '../src/codecs/codec.js'
import type { Cost } from './measure.js'

const CHUNK = 32 << 10
const BLOCK = 1 << 20

/**
 * The codec alone, on all cores of one process: each thread reads its share of the file and compresses it chunk by
 * chunk. Nothing is passed on, nothing is written.
 * @returns what it took from the moment when all threads were ready
 */
export async function codecCeiling(file: string, codec: WritableCodec): Promise<Cost> {
  const threads = os.availableParallelism()
  const workers = Array.from(
    { length: threads },
    (_, index) => new Worker(new URL(import.meta.url), { workerData: { file, codec, index, threads } }),
  )
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

if (!isMainThread) {
  const { file, codec, index, threads } = workerData as {
    file: string
    codec: WritableCodec
    index: number
    threads: number
  }
  const fd = fs.openSync(file, 'r')
  const { size } = fs.fstatSync(fd)
  const block = Buffer.alloc(BLOCK)
  parentPort!.once('message', async () => {
    for (let at = index * BLOCK; at < size; at += threads * BLOCK) {
      const count = fs.readSync(fd, block, 0, BLOCK, at)
      for (let chunk = 0; chunk < count; chunk += CHUNK) compress(codec, block.subarray(chunk, chunk + CHUNK))
      // The memory of what lz4 gives is freed in the event loop alone.
      await setImmediate()
    }
    parentPort!.postMessage('done')
  })
  parentPort!.postMessage('ready')
}
