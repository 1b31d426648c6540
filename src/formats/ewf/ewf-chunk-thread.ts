import { serveJobs } from '../../codecs/thread-pool.js'
import { decodeChunks } from './chunk-job.js'

/** The thread behind the reading of EWF images. */
serveJobs(decodeChunks)
