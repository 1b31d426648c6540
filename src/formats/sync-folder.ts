import fs from 'node:fs'

/** Makes it durable that a file was created in a folder, renamed or removed. */
export function syncFolder(folder: string): void {
  let fd: number | undefined
  try {
    fd = fs.openSync(folder, 'r')
    fs.fsyncSync(fd)
  } catch {
    // Not every file system syncs directories, not every one may be read; the file itself is safe.
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}
