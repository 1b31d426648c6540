import { parentPort, workerData } from 'node:worker_threads'
import { type ChunkJob, type ChunkReply, type ChunkSettings, runChunkJob } from './chunk-job.js'

/** The thread behind a chunk compressor. */
const settings: ChunkSettings = workerData
const port = parentPort!
port.on('message', (job: ChunkJob) => {
  // Node hands over waiting messages without turning the event loop, where dead buffers are freed.
  setImmediate(() => port.postMessage(answer(job)))
})

function answer(job: ChunkJob): ChunkReply {
  try {
    return { id: job.id, lengths: runChunkJob(settings, job) }
  } catch (error) {
    return { id: job.id, error: error instanceof Error ? error.message : String(error) }
  }
}
