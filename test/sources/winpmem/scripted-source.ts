import fs from 'node:fs'
import { scriptWin32 } from '../../platform/windows/scripted-win32.js'
import { launchScripted } from './launch-scripted.js'

/*
 * pmem-read-winpmem on a made-up Windows with 4 GiB of memory, as a program: every call of Windows is written to a file.
 *   node scripted-source.js LOG DRIVER
 */
const [calls, driver] = process.argv.splice(2, 2) as [string, string]
const win32 = scriptWin32({
  ranges: [{ start: 0x1000n, length: 0x1_0000_0000n }],
  onCall: (call) => fs.appendFileSync(calls, `${call}\n`),
})

process.on('SIGUSR2', () => {
  throw new Error('a defect')
})

launchScripted(win32, driver)
