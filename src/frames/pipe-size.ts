import { createRequire } from 'node:module'

const F_SETPIPE_SZ = 1031
const MEBIBYTE = 1 << 20
/** Who sends less is done before loading koffi, 30 ms of processor time, has paid. */
const WORTH_ENLARGING = 4 * MEBIBYTE

/**
 * Enlarges a pipe once it has carried so much that this is worth its cost.
 * @returns what is told how many bytes went through
 */
export function pipeGrowth(fd: number): (bytes: number) => void {
  let left = WORTH_ENLARGING
  return (bytes) => {
    if (left <= 0) return
    left -= bytes
    if (left <= 0) enlargePipe(fd)
  }
}

/**
 * Enlarges a Linux pipe to 1 MiB where koffi is installed: fewer, longer reads and writes. Without koffi,
 * or against the user's pipe quota, the pipe stays as it is.
 */
function enlargePipe(fd: number): void {
  if (process.platform !== 'linux') return
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const fcntl = koffi.load('libc.so.6').func('int fcntl(int, int, int)')
    fcntl(fd, F_SETPIPE_SZ, MEBIBYTE)
  } catch {
    // Not installed.
  }
}
