import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { packageFile } from '../../frames/support.js'
import { holdsTheMemory, nothingIsLeft, truth } from './memory.js'
import { buildDriver } from './programs.js'
import { resourceMap } from './resource-map.js'
import { openWindows, type Program, type Windows } from './wine.js'

const command = promisify(execFile)

let windows: Windows
test.before(async () => {
  windows = await openWindows()
})
test.after.always(() => windows?.close())

/** Below HKLM\\HARDWARE nothing lasts, and reg.exe would have it last. */
const SET_RESOURCE_MAP = `
  const library = require('./pmem/node_modules/koffi').load('advapi32.dll')
  const create = library.func('int RegCreateKeyExW(intptr_t, str16, uint32_t, str16, uint32_t, uint32_t, void *, void *, void *)')
  const set = library.func('int RegSetValueExW(intptr_t, str16, uint32_t, uint32_t, void *, uint32_t)')
  const [HKLM, VOLATILE, KEY_ALL_ACCESS, REG_RESOURCE_LIST] = [0x80000002 | 0, 1, 0xf003f, 8]
  const path = 'HARDWARE\\\\RESOURCEMAP\\\\System Resources\\\\Physical Memory'
  const key = Buffer.alloc(8)
  const map = Buffer.from(process.argv[1], 'hex')
  process.exitCode =
    create(HKLM, path, 0, null, VOLATILE, KEY_ALL_ACCESS, null, key, null) ||
    set(key.readBigInt64LE(), '.Translated', 0, REG_RESOURCE_LIST, map, map.length)`

/** Status of a source and a sink that met unreadable pages. */
const UNREADABLE = 2

for (const { ABI, codec } of [
  { ABI: 16, codec: 'zlib' },
  { ABI: 20, codec: 'snappy' },
  { ABI: 30, codec: 'snappy' },
  { ABI: 41, codec: 'zlib' },
] as const) {
  test.serial(`a driver of generation ${ABI / 10}, all of the pipeline under Windows`, async (t) => {
    const driver = basename(await buildDriver(windows.folder, { ABI }))
    const { statuses, stderr } = await windows.run([
      ['pmem-read-winpmem', '--driver', driver, '--no-collect'],
      ['pmem-compress', codec],
      ['aff4-sink', `${ABI}.aff4`],
    ])
    t.deepEqual(statuses, [UNREADABLE, 0, UNREADABLE], stderr)
    t.regex(stderr, /^pmem-read-winpmem: smear: 0 of \d+ pages changed before they were read again/m)
    await holdsTheMemory(t, join(windows.folder, `${ABI}.aff4`))
    await nothingIsLeft(t, windows)
  })

  test.serial(`a driver of generation ${ABI / 10}, the volume made on another system`, async (t) => {
    const driver = basename(await buildDriver(windows.folder, { ABI }))
    const volume = join(windows.folder, `${ABI}-elsewhere.aff4`)
    const source = windows.start([['pmem-read-winpmem', '--driver', driver, '--no-collect']])
    const tools = '"$0"/pmem-compress "$2" | "$0"/aff4-sink "$1"'
    const sink = spawn('bash', ['-c', tools, fileURLToPath(packageFile('bin')), volume, codec], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    source.stdout.pipe(sink.stdin)
    const [[status], { statuses }] = await Promise.all([once(sink, 'exit'), source.outcome()])
    t.deepEqual([statuses, status], [[UNREADABLE], UNREADABLE])
    await holdsTheMemory(t, volume)
    await nothingIsLeft(t, windows)
  })
}

test.serial('without page table entries of its own the driver reads in the next best mode', async (t) => {
  const driver = basename(await buildDriver(windows.folder, { ABI: 41, PTE: 0 }))
  const { statuses, stderr } = await windows.run([
    ['pmem-read-winpmem', '--driver', driver, '--no-collect', '-v'],
    ['aff4-sink', 'no-pte.aff4'],
  ])
  t.deepEqual(statuses, [UNREADABLE, UNREADABLE], stderr)
  t.regex(stderr, /mode physical/)
  await holdsTheMemory(t, join(windows.folder, 'no-pte.aff4'))
})

test.serial('where the driver has no room for all ranges, they are those of the registry', async (t) => {
  const driver = basename(await buildDriver(windows.folder, { ABI: 20, MANY: 1 }))
  const read: Program = ['pmem-read-winpmem', '--driver', driver, '--no-collect', '-v']
  const without = await windows.run([read])
  t.deepEqual(without.statuses, [65])
  await nothingIsLeft(t, windows)

  const map = resourceMap((await truth()).ranges).toString('hex')
  t.deepEqual((await windows.run([['node', '-e', SET_RESOURCE_MAP, map]])).statuses, [0])
  const { statuses, stderr } = await windows.run([read, ['aff4-sink', 'many.aff4']])
  t.deepEqual(statuses, [UNREADABLE, UNREADABLE], stderr)
  t.regex(stderr, /ranges from the registry/)
  await holdsTheMemory(t, join(windows.folder, 'many.aff4'))
  await nothingIsLeft(t, windows)
})

test.serial(
  'page files come from the volume that Windows keeps them on, then the kernel and the drivers',
  async (t) => {
    const driver = basename(await buildDriver(windows.folder, { ABI: 20 }))
    const paged = join(windows.folder, 'paged')
    const disk = join(windows.folder, 'disk.ntfs')
    writeFileSync(paged, randomBytes(3_000_000))
    writeFileSync(disk, '')
    truncateSync(disk, 16 << 20)
    await command('mkntfs', ['-q', '-F', disk])
    await command('ntfscp', ['-f', '-q', disk, paged, 'pagefile.sys'])
    // How Wine is told of a drive, and of the device below it.
    const drives = join(windows.drive, '../dosdevices')
    symlinkSync(windows.folder, join(drives, 'e:'))
    symlinkSync(disk, join(drives, 'e::'))
    const key = 'HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management'
    const value = ['/v', 'ExistingPageFiles', '/t', 'REG_MULTI_SZ', '/d', '\\??\\E:\\pagefile.sys', '/f']
    t.deepEqual((await windows.run([['reg.exe', 'add', key, ...value]])).statuses, [0])

    const { statuses, stderr } = await windows.run([
      ['pmem-read-winpmem', '--driver', driver],
      ['aff4-sink', 'paged.aff4'],
    ])
    t.deepEqual(statuses, [UNREADABLE, UNREADABLE], stderr)
    const volume = join(windows.folder, 'paged.aff4')
    const pageFile = '"$0"/aff4-cat "$1" --stream "E:\\pagefile.sys" | "$0"/raw-sink "$2"'
    await command('bash', ['-c', pageFile, fileURLToPath(packageFile('bin')), volume, `${paged}.copy`])
    t.true(readFileSync(`${paged}.copy`).equals(readFileSync(paged)))
    const { stdout: names } = await command(fileURLToPath(packageFile('bin/aff4-ls')), [volume])
    t.regex(names, /System32\\ntoskrnl\.exe/)
    t.regex(names, /System32\\drivers\\\w+\.sys/)
  },
)
