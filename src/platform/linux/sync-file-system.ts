import fs from 'node:fs'
import { loadLibc } from './libc.js'

/**
 * One call for many files: makes all that was written to a file system durable.
 * @returns undefined where koffi is not installed
 */
export function openFileSystemSync(): ((path: Buffer) => void) | undefined {
  const libc = loadLibc()
  if (!libc) return undefined
  const syncfs = libc.func('int syncfs(int fd)')
  return (path) => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY)
    try {
      if (syncfs(fd) !== 0) throw libc.error('syncfs')
    } finally {
      fs.closeSync(fd)
    }
  }
}
