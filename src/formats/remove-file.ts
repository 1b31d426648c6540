import fs from 'node:fs'

/**
 * Removes a file, where it is there. In Node 24 the errors of `rmSync` have no code.
 * @throws what the system says
 */
export function removeFile(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
