import { execFileSync } from 'node:child_process'
import path from 'node:path'

/** What goes wrong in one process: the words of fault.c. */
export interface Plan {
  kind: string
  calls: 'read' | 'write' | 'sync' | 'name' | 'truncate' | 'clock'
  where: string
  at: number
  number: number
}

/** Builds the object that is preloaded. @returns its path */
export function buildPreload(folder: string): string {
  const object = path.join(folder, 'fault.so')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', object, 'test/faults/fault.c', '-ldl'])
  return object
}

/** What the process has in its environment for it. @param log gets a line when it happens */
export const planned = (object: string, { kind, calls, where, at, number }: Plan, log: string) => ({
  LD_PRELOAD: object,
  FAULT: `${kind} ${calls} ${where} ${at} ${number}`,
  FAULT_LOG: log,
  // Else libuv makes some of the calls in the kernel alone.
  UV_USE_IO_URING: '0',
})
