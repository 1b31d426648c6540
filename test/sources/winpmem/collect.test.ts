import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { openFileSource } from '../../../src/formats/file-source.js'
import { type Win32, Win32Error } from '../../../src/platform/windows/win32.js'
import { collect as collectFiles } from '../../../src/sources/winpmem/collect.js'
import { kernelFiles } from '../../../src/sources/winpmem/kernel-files.js'
import { collect, type Received, silent, type Transmission } from '../collect.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-collect-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))
const fileIn = (name: string) => path.join(folder, name)

const PAGED = Buffer.concat([randomBytes(300_000), Buffer.alloc(200_000), randomBytes(12_345)])
const SWAPPED = randomBytes(70_000)

/** An NTFS volume by ntfs-3g's tools. */
function volume(name: string, files: Record<string, Buffer>): string {
  execFileSync('truncate', ['-s', '16M', fileIn(name)])
  execFileSync('mkntfs', ['-q', '-F', fileIn(name)], { stdio: 'ignore' })
  for (const [file, bytes] of Object.entries(files)) {
    fs.writeFileSync(fileIn('content'), bytes)
    const copied = spawnSync('ntfscp', ['-f', '-q', fileIn(name), fileIn('content'), file])
    if (copied.status !== 0) throw new Error(String(copied.stderr))
  }
  return fileIn(name)
}

const disks: Record<string, string> = {
  '\\\\.\\C:': volume('c.ntfs', { 'pagefile.sys': PAGED, 'swapfile.sys': SWAPPED }),
  '\\\\.\\D:': volume('d.ntfs', { 'pagefile.sys': SWAPPED }),
}

async function open(device: string) {
  const disk = disks[device]
  if (disk === undefined) throw Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'open' })
  return openFileSource(disk)
}

const registry = (...paths: string[]) => ({
  registryValue: (key: string, name: string) =>
    key === 'SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management' &&
    name === 'ExistingPageFiles'
      ? Buffer.from(`${paths.map((path) => `${path}\0`).join('')}\0`, 'utf16le')
      : undefined,
})

function collected(win32: Pick<Win32, 'registryValue'>): Promise<Transmission> {
  return collect(collectFiles(win32, { firstId: 2, program: 'test', log: silent }, open))
}

function bytesOf({ data, fills, body }: Received): Buffer {
  const bytes = Buffer.alloc(Number(body.size), 0xff)
  for (const { offset, bytes: piece } of data) bytes.set(piece, Number(offset))
  for (const { offset, length } of fills) bytes.fill(0, Number(offset), Number(offset + length))
  return bytes
}

test('page files come from their volumes, each with its number; the swap file has none', async (t) => {
  const { streams, notes } = await collected(registry('\\??\\C:\\pagefile.sys', '\\??\\D:\\pagefile.sys'))
  t.deepEqual(
    streams.map(({ body, close }) => [body.name, body.category, body.kind, close?.status]),
    [
      ['C:\\pagefile.sys', 'memory:pagefile', 'image', 'complete'],
      ['D:\\pagefile.sys', 'memory:pagefile', 'image', 'complete'],
      ['C:\\swapfile.sys', 'memory:pagefile', 'image', 'complete'],
    ],
  )
  t.true(bytesOf(streams[0]!).equals(PAGED))
  t.true(bytesOf(streams[1]!).equals(SWAPPED))
  t.true(bytesOf(streams[2]!).equals(SWAPPED))
  const numbers = streams.map(({ turtle }) => /Schema#memory\/pagefile_number> (\d+)/.exec(turtle)?.[1])
  t.deepEqual(numbers, ['0', '1', undefined])
  t.deepEqual(
    notes.filter(({ message }) => /page|swap/.test(message)),
    [],
  )
})

test('a page file that can not be had is told, and the others come', async (t) => {
  const { streams, notes } = await collected(registry('E:\\pagefile.sys', 'D:\\none.sys', 'D:\\pagefile.sys'))
  t.deepEqual(
    streams.map(({ body }) => body.name),
    ['D:\\pagefile.sys'],
  )
  t.deepEqual(
    notes.map(({ message }) => message.replace(/(none\.sys:).*/, '$1')).filter((text) => /^[DE]:/.test(text)),
    ['E:\\pagefile.sys: permission denied', 'D:\\none.sys:', 'E:\\swapfile.sys: permission denied'],
  )
})

test('a registry that tells nothing of page files is told of, or has none', async (t) => {
  const refused = {
    registryValue: () => {
      throw new Win32Error('RegGetValueW', 5, 'HKLM')
    },
  }
  const told = await collected(refused)
  t.deepEqual(told.streams, [])
  t.regex(told.notes[0]!.message, /^page files: HKLM: /)
  const none = await collected({ registryValue: () => undefined })
  t.false(none.notes.some(({ message }) => /page|swap/.test(message)))
})

test('the kernel and the drivers, from where Windows shows its own to this program', (t) => {
  const root = fs.mkdtempSync(path.join(folder, 'windows-'))
  const make = (file: string) => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), file)
  }
  for (const file of ['ntoskrnl.exe', 'hal.dll', 'drivers/b.SYS', 'drivers/a.sys', 'drivers/etc/hosts'])
    make(`System32/${file}`)
  const native = ['ntoskrnl.exe', 'drivers/a.sys', 'drivers/b.SYS']
  t.deepEqual(
    kernelFiles(root),
    native.map((file) => path.join(root, 'System32', file)),
  )
  make('SysNative/drivers/x64.sys')
  t.deepEqual(kernelFiles(root), [
    path.join(root, 'SysNative/ntoskrnl.exe'),
    path.join(root, 'SysNative/drivers/x64.sys'),
  ])
})
