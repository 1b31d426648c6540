import { readFileSync } from 'node:fs'
import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { openRawImage } from '../../../src/formats/image/raw-image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { checkpoint, region, regionsCount, type TestTag, u32, u64 } from './checkpoints.js'

const format = FORMATS.find(({ name }) => name === 'vmware')!
const vmss = readFileSync('test/data/images/t.vmss')
const vmem = readFileSync('test/data/images/t.vmem')
const TINY_RUNS = [
  { start: 0x1000n, length: 0x2000n },
  { start: 0x5000n, length: 0x1000n },
]
const PAGES = Buffer.alloc(0x3000, 'memory ')
const TWO_REGIONS = [regionsCount(2), ...region(0, 0, 0, 2), ...region(1, 16, 2, 1)]

const open = (path: string, bytes: Buffer, files: Record<string, Buffer> = {}) =>
  format.open(bufferSource(bytes, path), surroundingsOf(path, files))

/** Memory that nobody needs to hold. */
const large = (size: bigint): ByteSource => ({
  name: 'memory.vmem',
  size,
  read: async (offset, length) => Buffer.alloc(offset < size ? length : 0, Number(offset >> 30n)),
  async close() {},
})

test('a memory file with its checkpoint beside it stands at its addresses, whichever of the two is given', async (t) => {
  for (const image of [
    await open('t.vmem', vmem, { 't.vmss': vmss }),
    await open('t.vmem', vmem, { 't.vmsn': vmss }),
    await open('T.VMEM', vmem, { 'T.vmss': vmss }),
    await open('t.vmss', vmss, { 't.vmem': vmem }),
  ]) {
    t.deepEqual(image.runs, TINY_RUNS)
    t.is(image.size, 0x6000n)
    t.is(image.category, 'memory:physical')
    t.is(image.incomplete, undefined)
    t.deepEqual(Buffer.concat(await readRuns(image, 0x777)), vmem)
  }
})

test('a memory file is recognised by a checkpoint beside it only, and that by its content', async (t) => {
  const name = async (path: string, files: Record<string, Buffer>) =>
    (await detect(bufferSource(vmem, path), surroundingsOf(path, files))).name
  t.is(await name('t.vmem', { 't.vmss': vmss }), 'vmware')
  t.is(await name('t.vmem', { 't.vmss': Buffer.from('no checkpoint'), 't.vmsn': vmss }), 'vmware')
  t.is(await name('t.vmem', { 't.vmss': Buffer.from('no checkpoint') }), 'raw')
  t.is(await name('t.vmem', {}), 'raw')
  t.is(await name('t.raw', { 't.vmss': vmss }), 'raw')
  t.is((await detect(bufferSource(vmss, 'x'), surroundingsOf('x'))).name, 'vmware')
})

test('a memory file alone is raw, with a remark where its end is elsewhere in the machine', (t) => {
  t.deepEqual(openRawImage(large(0xc0000000n)).remarks, [])
  t.regex(openRawImage(large(0xc0001000n)).remarks[0] ?? '', /without its \.vmss or \.vmsn/)
})

test('a checkpoint that holds the memory itself is read, of either width of sizes', async (t) => {
  for (const magic of [0xbed2bed2, 0xbad1bad1, 0xbed3bed3, 0xbed0bed0]) {
    const memory: TestTag = { name: 'Memory', indices: [0, 0], block: { bytes: PAGES, padding: 45 } }
    const image = await open('a.vmsn', checkpoint({ memory: [...TWO_REGIONS, memory] }, magic))
    t.deepEqual(image.runs, [
      { start: 0n, length: 0x2000n },
      { start: 0x10000n, length: 0x1000n },
    ])
    t.deepEqual(Buffer.concat(await readRuns(image)), PAGES)
    t.is(image.remarks.length, magic === 0xbad1bad1 ? 1 : 0)
  }
})

test('memory without regions stands as it is, with the hole of a PC where it is larger', async (t) => {
  const small = await open('a.vmem', PAGES, { 'a.vmss': checkpoint({ memory: [] }) })
  t.deepEqual(small.runs, [{ start: 0n, length: 0x3000n }])
  t.deepEqual(small.remarks, [])
  const surroundings = surroundingsOf('a.vmem', { 'a.vmss': checkpoint({ memory: [regionsCount(0)] }) })
  const image = await format.open(large(5n << 30n), surroundings)
  t.deepEqual(image.runs, [
    { start: 0n, length: 0xc0000000n },
    { start: 0x100000000n, length: 0x80000000n },
  ])
  t.is((await image.read(0x100000000n, 1))[0], 3)
  t.regex(image.remarks[0] ?? '', /above 3 GiB .* begin at 4 GiB/)
})

