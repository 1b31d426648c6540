import fs from 'node:fs'

/** Makes it durable that a file was created in a folder, renamed or removed. */
export function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } catch {
    // Not every file system syncs directories; the file itself is safe.
  } finally {
    fs.closeSync(fd)
  }
}
