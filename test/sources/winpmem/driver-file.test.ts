import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { driverNames, driversIn, namedDriver } from '../../../src/sources/winpmem/driver-file.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-files-of-drivers-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))
const fileIn = (name: string) => path.join(folder, name)

const DRIVER = Buffer.from(`MZ${'a driver that deflates '.repeat(100)}`)
fs.writeFileSync(fileIn('winpmem_x64.sys'), DRIVER)

/** A volume by Python, appended to a program. */
function appended(name: string): string {
  execFileSync('python3', [
    '-c',
    `import sys, zipfile
open(sys.argv[1], 'wb').write(b'MZ' + bytes(5000))
with zipfile.ZipFile(sys.argv[1], 'a', zipfile.ZIP_DEFLATED) as z:
  z.write(sys.argv[2], 'winpmem_64.sys')
  z.write(sys.argv[2], 'drivers/att_winpmem_64.sys', zipfile.ZIP_STORED)
  z.writestr('bomb.sys', bytes(20 << 20))`,
    fileIn(name),
    fileIn('winpmem_x64.sys'),
  ])
  return fileIn(name)
}

test('a driver is a file, whatever colons its name has', async (t) => {
  fs.copyFileSync(fileIn('winpmem_x64.sys'), fileIn('a:b.sys'))
  for (const name of ['winpmem_x64.sys', 'a:b.sys']) {
    const driver = await namedDriver(fileIn(name))
    t.is(driver.name, fileIn(name))
    t.true(DRIVER.equals(driver.image))
  }
})

test('a driver is a member of a volume that is appended to a program', async (t) => {
  const imager = appended('imager.exe')
  for (const member of ['winpmem_64.sys', 'drivers/att_winpmem_64.sys']) {
    const { name, image } = await namedDriver(`${imager}:${member}`)
    t.is(name, `${imager}:${member}`)
    t.true(DRIVER.equals(image))
  }
  await t.throwsAsync(() => namedDriver(`${imager}:other.sys`), {
    message: /imager\.exe: no member other\.sys/,
  })
  await t.throwsAsync(() => namedDriver(`${imager}:bomb.sys`), { message: /bomb\.sys: too large/ })
  await t.throwsAsync(() => namedDriver(`${fileIn('winpmem_x64.sys')}:x.sys`), { message: /zip: no end/ })
})

test('a driver that is not there is refused in the words of the system', async (t) => {
  for (const name of ['nowhere.sys', 'nowhere.exe:winpmem.sys', 'winpmem_x64.sys:'])
    await t.throwsAsync(() => namedDriver(fileIn(name)), { code: 'ENOENT' })
  fs.writeFileSync(fileIn('large.sys'), '')
  fs.truncateSync(fileIn('large.sys'), (16 << 20) + 1)
  await t.throwsAsync(() => namedDriver(fileIn('large.sys')), { message: /large\.sys: too large/ })
})

test('drivers beside the tool come in the order in which Windows is likely to take them', async (t) => {
  const beside = fs.mkdtempSync(path.join(folder, 'beside-'))
  const names = ['winpmem.sys', 'winpmem_x64.sys', 'winpmem_x86.sys', 'att_winpmem_64.sys']
  for (const name of names) fs.writeFileSync(path.join(beside, name), name)
  const found = async (processor: string, major: number) =>
    (await driversIn(beside, { processor, major })).map(({ image }) => Buffer.from(image).toString())
  t.deepEqual(await found('x64', 10), ['att_winpmem_64.sys', 'winpmem_x64.sys', 'winpmem.sys'])
  t.deepEqual(await found('x64', 6), ['winpmem_x64.sys', 'winpmem.sys'], 'Windows 7 knows no attestation')
  t.deepEqual(await found('ia32', 10), ['winpmem_x86.sys', 'winpmem.sys'])
  t.deepEqual(await found('arm64', 10), ['winpmem.sys'])
  t.deepEqual(
    await driversIn(fs.mkdtempSync(path.join(folder, 'none-')), { processor: 'x64', major: 10 }),
    [],
  )
  t.is(driverNames({ processor: 'x64', major: Number.NaN })[0], 'winpmem_x64.sys')
})
