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
  const waitedFor = Buffer.alloc(64 << 10)
  /** What came while waiting and has not been taken yet. */
  let rest = waitedFor.subarray(0, 0)
  let arrived: () => void
  let failed: (error: Error) => void
  let ended = false
  const waiter = new Socket({
    fd: own,
    readable: true,
    writable: false,
    manualStart: true,
    onread: {
      buffer: waitedFor,
      callback: (count: number) => {
        rest = waitedFor.subarray(0, count)
        arrived()
        return false
      },
    },
  } as ConstructorParameters<typeof Socket>[0])
  waiter.on('end', () => {
    ended = true
    arrived?.()
  })
  waiter.on('error', (error) => failed?.(error))

  const wait = () =>
    new Promise<void>((resolve, reject) => {
      arrived = resolve
      failed = reject
      waiter.resume()
    })

  return {
    name,
    async read(into) {
      let filled = 0
      while (filled < into.length) {
        if (rest.length > 0) {
          const count = rest.copy(into, filled)
          rest = rest.subarray(count)
          filled += count
          continue
        }
        const count = ended ? 0 : readNow(own, into.subarray(filled))
        if (count === 0) break
        if (count !== undefined) filled += count
        else if (filled >= WORTHWHILE) break
        else await wait()
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
