import { serveJobs } from '../../src/codecs/thread-pool.js'
import { square } from './square.js'

serveJobs(square)
