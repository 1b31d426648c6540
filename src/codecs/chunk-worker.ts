import { runChunkJob } from './chunk-job.js'
import { serveJobs } from './thread-pool.js'

/** The thread behind a chunk compressor. */
serveJobs(runChunkJob)
