import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { readOsxpmem } from '../../src/sources/read-osxpmem.js'
import {
  type DriverYaml,
  driverYaml,
  efiRecord,
  KERNEL_VERSION,
  pciRecord,
} from '../platform/macos/driver-yaml.js'
import { bytesAt, collect, rangesOf, runSource, silent } from './collect.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-osxpmem-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))
const fileIn = (name: string) => path.join(folder, name)

const VERSION_OFFSET = 0x312340n
const RECORDS = [
  pciRecord(0x500000n, 0x100000n),
  efiRecord('EfiConventionalMemory', 0x100000n, 0x280000n),
  efiRecord('EfiReservedMemoryType', 0x9f000n, 0x1000n),
  efiRecord('EfiLoaderData', 0x0n, 0x9f000n),
  efiRecord('EfiMemoryMappedIO', 0x500000n, 0x100000n),
  efiRecord('EfiRuntimeServicesData', 0x380000n, 0x10000n),
  efiRecord('EfiConventionalMemory', 0x140000000n, 0x3000n),
]

/** Each word of memory is its own address; what is no memory is ones, which must never be read. */
const memory = `import struct, sys, yaml
info = yaml.safe_load(open(sys.argv[2]))
RAM = {'EfiConventionalMemory', 'EfiLoaderData', 'EfiRuntimeServicesData'}
with open(sys.argv[1], 'r+b') as device:
  for r in info['records']:
    device.seek(r['start'])
    ram = r.get('efi_type') in RAM
    device.write(b''.join(struct.pack('<Q', a if ram else 2**64 - 1) for a in range(r['start'], r['start'] + r['length'], 8)))
  device.seek(info['meta']['version_poffset'])
  device.write(info['meta']['kernel_version'].encode())`

/** A device of a Mac as a sparse file, written by another program. */
function device(name: string, given: DriverYaml = {}): string[] {
  const yaml = driverYaml({ versionOffset: VERSION_OFFSET, records: RECORDS, ...given })
  fs.writeFileSync(fileIn(name), '')
  fs.writeFileSync(fileIn(`${name}_info`), yaml)
  execFileSync('python3', ['-c', memory, fileIn(name), fileIn(`${name}_info`)])
  return ['--device', fileIn(name)]
}

test('memory is what the firmware says, whole, with the facts of the driver', async (t) => {
  const words = device('pmem')
  const sent = await runSource('pmem-read-osxpmem', words)
  t.is(sent.stderr, '')
  t.is(sent.status, 0)
  const [memory, info] = sent.streams
  t.is(sent.streams.length, 2)
  t.is(memory!.body.name, 'PhysicalMemory')
  t.is(memory!.body.category, 'memory:physical')
  t.deepEqual(memory!.body.ranges, [
    ['0x0', '0x9f000'],
    ['0x100000', '0x290000'],
    ['0x140000000', '0x3000'],
  ])
  t.deepEqual(rangesOf(memory!, 'data'), ['0-9f000', '100000-390000', '140000000-140003000'])
  const word = bytesAt(memory!, 0x140002ff8n, 8)!
  t.is(Buffer.from(word).readBigUInt64LE(), 0x140002ff8n)
  t.is(Buffer.from(bytesAt(memory!, VERSION_OFFSET, KERNEL_VERSION.length)!).toString(), KERNEL_VERSION)
  t.regex(memory!.turtle, /a pmem:MacMemory/)
  t.regex(memory!.turtle, /aff4:memoryPageTableEntryOffset "5773611008"\^\^xsd:long/)
  t.regex(memory!.turtle, /aff4:OSXKALSRSlide "304087040"/)
  t.regex(memory!.turtle, /aff4:OSXKernelPhysicalOffset "305135616"/)
  t.regex(memory!.turtle, /pmem:kernelVersion "Darwin Kernel Version 14\.4\.0/)
  t.is(info!.body.name, fileIn('pmem_info'))
  t.deepEqual(Buffer.concat(info!.data.map(({ bytes }) => bytes)), fs.readFileSync(fileIn('pmem_info')))
})

test('a volume holds the memory that Python finds in the device, and the suite’s information.yaml', (t) => {
  const [, file] = device('volume')
  const script = `
    pmem-read-osxpmem --device ${file} | pmem-compress zlib | aff4-sink --layout rekall ${folder}/out.aff4
    aff4-cat ${folder}/out.aff4 --stream PhysicalMemory | raw-sink --holes seek --fill zero ${folder}/out.raw
    unzip -p ${folder}/out.aff4 PhysicalMemory/information.yaml > ${folder}/information.yaml`
  const PATH = `${path.resolve('bin')}:${process.env.PATH}`
  const shell = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
    env: { ...process.env, PATH },
    encoding: 'utf8',
  })
  t.is(shell.status, 0, shell.stderr)
  const check = `import json, sys, yaml
info, told = (yaml.safe_load(open(p)) for p in (sys.argv[2], sys.argv[4]))
same = True
with open(sys.argv[1], 'rb') as device, open(sys.argv[3], 'rb') as raw:
  for r in told['Runs']:
    device.seek(r['start']); raw.seek(r['start'])
    same &= device.read(r['length']) == raw.read(r['length'])
meta = info['meta']
print(json.dumps([same, len(told['Runs']), told['Registers']['CR3'] == meta['dtb_off'], told['kaslr_slide'] == meta['kaslr_slide'],
  told['kernel_poffset'] == meta['kernel_poffset'], told['kernel_version'] == meta['kernel_version'],
  told['kernel_version_poff'] == meta['version_poffset']]))`
  const words = [file!, `${file}_info`, fileIn('out.raw'), fileIn('information.yaml')]
  const python = execFileSync('python3', ['-c', check, ...words], { encoding: 'utf8' })
  t.deepEqual(JSON.parse(python), [true, 3, true, true, true, true, true])
})

