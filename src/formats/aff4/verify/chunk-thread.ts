import { serveJobs } from '../../../codecs/thread-pool.js'
import { checkChunks } from './chunk-job.js'

/** The thread behind the checks of chunks. */
serveJobs(checkChunks)
