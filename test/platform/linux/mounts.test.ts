import { statSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { deviceNumber, parseMounts, pseudoFileSystem } from '../../../src/platform/linux/mounts.js'
import { ask } from '../../sources/files/support.js'

test('mountinfo lines give device, place, type, source and whether they can be written', (t) => {
  const lines = [
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
    '37 35 8:17 / /media/a\\040b\\011c\\134d\\012e rw - vfat /dev/sdb1 ro',
    '38 35 0:44 / /data ro,relatime shared:5 master:2 propagate_from:2 - btrfs /dev/sdc1 rw,subvol=/',
    '39 35 0:45 / /none rw - tmpfs none rw,size=4k',
  ]
  t.deepEqual(parseMounts(`${lines.join('\n')}\n`), [
    { device: '98:0', point: '/mnt2', type: 'ext3', source: '/dev/root', writable: true },
    { device: '8:17', point: '/media/a b\tc\\d\ne', type: 'vfat', source: '/dev/sdb1', writable: false },
    { device: '0:44', point: '/data', type: 'btrfs', source: '/dev/sdc1', writable: false },
    { device: '0:45', point: '/none', type: 'tmpfs', source: 'none', writable: true },
  ])
})

test('lines of any other shape are passed over', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.true(parseMounts(text).every(({ device, point }) => device !== '' && point !== ''))
    }),
  )
})

test('device numbers are those of stat(1)', (t) => {
  for (const path of ['/', '/dev/null', '/dev/full'])
    t.is(deviceNumber(statSync(path, { bigint: true }).rdev), ask('stat', '-c', '%Hr:%Lr', path))
  t.is(
    deviceNumber(0xfffffffffffffn),
    ask('/usr/bin/python3', '-c', 'import os; d = 0xfffffffffffff; print(f"{os.major(d)}:{os.minor(d)}")'),
  )
})

test('proc and sysfs show the kernel, the root file system does not', (t) => {
  const typeOf = (path: string) => pseudoFileSystem(statSync(path, { bigint: true }).dev)
  t.is(typeOf('/proc/self'), 'proc')
  t.is(typeOf('/sys/kernel'), 'sysfs')
  t.is(typeOf('/'), undefined)
  t.is(typeOf('/dev'), undefined)
})
