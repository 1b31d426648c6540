import fs from 'node:fs'
import { loadLibc } from './libc.js'

/**
 * One call for many files: takes a folder, and gives what makes all that was written to its file system durable, also
 * when the folder cannot be opened any more.
 * @returns undefined where koffi is not installed
 */
export function openFileSystemSync(): ((folder: Buffer) => () => void) | undefined {
  const libc = loadLibc()
  if (!libc) return undefined
  const syncfs = libc.func('int syncfs(int fd)')
  return (folder) => {
    const fd = fs.openSync(folder, fs.constants.O_RDONLY)
    return () => {
      try {
        if (syncfs(fd) !== 0) throw libc.error('syncfs')
      } finally {
        fs.closeSync(fd)
      }
    }
  }
}
