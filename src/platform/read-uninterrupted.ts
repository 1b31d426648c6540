import fs from 'node:fs'

/**
 * Reads like `fs.readSync`, and again where the system has interrupted it: of all calls on files, Node makes only reads and
 * closes once.
 * @throws the operating system's error
 */
export function readUninterrupted(
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  position: bigint | number | null,
): number {
  for (;;)
    try {
      return fs.readSync(fd, into, at, length, position)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error
    }
}
