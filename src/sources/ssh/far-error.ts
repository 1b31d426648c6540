import os from 'node:os'
import type { Ending } from './protocol.js'

/** What C libraries and shells say for errors of the system. */
const WORDS: readonly [RegExp, keyof typeof os.constants.errno][] = [
  [/permission denied$/i, 'EACCES'],
  [/operation not permitted$/i, 'EPERM'],
  [/no such file(?: or directory)?$|nonexistent directory$/i, 'ENOENT'],
  [/not a directory$/i, 'ENOTDIR'],
  [/is a directory$/i, 'EISDIR'],
  [/no such process$/i, 'ESRCH'],
  [/no such device(?: or address)?$/i, 'ENXIO'],
  [/bad address$/i, 'EFAULT'],
  [/input\/output error$|i\/o error$/i, 'EIO'],
  [/cannot allocate memory$|out of memory$/i, 'ENOMEM'],
]

/** What dd counts. */
const COUNTS = /records (?:in|out)$|copied/

/** An error of a far system, as Node tells those of its own. */
export function farError({ status, complaint }: Ending, path: string): NodeJS.ErrnoException {
  const words = complaint
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !COUNTS.test(line))
  const last = words.at(-1) ?? `dd ended with status ${status}`
  const [, code] = WORDS.find(([pattern]) => pattern.test(last)) ?? [undefined, 'EREMOTEIO']
  return Object.assign(new Error(`${code}: ${last.replace(/^.*: /, '')}`), {
    code,
    errno: -(os.constants.errno as Record<string, number>)[code]! || -os.constants.errno.EIO,
    syscall: status === undefined ? 'open' : 'read',
    path,
  })
}
