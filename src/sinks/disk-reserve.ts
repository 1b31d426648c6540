import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import type { Space } from '../cli/space.js'
import { openNameless } from '../platform/nameless-file.js'

const STEP = 1 << 16
/** More than is written or becomes known between two calls. */
const MARGIN = 1 << 20

/** Room on the file system of an output, for what must still be written when the disk is full. */
export interface DiskReserve {
  /**
   * Makes sure that `bytes` are set aside, and some more: what was held before is enough for what has become
   * known since, when this fails.
   * @throws {ToolError} when the disk has no room for them
   */
  hold(bytes: number): void
  /** Gives the room back, to be written by somebody else. */
  release(): void
}

/**
 * A file without a name beside `target`: it is gone with the process, whatever ends that.
 * @param space what it takes counts there
 */
export function openDiskReserve(target: string, space: Space): DiskReserve {
  const fill = Buffer.alloc(STEP)
  let fd: number | undefined
  let held = 0
  return {
    hold(bytes) {
      try {
        fd ??= openNameless(target, 'reserve')
        // Random bytes: a file system that compresses would set no room aside for zeros.
        for (; held < bytes + MARGIN; held += STEP) {
          space.take(target, BigInt(STEP))
          fs.writeSync(fd, randomFillSync(fill), 0, STEP, held)
        }
      } catch (error) {
        if (error instanceof ToolError) throw error
        throw new ToolError(EXIT.io, `${target}: ${asToolError(error).message}`, { cause: error })
      }
    },
    release() {
      if (fd !== undefined) fs.closeSync(fd)
      fd = undefined
      space.giveBack(BigInt(held))
      held = 0
    },
  }
}
