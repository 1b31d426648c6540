import { createReadJobs } from './read-job.js'
import { serveJobs } from './thread-pool.js'

/** The thread behind a chunk reader. */
serveJobs(createReadJobs().run)
