import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readUninterrupted } from '../../src/platform/read-uninterrupted.js'
import { WIN32_ERROR, Win32Error } from '../../src/platform/windows/win32.js'
import { scriptWin32 } from '../platform/windows/scripted-win32.js'
import { launchScripted } from '../sources/winpmem/launch-scripted.js'
import { RUNS } from './ranges.js'

/*
 * pmem-read-winpmem on a made-up Windows, as a program: its memory is a file, whose reads may be struck, and as long as
 * its driver is loaded there is a file that says so.
 *   node scripted-winpmem.js MEMORY DRIVER
 */
export const LOADED = 'winpmem-is-loaded'
const [memory, driver] = process.argv.splice(2, 2) as [string, string]
const fd = fs.openSync(memory, 'r')
const loaded = path.join(tmpdir(), LOADED)

const win32 = scriptWin32({
  ranges: RUNS.map(([start, end]) => ({ start: BigInt(start), length: BigInt(end - start) })),
  onCall(call) {
    if (call.startsWith('StartServiceW')) fs.writeFileSync(loaded, '')
    if (call.startsWith('DeleteService')) fs.rmSync(loaded)
  },
  memory(address, into) {
    try {
      return readUninterrupted(fd, into, 0, into.length, address)
    } catch {
      throw new Win32Error('NtReadFile', WIN32_ERROR.IO_DEVICE)
    }
  },
})

launchScripted(win32, driver)
