import { launch } from '../../../src/cli/launch.js'
import type { Tool } from '../../../src/cli/tool.js'
import type { Win32 } from '../../../src/platform/windows/win32.js'
import { readWinpmem } from '../../../src/sources/read-winpmem.js'

/** Runs pmem-read-winpmem on a made-up Windows as this process. @param driver the file of its driver */
export function launchScripted(win32: Win32, driver: string): void {
  const tool: Tool = {
    name: 'pmem-read-winpmem',
    role: 'source',
    usage: '',
    summary: 'memory of a made-up Windows',
    options: {},
    operands: [0, 0],
    run: ({ log, io: { transmit, batchesAlive } }) =>
      transmit(readWinpmem(win32, log, { driver, mode: undefined, collect: false, batchesAlive })),
  }
  launch(Promise.resolve({ tool }))
}
