import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { ToolError } from '../../../src/cli/exit.js'
import { WIN32_ERROR as E } from '../../../src/platform/windows/win32.js'
import { leaveLoaded, removeLoaded } from '../../../src/sources/winpmem/load.js'
import { scriptWin32 } from '../../platform/windows/scripted-win32.js'
import { silent } from '../collect.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-load-'))
const DRIVER = path.join(folder, 'winpmem.sys')
fs.writeFileSync(DRIVER, 'MZ')
test.after.always(() => fs.rmSync(folder, { recursive: true }))

const ranges = [{ start: 0x1000n, length: 0x1000n }]
const NOTHING = { handles: 0, service: undefined, loaded: false }

test('a driver that was loaded to stay, stays until it is unloaded', async (t) => {
  const win32 = scriptWin32({ ranges })
  t.is(await leaveLoaded(win32, DRIVER, silent), 0)
  const { handles, service, loaded } = win32.left()
  t.deepEqual([handles, loaded], [0, true])
  t.false(fs.existsSync(service!.replace(/^\\\?\?\\/, '')), 'its file is gone all the same')
  t.is(win32.mode, undefined, 'the mode is for who reads')
  t.is(removeLoaded(win32, silent), 0)
  t.deepEqual(win32.left(), NOTHING)
  t.is(removeLoaded(win32, silent), 0, 'there is nothing left to do')
})

test('a file that Windows held while its driver was loaded is deleted with it', (t) => {
  const left = fs.mkdtempSync(path.join(tmpdir(), 'pmem-driver-'))
  const file = path.join(left, 'winpmem.sys')
  fs.writeFileSync(file, 'MZ')
  const service = { file: `\\??\\${file}`, state: 'running' } as const
  t.is(removeLoaded(scriptWin32({ ranges, service }), silent), 0)
  t.false(fs.existsSync(left))
})

test('to load a driver where one is loaded changes nothing', async (t) => {
  const win32 = scriptWin32({ ranges, loaded: true })
  t.is(await leaveLoaded(win32, undefined, silent), 0)
  t.deepEqual(win32.left(), { handles: 0, service: undefined, loaded: true })
})

test('a service that pmem has not made is not unloaded', (t) => {
  const service = { file: '\\SystemRoot\\System32\\drivers\\winpmem.sys', state: 'running' } as const
  const win32 = scriptWin32({ ranges, loaded: true, service })
  t.throws(() => removeLoaded(win32, silent), { message: /pmem has not made it/ })
  t.deepEqual(win32.left(), { handles: 0, service: service.file, loaded: true })
})

test('what Windows refuses of the unloading is told', (t) => {
  const service = { file: 'C:\\Temp\\pmem-driver-abcdef\\winpmem.sys', state: 'running' } as const
  const win32 = scriptWin32({ ranges, loaded: true, service, refuse: { ControlService: E.ACCESS_DENIED } })
  const refusal = t.throws(() => removeLoaded(win32, silent), { instanceOf: ToolError })
  t.is(refusal.message, 'service winpmem: access denied')
  t.is(refusal.exitCode, 77)
  t.regex(refusal.hint!, /administrator/)
})

test('a driver that another program has open is told to stay for so long, and its service is deleted', (t) => {
  const service = { file: 'C:\\Temp\\pmem-driver-abcdef\\winpmem.sys', state: 'running' } as const
  const win32 = scriptWin32({ ranges, loaded: true, held: true, service })
  for (let asked = 0; asked < 2; asked++) {
    const before = win32.calls.length
    const refusal = t.throws(() => removeLoaded(win32, silent), { instanceOf: ToolError })
    t.is(refusal.message, 'service winpmem: the driver is still in use by another program')
    t.regex(refusal.hint!, /by itself/)
    t.deepEqual(win32.calls.slice(before), ['ControlService winpmem', 'DeleteService winpmem'])
  }
})