test('the checkpoint tells the processors, CR3, the product and the name of the machine', async (t) => {
  const registers: TestTag[] = [
    { name: 'cpu:numVCPUs', value: u32(2) },
    { name: 'CR', indices: [0, 3], value: u32(0x1aa002) },
    { name: 'CR64', indices: [0, 3], value: u64(0x1234567001n) },
    { name: 'CR64', indices: [1, 3], value: u64(0x99n) },
  ]
  const groups = {
    Checkpoint: [
      { name: 'ProductName', value: Buffer.from('VMware ESX\0') },
      { name: 'VersionNumber', value: Buffer.from('5.5.0') },
    ],
    cpu: registers,
    memory: TWO_REGIONS,
    Snapshot: [
      { name: 'cfgFile', block: { bytes: Buffer.from('guestOS = "other"\ndisplayName = "Host A"\n') } },
    ],
  }
  const { facts } = await open('a.vmem', PAGES, { 'a.vmsn': checkpoint(groups) })
  t.deepEqual(facts, {
    hypervisor: 'VMware ESX 5.5.0',
    virtualMachine: 'Host A',
    processors: 2n,
    machine: 62n,
    cr3: 0x1234567001n,
    pageTableRoot: 0x1234567000n,
  })
  const all = Buffer.concat([1n, 2n, 3n, 0x5000n, 5n, 6n, 7n, 8n, 9n].map(u64))
  const block = checkpoint({
    memory: TWO_REGIONS,
    cpu: [{ name: 'CR64', indices: [0], block: { bytes: all } }],
  })
  t.is((await open('a.vmem', PAGES, { 'a.vmsn': block })).facts.cr3, 0x5000n)
  const old = checkpoint({ memory: TWO_REGIONS, cpu: registers.slice(0, 2) })
  t.is((await open('a.vmem', PAGES, { 'a.vmsn': old })).facts.cr3, 0x1aa002n)
})

test('facts that cannot be read are told, and the memory is read all the same', async (t) => {
  const bytes = checkpoint({ memory: TWO_REGIONS, cpu: [{ name: 'rax', indices: [0], value: u64(1n) }] })
  const image = await open('a.vmem', PAGES, { 'a.vmss': bytes.subarray(0, -4) })
  t.regex(image.remarks[0] ?? '', /what it tells of the machine: .* passes the end of the file/)
  t.is(image.runs.length, 2)
})

test('memory that is shorter than its regions is incomplete, what is not there unknown', async (t) => {
  const image = await open('a.vmem', PAGES.subarray(0, 0x2800), {
    'a.vmss': checkpoint({ memory: TWO_REGIONS }),
  })
  t.deepEqual(image.holes, [{ start: 0x10800n, length: 0x800n, content: 'unknown' }])
  t.regex(image.incomplete ?? '', /shorter than its regions/)
})

test('what cannot be right is refused with its reason', async (t) => {
  const refuse = async (bytes: Buffer, message: RegExp, files: Record<string, Buffer> = {}) =>
    t.throwsAsync(open('a.vmss', bytes, files), { instanceOf: FormatError, message })
  await refuse(vmss, /without the memory/)
  await refuse(checkpoint({ cpu: [] }), /without a group `memory`/)
  await refuse(checkpoint({ memory: [regionsCount(1)] }), /region 0 .* not told whole/)
  await refuse(checkpoint({ memory: [regionsCount(0xffffffff)] }), /memory of 4294967295 regions/)
  const block = { bytes: PAGES, compressed: true }
  await refuse(
    checkpoint({ memory: [{ name: 'Memory', indices: [0, 0], block }] }),
    /compressed, which is not read/,
  )
  const twice = [regionsCount(2), ...region(0, 0, 0, 2), ...region(1, 1, 2, 1)]
  await refuse(checkpoint({ memory: twice }), /regions of the memory overlap at 0x1000/, { 'a.vmem': PAGES })
  const groups = Buffer.from(vmss)
  groups.writeUInt32LE(0xffffffff, 8)
  await refuse(groups, /a checkpoint of 4294967295 groups/)
  const far = Buffer.from(vmss)
  far.writeBigUInt64LE(1n << 63n, 12 + 64)
  await refuse(far, /passes the end of the file/)
})

test('a checkpoint cut anywhere is refused, or read', async (t) => {
  const memory: TestTag = { name: 'Memory', indices: [0, 0], block: { bytes: PAGES.subarray(0, 0x3000) } }
  const whole = checkpoint({ memory: [...TWO_REGIONS, memory], cpu: [] })
  const surroundings = () => surroundingsOf('a.vmss', { 'a.vmem': vmem })
  await cutImage(
    format,
    whole,
    surroundings,
    Array.from({ length: 400 }, (_, at) => at),
  )
  await cutImage(format, vmss, surroundings, vmss.keys())
  t.pass()
})

test('damaged checkpoints are refused or read, in bounds', async (t) => {
  await fuzzImage(format, vmss, () => surroundingsOf('t.vmss', { 't.vmem': vmem }), 500, 1)
  const memory: TestTag = { name: 'Memory', indices: [0, 0], block: { bytes: PAGES } }
  const cpu = [{ name: 'CR64', indices: [0, 3], value: u64(0x1000n) }]
  const whole = checkpoint({ cpu, memory: [...TWO_REGIONS, memory] })
  await fuzzImage(format, whole, () => surroundingsOf('t.vmsn'), 500, 2)
  t.pass()
})
