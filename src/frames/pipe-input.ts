import fs from 'node:fs'
import { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { readUninterrupted } from '../platform/read-uninterrupted.js'
import type { ByteInput } from './decode.js'
import { pipeGrowth } from './pipe-size.js'

/** Below this a read waits for more, so that a batch is worth its overhead. */
const WORTHWHILE = 256 << 10

/** A pipe of Windows blocks who reads it: there the event loop reads, and never we. */
const READS_BLOCK = process.platform === 'win32'

/** A loop of synchronous reads lets the event loop run, and so signals be seen, at least this often. */
const LONGEST_LOOP_MS = 50

/**
 * Standard input, or another descriptor, as a ByteInput.
 *
 * A pipe is opened anew without blocking: what is there is read synchronously, at the price of `cat`, and
 * only an empty pipe is waited for, in the event loop. So signals are seen at any time, and no thread stays
 * behind in a read that would keep the process from exiting.
 */
export function openPipeInput(fd: number, name: string): ByteInput & { close(): void } {
  const stat = fs.fstatSync(fd)
  const waits = stat.isFIFO() || stat.isSocket()
  const carried = stat.isFIFO() ? pipeGrowth(fd) : () => {}
  const own = stat.isFIFO() ? reopened(fd) : fd
  const waiter = waits ? openWaiter(own) : undefined
  let closed = false
  let looping = performance.now()

  /** Reads what is there; undefined when nothing is. */
  function readNow(into: Buffer): number | undefined {
    if (waits && READS_BLOCK) return undefined
    try {
      return readUninterrupted(own, into, 0, into.length, null)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
      throw Object.assign(error as Error, { path: name })
    }
  }

  async function readWaiting(waiter: Waiter, into: Buffer): Promise<number> {
    let filled = 0
    while (filled < into.length && !closed) {
      const left = into.subarray(filled)
      const count = waiter.take(left) || (waiter.ended() ? 0 : readNow(left))
      if (count === 0) break
      if (count !== undefined) filled += count
      else if (filled >= WORTHWHILE) break
      else {
        // An empty pipe alone is waited for: libuv takes what it has just read less of than it could to be at its end.
        await waiter.wait()
        looping = performance.now()
      }
    }
    return filled
  }

  return {
    name,
    async read(into) {
      if (performance.now() - looping > LONGEST_LOOP_MS) {
        await setImmediate()
        looping = performance.now()
      }
      if (closed) return 0
      const count = waiter ? await readWaiting(waiter, into) : (readNow(into) ?? 0)
      carried(count)
      return count
    },
    /** Input ends here, also for a read that waits. */
    close() {
      closed = true
      waiter?.close()
    },
  }
}

/** A pipe, opened anew so that only we see it as non-blocking. */
function reopened(fd: number): number {
  try {
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  } catch {
    // Another user's pipe, or no /proc: the descriptor itself serves, made non-blocking by the socket.
    return fd
  }
}

interface Waiter {
  /** Resolves when there is something to take, or the end, or `close` was called. */
  wait(): Promise<void>
  /** Takes what came while waiting. */
  take(into: Buffer): number
  ended(): boolean
  close(): void
}

/** Waits for bytes in the event loop. The first of them come with the news: they are in `take`. */
function openWaiter(fd: number): Waiter {
  const buffer = Buffer.alloc(64 << 10)
  let rest = buffer.subarray(0, 0)
  let ended = false
  let resume = () => {}
  let fail: (error: Error) => void = () => {}
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    manualStart: true,
    onread: {
      buffer,
      callback: (count: number) => {
        rest = buffer.subarray(0, count)
        resume()
        return false
      },
    },
  } as ConstructorParameters<typeof Socket>[0])
  socket.on('end', () => {
    ended = true
    resume()
  })
  socket.on('error', (error) => fail(error))
  return {
    wait: () =>
      new Promise((resolve, reject) => {
        resume = resolve
        fail = reject
        socket.resume()
      }),
    take(into) {
      const count = rest.copy(into)
      rest = rest.subarray(count)
      return count
    },
    ended: () => ended,
    close() {
      socket.destroy()
      resume()
    },
  }
}
