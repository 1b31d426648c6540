import fs from 'node:fs'
import { Socket } from 'node:net'
import type { ByteInput } from './decode.js'
import { enlargePipe } from './pipe-size.js'

/** Below this a read waits for more, so that a batch is worth its overhead. */
const WORTHWHILE = 256 << 10

/**
 * Standard input, or another descriptor, as a ByteInput.
 *
 * A pipe is opened anew without blocking: what is there is read synchronously, at the price of `cat`, and
 * only an empty pipe is waited for, in the event loop. So signals are seen at any time, and no thread stays
 * behind in a read that would keep the process from exiting.
 */
export function openPipeInput(fd: number, name: string): ByteInput & { close(): void } {
  const stat = fs.fstatSync(fd)
  if (stat.isFile() || stat.isBlockDevice() || stat.isCharacterDevice())
    return { name, read: async (into) => fs.readSync(fd, into, 0, into.length, null), close() {} }

  let own = fd
  if (stat.isFIFO()) {
    enlargePipe(fd)
    try {
      own = fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    } catch {
      // Another user's pipe, or no /proc: the descriptor itself serves, made non-blocking by the socket.
    }
  }
  let target: Buffer
  let arrived: (count: number) => void
  let failed: (error: Error) => void
  let ended = false
  const waiter = new Socket({
    fd: own,
    readable: true,
    writable: false,
    manualStart: true,
    onread: {
      buffer: () => target,
      callback: (count: number) => {
        arrived(count)
        return false
      },
    },
  } as ConstructorParameters<typeof Socket>[0])
  waiter.on('end', () => {
    ended = true
    arrived?.(0)
  })
  waiter.on('error', (error) => failed?.(error))

  const wait = (into: Buffer) =>
    new Promise<number>((resolve, reject) => {
      target = into
      arrived = resolve
      failed = reject
      waiter.resume()
    })

  return {
    name,
    async read(into) {
      let filled = 0
      while (filled < into.length && !ended) {
        const rest = into.subarray(filled)
        let count = readNow(own, rest)
        if (count === undefined) {
          if (filled >= WORTHWHILE) break
          count = await wait(rest)
        }
        if (count === 0) ended = true
        filled += count
      }
      return filled
    },
    close: () => void waiter.destroy(),
  }
}

/** Reads what is there; undefined when nothing is. */
function readNow(fd: number, into: Buffer): number | undefined {
  try {
    return fs.readSync(fd, into, 0, into.length, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw error
  }
}
