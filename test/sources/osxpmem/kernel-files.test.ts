import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { kernelFiles } from '../../../src/sources/osxpmem/kernel-files.js'

test('the kernel, and programs and property lists of extensions, nested ones too', (t) => {
  const root = fs.mkdtempSync(path.join(tmpdir(), 'pmem-mac-'))
  t.teardown(() => fs.rmSync(root, { recursive: true }))
  const outer = 'System/Library/Extensions/IOFamily.kext/Contents'
  const inner = `${outer}/PlugIns/Part.kext/Contents`
  const wanted = [
    'System/Library/Kernels/kernel',
    'mach_kernel',
    `${outer}/Info.plist`,
    `${outer}/MacOS/IOFamily`,
    `${inner}/Info.plist`,
    `${inner}/MacOS/Part`,
    'Library/Extensions/Vendor.kext/Contents/MacOS/Vendor',
  ]
  const others = [
    `${outer}/Resources/en.lproj`,
    'System/Library/Extensions/caches',
    'Library/Extensions/a.bundle/x',
  ]
  for (const file of [...wanted, ...others]) {
    fs.mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
    fs.writeFileSync(path.join(root, file), file)
  }
  // A loop, and a program outside.
  fs.symlinkSync('..', path.join(root, outer, 'PlugIns/Loop.kext'))
  fs.symlinkSync('/etc/hostname', path.join(root, outer, 'MacOS/link'))
  t.deepEqual(
    kernelFiles(root),
    wanted.map((file) => path.join(root, file)),
  )
})

test('where nothing of it is, nothing is listed', (t) => t.deepEqual(kernelFiles('/nowhere'), []))
