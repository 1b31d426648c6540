import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { blockDevice } from '../../../src/platform/linux/block-device.js'
import { deviceNumber, writableMounts } from '../../../src/platform/linux/mounts.js'
import { folder } from '../../sources/files/support.js'
import { asRoot, loopDevice } from './loop-device.js'

const numberOf = (device: string) => deviceNumber(statSync(device, { bigint: true }).rdev)

for (const sector of [512, 4096])
  test(`a device of ${sector}-byte sectors is what blockdev(8) says it is`, (t) => {
    const backing = path.join(folder(t), 'disk')
    writeFileSync(backing, '')
    truncateSync(backing, 3 << 20)
    const device = loopDevice(t, backing, '--sector-size', String(sector), '--read-only')
    const facts = blockDevice(numberOf(device))
    const asked = asRoot('blockdev', '--getsize64', '--getss', '--getpbsz', '--getro', device).split('\n')
    t.deepEqual(
      [`${facts.size}`, `${facts.logicalSector}`, `${facts.physicalSector}`, facts.readOnly ? '1' : '0'],
      asked,
    )
    t.is(facts.name, path.basename(device))
    t.false(facts.partition)
  })

test('a partition has its own size and the sectors of its disk', (t) => {
  const backing = path.join(folder(t), 'disk')
  writeFileSync(backing, '')
  truncateSync(backing, 8 << 20)
  const device = loopDevice(t, backing, '--partscan')
  // The kernel may know no partition tables; it is told.
  asRoot('addpart', device, '1', '2048', '4096')
  asRoot('addpart', device, '2', '8192', '8192')
  const partition = blockDevice(numberOf(`${device}p1`))
  t.like(partition, {
    name: `${path.basename(device)}p1`,
    size: 4096n * 512n,
    logicalSector: 512,
    partition: true,
  })
  const users = [...blockDevice(numberOf(device)).users]
  t.deepEqual(users.sort(), [device, `${device}p1`, `${device}p2`].map(numberOf).sort())
})

test('a file system mounted writable from a partition is found from its disk, a read-only one is not', (t) => {
  const root = folder(t)
  const backing = path.join(root, 'disk')
  writeFileSync(backing, '')
  truncateSync(backing, 16 << 20)
  const device = loopDevice(t, backing, '--partscan')
  asRoot('addpart', device, '1', '2048', '30720')
  asRoot('mkfs.ext4', '-q', `${device}p1`)
  const point = path.join(root, 'mount point')
  mkdirSync(point)
  const mount = (options: string) => asRoot('mount', '-o', options, `${device}p1`, point)
  const unmount = () => asRoot('umount', point)
  const points = () => writableMounts(blockDevice(numberOf(device)).users).map((mounted) => mounted.point)

  mount('rw')
  try {
    t.deepEqual(points(), [point])
  } finally {
    unmount()
  }
  mount('ro')
  try {
    t.deepEqual(points(), [])
  } finally {
    unmount()
  }
})

test('what sysfs does not list is an error that names the file', (t) => {
  t.throws(() => blockDevice('4095:1048575'), { code: 'ENOENT' })
})
