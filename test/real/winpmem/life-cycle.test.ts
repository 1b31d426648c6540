import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { packageFile } from '../../frames/support.js'
import { driverFiles, holdsTheMemory, nothingIsLeft, serviceState } from './memory.js'
import { buildDriver } from './programs.js'
import { openWindows, type Program, type Windows } from './wine.js'

let windows: Windows
let driver: string
test.before(async () => {
  windows = await openWindows()
  driver = basename(await buildDriver(windows.folder, { ABI: 20 }))
})
test.after.always(() => windows?.close())

const UNREADABLE = 2
const CLOSED_PIPE = 141
/** STATUS_CONTROL_C_EXIT */
const CONTROL_C_EXIT = 0xc000013a
/** Takes the first bytes that come, and leaves. */
const LEAVE = 'process.stdin.once("data", () => process.exit(5))'

test.serial('a reader that leaves early ends the source quietly, and the driver is gone', async (t) => {
  const { statuses, stderr } = await windows.run([
    ['pmem-read-winpmem', '--driver', driver, '--no-collect'],
    ['node', '-e', LEAVE],
  ])
  t.deepEqual(statuses, [CLOSED_PIPE, 5])
  t.is(stderr, '')
  await nothingIsLeft(t, windows)
})

test.serial('Ctrl-C labels what has come out, and the driver is gone', async (t) => {
  const large = basename(await buildDriver(windows.folder, { ABI: 41, LARGE: 1 }))
  const read: Program = ['pmem-read-winpmem', '--driver', large, '--no-collect']
  const { statuses, stdout } = await windows.run([read], { interrupted: true })
  t.deepEqual(statuses, [CONTROL_C_EXIT])
  const { stdout: listed } = spawnSync(fileURLToPath(packageFile('bin/pmem-frames')), {
    input: stdout,
    encoding: 'utf8',
  })
  t.regex(listed, /END .*"status":"interrupted"/)
  await nothingIsLeft(t, windows)
})

test.serial('a driver that others have loaded is read through, and stays loaded', async (t) => {
  copyFileSync(join(windows.folder, driver), join(windows.drive, 'other.sys'))
  const sc = async (...words: string[]) => (await windows.run([['sc.exe', ...words]])).statuses
  const made = await sc(
    'create',
    'winpmem',
    'type=',
    'kernel',
    'start=',
    'demand',
    'binPath=',
    'C:\\other.sys',
  )
  t.deepEqual([made, await sc('start', 'winpmem')], [[0], [0]])
  const { statuses } = await windows.run([
    ['pmem-read-winpmem', '--no-collect'],
    ['aff4-sink', 'loaded.aff4'],
  ])
  t.deepEqual(statuses, [UNREADABLE, UNREADABLE])
  t.is(await serviceState(windows), 'RUNNING')
  t.deepEqual((await windows.run([['pmem-read-winpmem', '--unload']])).statuses, [69])
  t.deepEqual([await sc('stop', 'winpmem'), await sc('delete', 'winpmem')], [[0], [0]])
  await nothingIsLeft(t, windows)
})

test.serial(
  '--load leaves the driver loaded for those who come later, the imager too, --unload removes it',
  async (t) => {
    t.deepEqual((await windows.run([['pmem-read-winpmem', '--load', '--driver', driver]])).statuses, [0])
    t.is(await serviceState(windows), 'RUNNING')
    const { statuses } = await windows.run([
      ['pmem-read-winpmem', '--no-collect'],
      ['aff4-sink', 'later.aff4'],
    ])
    t.deepEqual(statuses, [UNREADABLE, UNREADABLE])
    const imager = await windows.run([['winpmem', '-q', '-i', driver, '-m', '-o', 'imager.aff4']])
    t.deepEqual(imager.statuses, [UNREADABLE], imager.stderr)
    await holdsTheMemory(t, join(windows.folder, 'imager.aff4'))
    t.is(await serviceState(windows), 'RUNNING')
    t.deepEqual((await windows.run([['pmem-read-winpmem', '--unload']])).statuses, [0])
    await nothingIsLeft(t, windows)
  },
)