test('memory behind the end of the device is unreadable, and the rest is there', async (t) => {
  const words = device('short')
  fs.truncateSync(fileIn('short'), 0x300000)
  const sent = await runSource('pmem-read-osxpmem', words)
  t.is(sent.status, 2)
  t.deepEqual(rangesOf(sent.streams[0]!, 'data'), ['0-9f000', '100000-300000'])
  t.deepEqual(rangesOf(sent.streams[0]!, 'unreadable'), ['300000-390000', '140000000-140003000'])
})

test('a banner that stands elsewhere is warned of, in the evidence too', async (t) => {
  const words = device('banner')
  fs.writeFileSync(fileIn('banner_info'), driverYaml({ versionOffset: 0x200000n, records: RECORDS }))
  const sent = await runSource('pmem-read-osxpmem', words)
  t.is(sent.status, 0)
  t.regex(sent.stderr, /at 0x200000, .* facts may be those of another kernel\n/)
  t.regex(sent.streams[0]!.notes[0]!.message, /facts may be those of another kernel/)
})

test('an interface of its own place can be named', async (t) => {
  const words = device('named')
  fs.renameSync(fileIn('named_info'), fileIn('elsewhere'))
  const sent = await collect(
    readOsxpmem(silent, { device: words[1], info: fileIn('elsewhere'), collect: true }),
  )
  t.is(sent.streams[1]!.body.name, fileIn('elsewhere'))
})

test('refusals name the cause and the next step', async (t) => {
  const absent = await runSource('pmem-read-osxpmem', ['--device', fileIn('absent')])
  t.is(absent.status, 69)
  t.regex(absent.stderr, /absent_info: not there\nhint: .*kextload MacPmem\.kext/)
  device('empty', { records: [pciRecord(0n, 4096n)] })
  const empty = await runSource('pmem-read-osxpmem', ['--device', fileIn('empty')])
  t.is(empty.status, 65)
  t.regex(empty.stderr, /empty_info: names no range of memory/)
  fs.writeFileSync(fileIn('long_info'), Buffer.alloc(70_000, '#'))
  const long = await runSource('pmem-read-osxpmem', [
    '--device',
    fileIn('empty'),
    '--info',
    fileIn('long_info'),
  ])
  t.is(long.status, 65)
  t.regex(long.stderr, /long_info: longer than the driver writes/)
})

test('pages are read again where that is asked for, here those of a copy', async (t) => {
  const { streams, stderr } = await runSource('pmem-read-osxpmem', [
    ...device('again'),
    '--resample=100',
    '--seed=3',
  ])
  t.regex(stderr, /^pmem-read-osxpmem: smear: 0 of 100 pages changed .* seed 3\)$/m)
  t.regex(streams[0]!.turtle, /pmem:smear "changed=0 compared=100 unreadable=0 .* seed=3"/)
})
