import fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildDriver, buildProgram } from '../test/real/winpmem/programs.js'
import { openWindows, type Program } from '../test/real/winpmem/wine.js'
import { type Cost, inTurn } from './measure.js'

/**
 * npm run bench:winpmem: what it costs to read a driver of Windows through koffi, beside a program in C that only
 * reads, both under Wine. Needs what test/setup installs.
 */
const ROUNDS = 5
const TARGET = 0.8
const READER = fileURLToPath(new URL('../../bench/read-driver.c', import.meta.url))

/** As pmem-read-winpmem reads, without what it makes of it. */
const KOFFI = `
  const { win32ForThisMachine } = await import('./pmem/dist/src/platform/windows/this-machine.js')
  const win32 = win32ForThisMachine()
  const device = win32.openDevice('\\\\\\\\.\\\\pmem', 'read-write')
  const into = Buffer.alloc(Number(process.argv[1]))
  const began = performance.now()
  const used = process.cpuUsage()
  for (let at = 0x100001000; at < 0x110000000; ) {
    const place = into.subarray(0, Math.min(into.length, 0x110000000 - at))
    at += await win32.read(device, BigInt(at), place)
  }
  const { user, system } = process.cpuUsage(used)
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1e3, processor: (user + system) / 1e6 }))`

/** Processor time of Wine's server, the driver and the like by now, by process. */
function serverTimes(folder: string): Map<string, number> {
  const times = new Map<string, number>()
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      if (!fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`WINEPREFIX=${folder}/`)) continue
      // Behind the name, in parentheses: utime and stime are the 12th and 13th, in hundredths of a second.
      const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')
      times.set(pid, (Number(fields[11]) + Number(fields[12])) / 100)
    } catch {
      // It has ended, or is another user's.
    }
  return times
}

const windows = await openWindows()
try {
  const driver = await buildDriver(windows.folder, { ABI: 20, LARGE: 1 })
  const reader = join(windows.folder, 'read-driver.exe')
  await buildProgram(reader, READER)
  const measured = (program: Program) => async (): Promise<Cost> => {
    const before = serverTimes(windows.folder)
    const { statuses, stdout, stderr } = await windows.run([program])
    if (statuses[0] !== 0) throw new Error(`${program[0]}: status ${statuses[0]}: ${stderr}`)
    const { seconds, processor } = JSON.parse(stdout.toString('utf8')) as Cost
    const after = serverTimes(windows.folder)
    const servers = [...before].map(([pid, time]) => (after.get(pid) ?? time) - time)
    return { seconds, processor: servers.reduce((sum, time) => sum + time, processor) }
  }
  await windows.run([['pmem-read-winpmem', '--load', '--driver', driver]])
  for (const mebibytes of [1, 4]) {
    const block = String(mebibytes << 20)
    const { c, koffi, others } = await inTurn(ROUNDS, {
      c: measured([reader, block]),
      koffi: measured(['node', '--input-type=module', '-e', KOFFI, block]),
    })
    const rate = ({ seconds, processor }: Cost) =>
      `${(256 / seconds).toFixed(0)} MiB/s with ${processor.toFixed(2)} s of processor`
    console.log(
      `256 MiB of a driver in reads of ${mebibytes} MiB, koffi / C   ${(c.seconds / koffi.seconds).toFixed(2)}  processor ${(c.processor / koffi.processor).toFixed(2)}  to reach ${TARGET}\n` +
        `  koffi ${rate(koffi)}; C ${rate(c)}\n` +
        `  meanwhile other programs had ${Math.round(others * 100)} % of the processors`,
    )
  }
} finally {
  await windows.close()
}
