import { createRequire } from 'node:module'
import { getSystemErrorMap } from 'node:util'

export interface Libc {
  /** A function of the C library by its C prototype. */
  func(prototype: string): (...values: unknown[]) => number
  /** The error of the call that has just failed, as Node would throw it. */
  error(syscall: string): NodeJS.ErrnoException
}

let loaded: Libc | undefined | null

/** The C library, for what Node has no call for; undefined where koffi is not installed. */
export function loadLibc(): Libc | undefined {
  if (loaded === undefined) loaded = load() ?? null
  return loaded ?? undefined
}

function load(): Libc | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const library = koffi.load('libc.so.6')
    return {
      func: (prototype) => library.func(prototype) as (...values: unknown[]) => number,
      error(syscall) {
        const errno = koffi.errno()
        const [code, words] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, `error ${errno}`]
        return Object.assign(new Error(`${code}: ${words}, ${syscall}`), { code, errno, syscall })
      },
    }
  } catch {
    return undefined
  }
}
