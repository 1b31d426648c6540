import fs from 'node:fs'
import { readUninterrupted } from '../platform/read-uninterrupted.js'

/** Less is read before another thread has even woken. */
export const WORTH_TWO = 1 << 20
/** Less than a half for this thread, which has other work while the other one still reads. */
const OWN_SHARE = 2 / 5
/** Where the other share begins: at whole pages. */
const UNIT = 64 << 10

/**
 * Fills the target from a file by two threads: this one reads its share at once, another one the rest meanwhile.
 * @param target at least WORTH_TWO bytes; nobody writes into it any more once the promise is fulfilled
 * @returns whether it could; why not is for a plain read to tell
 */
export async function readInTwo(fd: number, position: bigint, target: Buffer): Promise<boolean> {
  const middle = Math.floor((target.length * OWN_SHARE) / UNIT) * UNIT
  const rest = target.length - middle
  const second = new Promise<boolean>((resolve) => {
    fs.read(fd, target, middle, rest, position + BigInt(middle), (error, count) =>
      resolve(!error && count === rest),
    )
  })
  const first = readNow(fd, position, target, 0, middle)
  return (await second) && first
}

/** Fills a part of the target by one read in this thread. @returns whether it could */
export function readNow(fd: number, position: bigint, target: Buffer, at: number, length: number): boolean {
  try {
    return readUninterrupted(fd, target, at, length, position) === length
  } catch {
    return false
  }
}
