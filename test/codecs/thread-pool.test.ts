import { threadId } from 'node:worker_threads'
import test from 'ava'
import { openThreadPool } from '../../src/codecs/thread-pool.js'
import { type Square, square } from './square.js'

const open = (threads: number) =>
  openThreadPool<number, Square>({
    module: new URL('./square-thread.js', import.meta.url),
    work: square,
    threads,
  })

/** Keeps as many jobs in flight as the pool wants, until a thread has done some. */
async function squares(threads: number) {
  const pool = open(threads)
  const done: Square[] = []
  let next = 0
  try {
    do {
      const jobs = Array.from({ length: pool.depth }, () => pool.run(next++, 1 << 20))
      done.push(...(await Promise.all(jobs)))
    } while (threads > 0 && done.every(({ thread }) => thread === threadId))
  } finally {
    await pool.close()
  }
  return done
}

test('every job is done, here and on threads', async (t) => {
  for (const threads of [0, 1, 3]) {
    const done = await squares(threads)
    t.deepEqual(
      done.map((result) => result.square),
      done.map((_, number) => number * number),
    )
    t.is(new Set(done.map(({ thread }) => thread)).size > 1, threads > 0)
  }
})

test('a job that fails leaves the others alone; a pool that is closed takes none', async (t) => {
  const pool = open(1)
  await t.throwsAsync(pool.run(-1, 1), { message: '-1 is negative' })
  for (let number = 0; number < 1000; number++) {
    const [failed, done] = await Promise.allSettled([
      pool.run(-number - 1, 1 << 20),
      pool.run(number, 1 << 20),
    ])
    t.is(failed.status, 'rejected')
    if (done.status === 'rejected') throw done.reason
    if (done.value.thread !== threadId) break
  }
  await pool.close()
  await t.throwsAsync(pool.run(1, 1), { message: 'the threads are closed' })
})

test('a thread that dies rejects the jobs it has, and those that come after', async (t) => {
  const dies = `import { parentPort } from 'node:worker_threads'
    parentPort.once('message', () => process.exit())`
  const pool = openThreadPool<number, number>({
    module: new URL(`data:text/javascript,${encodeURIComponent(dies)}`),
    work: (number) => number,
    threads: 1,
  })
  pool.start()
  const message = 'a thread ended before its work was done'
  const manyJobs = async () => {
    for (;;) await Promise.all(Array.from({ length: pool.depth }, () => pool.run(1, 0)))
  }
  await t.throwsAsync(manyJobs(), { message })
  await t.throwsAsync(pool.run(1, 0), { message })
  await pool.close()
})
