import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { PATIENCE } from '../../cli/shell.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-endings-'))
const temporary = path.join(folder, 'tmp')
const DRIVER = path.join(folder, 'driver.sys')
fs.mkdirSync(temporary)
fs.writeFileSync(DRIVER, 'MZ')
test.after.always(() => fs.rmSync(folder, { recursive: true }))

/** Starts the source, and lets it send a megabyte. */
async function begun(name: string): Promise<{ child: ChildProcess; calls: () => string[] }> {
  const log = path.join(folder, name)
  const program = path.resolve('dist/test/sources/winpmem/scripted-source.js')
  const child = spawn(process.execPath, [program, log, DRIVER], {
    ...PATIENCE,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: temporary },
  })
  let sent = 0
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    sent += (chunk as Buffer).length
    if (sent > 1 << 20) break
  }
  return { child, calls: () => fs.readFileSync(log, 'utf8').split('\n').slice(0, -1) }
}

const UNLOADED = ['CloseHandle', 'ControlService winpmem', 'DeleteService winpmem']

test.serial('nobody takes the frames any more: the driver is unloaded', async (t) => {
  const { child, calls } = await begun('closed')
  const exited = once(child, 'exit')
  child.stdout!.destroy()
  t.deepEqual(await exited, [141, null])
  t.deepEqual(calls().slice(-3), UNLOADED)
  t.deepEqual(fs.readdirSync(temporary), [])
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  test.serial(`${signal} while memory is read: the driver is unloaded`, async (t) => {
    const { child, calls } = await begun(signal)
    const exited = once(child, 'exit')
    child.kill(signal)
    child.stdout!.resume()
    t.deepEqual(await exited, [null, signal])
    t.deepEqual(calls().slice(-3), UNLOADED)
    t.deepEqual(fs.readdirSync(temporary), [])
  })

test.serial('a defect while memory is read: the driver is unloaded', async (t) => {
  const { child, calls } = await begun('defect')
  const exited = once(child, 'exit')
  child.kill('SIGUSR2')
  child.stdout!.resume()
  t.deepEqual(await exited, [70, null])
  t.deepEqual(calls().slice(-3), UNLOADED)
  t.deepEqual(fs.readdirSync(temporary), [])
})
