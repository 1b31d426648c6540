import fs from 'node:fs'
import { loadLibc } from './libc.js'

/** Nanoseconds since the epoch. */
export interface FileTimes {
  readonly accessed: bigint
  readonly written: bigint
}

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const SECOND = 1_000_000_000n

let utimensat: ((...values: unknown[]) => number) | undefined

/**
 * Sets the times of a file, a folder or a link itself: to the nanosecond where koffi is installed, else to the
 * millisecond, since the numbers that Node takes hold no more.
 * @throws the operating system's error
 */
export function setFileTimes(path: Buffer, { accessed, written }: FileTimes): void {
  const libc = loadLibc()
  if (!libc) {
    fs.lutimesSync(path, new Date(milliseconds(accessed)), new Date(milliseconds(written)))
    return
  }
  utimensat ??= libc.func('int utimensat(int fd, const uint8_t *path, const int64_t *times, int flags)')
  const times = BigInt64Array.of(...timespec(accessed), ...timespec(written))
  if (utimensat(AT_FDCWD, Buffer.concat([path, Buffer.alloc(1)]), times, AT_SYMLINK_NOFOLLOW) !== 0)
    throw libc.error('utimensat')
}

/** Seconds and nanoseconds, which never are negative. */
function timespec(time: bigint): [bigint, bigint] {
  const rest = ((time % SECOND) + SECOND) % SECOND
  return [(time - rest) / SECOND, rest]
}

const milliseconds = (time: bigint) => Number(time) / 1e6
