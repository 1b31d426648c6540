import { availableParallelism } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { parentPort, type TransferListItem, Worker } from 'node:worker_threads'
import { giveNotice, type Notice, onNotice } from './notices.js'

/** Does jobs on several threads, this one among them. */
export interface ThreadPool<Job, Result> {
  /** As many jobs in flight keep all threads busy. */
  readonly depth: number
  /**
   * Does a job on the first thread that is up and has not enough to do; here, where none has come to that by the next
   * turn of the event loop. Jobs begin in their order, and here one at a time.
   * @param bytes how much work it is
   * @param transfer memory that goes to the thread with the job
   * @throws what the job threw, as an Error with its message where a thread did it
   */
  run(job: Job, bytes: number, transfer?: readonly TransferListItem[]): Promise<Result>
  /** Starts the threads before the first job, for work that is known to be worth them. */
  start(): void
  /** Rejects the jobs in flight, and resolves when the threads have ended, which finish what they have begun. */
  close(): Promise<void>
}

export interface ThreadPoolOptions<Job, Result> {
  /** The module of a thread, which calls `serveJobs` with the same work. */
  readonly module: URL
  readonly work: (job: Job) => Result | Promise<Result>
  /** Besides this one. */
  readonly threads: number
  /** That a thread has at most, the one that it does among them: two unless this one is long away. */
  readonly jobsPerThread?: number
}

/** One thread for each core that this process may use, this one among them. */
export const threadsBesides = (most: number): number => Math.min(availableParallelism() - 1, most)

/** Starting threads takes longer than this much work, so short input never pays for it. */
const BYTES_BEFORE_THREADS = 2 << 20
/** One job running and one waiting keep a thread busy. */
const JOBS_PER_THREAD = 2
/** threadId of a Worker that has ended. */
const ENDED = -1

interface Pending<Result> {
  resolve(result: Result): void
  reject(error: unknown): void
}
interface Waiting<Job, Result> extends Pending<Result> {
  readonly job: Job
  readonly bytes: number
  readonly transfer: readonly TransferListItem[]
}
interface Thread<Result> {
  readonly worker: Worker
  readonly jobs: Map<number, Pending<Result>>
  online: boolean
}
interface Request<Job> {
  readonly id: number
  readonly job: Job
}
/** What a thread is sent when nothing more is to come. */
const LAST = null
type Reply<Result> =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly error: string }
/** What a thread noticed while it worked. */
interface Aside {
  readonly notice: Notice
}

/** Opens a pool. Threads start once there is work for them. */
export function openThreadPool<Job, Result>(
  options: ThreadPoolOptions<Job, Result>,
): ThreadPool<Job, Result> {
  const { jobsPerThread = JOBS_PER_THREAD } = options
  const threads: Thread<Result>[] = []
  const waiting: Waiting<Job, Result>[] = []
  let begun = 0
  let worksHere = false
  let doneHere = 0
  let failure: Error | undefined

  function start() {
    while (!failure && threads.length < options.threads) threads.push(startThread())
  }

  function startThread(): Thread<Result> {
    const worker = new Worker(options.module)
    const thread: Thread<Result> = { worker, jobs: new Map(), online: false }
    worker.on('online', () => {
      thread.online = true
      handOut()
    })
    worker.on('message', (reply: Reply<Result> | Aside) => {
      if ('notice' in reply) return giveNotice(reply.notice)
      const pending = thread.jobs.get(reply.id)
      // Nobody waits for it any more.
      if (!pending) return
      thread.jobs.delete(reply.id)
      if ('error' in reply) pending.reject(new Error(reply.error))
      else pending.resolve(reply.result)
      handOut()
    })
    worker.on('error', fail)
    worker.on('exit', () => fail(new Error('a thread ended before its work was done')))
    return thread
  }

  /** One that is stopped while it calls zlib takes the process along (an assertion in Node). */
  async function endThread({ worker, online }: Thread<Result>): Promise<void> {
    if (!online) await worker.terminate()
    else if (worker.threadId !== ENDED)
      await new Promise<void>((resolve) => {
        worker.once('exit', () => resolve())
        worker.postMessage(LAST)
      })
  }

  function fail(error: Error) {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
    for (const { jobs } of threads) {
      for (const pending of jobs.values()) pending.reject(failure)
      jobs.clear()
    }
  }

  /** The thread with the least to do, if one is up and has not enough yet. */
  function freeThread(): Thread<Result> | undefined {
    let best: Thread<Result> | undefined
    for (const thread of threads)
      if (thread.online && thread.jobs.size < (best?.jobs.size ?? jobsPerThread)) best = thread
    return best
  }

  function handOut(): void {
    for (let thread = freeThread(); thread && waiting.length > 0; thread = freeThread()) {
      const { job, transfer, ...pending } = waiting.shift()!
      const id = begun++
      thread.jobs.set(id, pending)
      const request: Request<Job> = { id, job }
      thread.worker.postMessage(request, transfer)
    }
  }

  async function workHere(): Promise<void> {
    worksHere = true
    while (waiting.length > 0) {
      // What threads have done is known, threads come up, signals arrive and lz4's buffers are freed only when the event
      // loop turns.
      await setImmediate()
      const next = waiting.shift()
      if (!next) break
      doneHere += next.bytes
      try {
        next.resolve(await options.work(next.job))
      } catch (error) {
        next.reject(error)
      }
    }
    worksHere = false
  }

  return {
    depth: options.threads * jobsPerThread + 1,
    start,
    run(job, bytes, transfer = []) {
      if (failure) return Promise.reject(failure)
      if (doneHere >= BYTES_BEFORE_THREADS) start()
      return new Promise((resolve, reject) => {
        waiting.push({ job, bytes, transfer, resolve, reject })
        handOut()
        if (waiting.length > 0 && !worksHere) void workHere()
      })
    },
    async close() {
      fail(new Error('the threads are closed'))
      await Promise.all(threads.map(endThread))
    },
  }
}

/** What the module of a thread does: the jobs that it is sent, one after another. */
export function serveJobs<Job, Result>(work: (job: Job) => Result): void {
  const port = parentPort!
  onNotice((notice) => port.postMessage({ notice } satisfies Aside))
  port.on('message', (request: Request<Job> | typeof LAST) => {
    // Node hands over waiting messages without turning the event loop, where dead buffers are freed.
    globalThis.setImmediate(() => {
      if (request === LAST) port.close()
      else port.postMessage(answer(request.id, request.job))
    })
  })
  function answer(id: number, job: Job): Reply<Result> {
    try {
      return { id, result: work(job) }
    } catch (error) {
      return { id, error: error instanceof Error ? error.message : String(error) }
    }
  }
}