test.serial('without a driver the source says how to get one, and the sink that nothing came', async (t) => {
  const { statuses, stderr } = await windows.run([['pmem-read-winpmem'], ['aff4-sink', 'none.aff4']])
  t.deepEqual(statuses, [69, 3])
  t.regex(stderr, /no WinPmem driver is loaded[\s\S]*hint: --driver FILE/)
  await nothingIsLeft(t, windows)
})

test.serial('a driver is found beside the tool, and in a volume behind a program', async (t) => {
  const image = readFileSync(join(windows.folder, driver))
  const beside = join(windows.folder, 'pmem/bin/winpmem_x64.sys')
  writeFileSync(beside, image)
  const { statuses, stderr } = await windows.run([
    ['pmem-read-winpmem', '--no-collect', '-v'],
    ['aff4-sink', 'beside.aff4'],
  ])
  rmSync(beside)
  t.deepEqual(statuses, [UNREADABLE, UNREADABLE], stderr)
  t.regex(stderr, /winpmem_x64\.sys: loaded/)

  const program = join(windows.folder, 'imager.exe')
  copyFileSync(join(windows.folder, 'pipeline.exe'), program)
  const append =
    'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "a").write(sys.argv[2], "drivers/x64.sys")'
  t.is(spawnSync('/usr/bin/python3', ['-c', append, program, join(windows.folder, driver)]).status, 0)
  const behind = ['--driver', 'imager.exe:drivers/x64.sys'] as const
  const read = await windows.run([
    ['pmem-read-winpmem', ...behind, '--no-collect'],
    ['aff4-sink', 'behind.aff4'],
  ])
  t.deepEqual(read.statuses, [UNREADABLE, UNREADABLE], read.stderr)
  await holdsTheMemory(t, join(windows.folder, 'behind.aff4'))
  await nothingIsLeft(t, windows)
})

test.serial('a file that is no driver for this machine leaves nothing behind', async (t) => {
  const image = readFileSync(join(windows.folder, driver))
  // IMAGE_FILE_HEADER.Machine, behind the PE signature: ARM64.
  image.writeUInt16LE(0xaa64, image.readUInt32LE(0x3c) + 4)
  writeFileSync(join(windows.folder, 'arm64.sys'), image)
  const { statuses, stderr } = await windows.run([['pmem-read-winpmem', '--driver', 'arm64.sys']])
  // Windows says that it is for another machine, Wine only that it could not be loaded.
  t.deepEqual(statuses, [74])
  t.regex(stderr, /^pmem-read-winpmem: arm64\.sys: /)
  await nothingIsLeft(t, windows)
})

test.serial('a service that is marked for deletion is named, and left as it is', async (t) => {
  // Deleted, but held open by who deleted it.
  const script = `
    const { spawnSync } = require('node:child_process')
    const koffi = require('./pmem/node_modules/koffi')
    const library = koffi.load('advapi32.dll')
    const manager = library.func('intptr_t OpenSCManagerW(str16, str16, uint32_t)')(null, null, 2)
    const create = library.func('intptr_t CreateServiceW(intptr_t, str16, str16, uint32_t, uint32_t, uint32_t, uint32_t, str16, str16, void *, str16, str16, str16)')
    const service = create(manager, 'winpmem', 'winpmem', 0xf01ff, 1, 3, 1, 'C:\\\\gone.sys', null, null, null, null, null)
    library.func('int DeleteService(intptr_t)')(service)
    const words = ['pmem/bin/pmem-read-winpmem', '--driver', process.argv[1]]
    const { status, stderr } = spawnSync(process.execPath, words)
    console.log(JSON.stringify([status, String(stderr)]))`
  const { stdout } = await windows.run([['node', '-e', script, driver]])
  const [status, stderr] = JSON.parse(stdout.toString('utf8')) as [number, string]
  t.is(status, 69, stderr)
  t.regex(stderr, /marked for deletion/)
  t.deepEqual(driverFiles(windows), [])
  await nothingIsLeft(t, windows)
})
