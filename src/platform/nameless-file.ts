import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

/**
 * Opens an empty file without a name, on the file system of `beside`: it is gone with the process, whatever ends that.
 * @param ending of the name that it has for a moment
 * @throws the operating system's error
 */
export function openNameless(beside: string, ending: string): number {
  // Nobody can have put a file there, or a link to one.
  const name = path.join(path.dirname(beside), `.pmem-${randomBytes(12).toString('hex')}.${ending}`)
  const fd = fs.openSync(name, 'wx', 0o600)
  try {
    fs.unlinkSync(name)
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}
