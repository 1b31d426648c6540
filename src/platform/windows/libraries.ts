import { createRequire } from 'node:module'
import { EXIT, ToolError } from '../../cli/exit.js'
import { Win32Error } from './win32.js'

/** A function of Windows, called by its values: addresses are buffers, handles and sizes numbers. */
export type Call = (...values: unknown[]) => number | bigint

export interface Library {
  /** A function by its C prototype. */
  func(prototype: string): Call
  /** The same, called in a thread of its own. GetLastError knows nothing of it. */
  asyncFunc(prototype: string): (...values: unknown[]) => Promise<number | bigint>
}

export interface Libraries {
  open(name: string): Library
  /** Throws what GetLastError says; to be called right after the function that failed. */
  fail(syscall: string, subject?: string): never
  /** What GetLastError says: likewise. */
  lastError(): number
}

/**
 * The system libraries of Windows.
 * @throws {ToolError} where koffi is not installed, or this is no Windows
 */
export function loadLibraries(): Libraries {
  if (process.platform !== 'win32')
    throw new ToolError(EXIT.unavailable, 'this is not Windows, and its drivers are not here')
  const koffi = loadKoffi()
  const inUse = new Set<readonly unknown[]>()
  const open = (name: string): Library => {
    const library = koffi.load(name)
    return {
      func: (prototype) => library.func(prototype) as Call,
      asyncFunc(prototype) {
        const call = library.func(prototype)
        return (...values) =>
          new Promise((resolve, reject) => {
            // Nothing else may hold the buffers whose addresses the thread has.
            inUse.add(values)
            call.async(...values, (error: unknown, result: number | bigint) => {
              inUse.delete(values)
              if (error) reject(error)
              else resolve(result)
            })
          })
      },
    }
  }
  const getLastError = open('kernel32.dll').func('uint32_t __stdcall GetLastError()')
  const lastError = () => Number(getLastError())
  return {
    open,
    lastError,
    fail: (syscall, subject) => {
      throw new Win32Error(syscall, lastError(), subject)
    },
  }
}

function loadKoffi(): typeof import('koffi') {
  try {
    return createRequire(import.meta.url)('koffi')
  } catch (error) {
    throw new ToolError(EXIT.unavailable, 'koffi, which calls Windows, is not installed', {
      hint: 'npm install -g koffi puts it beside the tools',
      cause: error,
    })
  }
}
