import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import { openFileSource } from '../../../src/formats/file-source.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { scratch } from '../../sinks/pipeline.js'
import { bufferSource } from '../buffer-source.js'
import { haltedGuest, PLANTED } from '../image/qemu.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import {
  end,
  filled,
  header,
  item,
  named,
  page,
  part,
  section,
  start,
  u16,
  u32,
  u64,
  whole,
} from './streams.js'

const format = FORMATS.find(({ name }) => name === 'qemu')!
const sample = readFileSync('test/data/images/q1.sv')
const surroundings = () => surroundingsOf('guest.sv')
const open = (...pieces: Buffer[]) =>
  format.open(bufferSource(Buffer.concat(pieces), 'guest.sv'), surroundings())
const BLOCK = 'pc.ram'
const FOUR_PAGES = start({ [BLOCK]: 0x4000 })

/** Where PC devices and ROM are seen in place of memory. */
const DEVICES_START = 0xa0000
const GIB = 1n << 30n

async function check(image: Image, address: bigint, expected: Buffer): Promise<boolean> {
  return Buffer.from(await image.read(address, expected.length)).equals(expected)
}

test('the stream of a guest holds what QEMU itself says of its memory, compressed or not', async (t) => {
  const folder = await scratch(t)
  const planted = path.join(folder, 'planted')
  writeFileSync(planted, randomBytes(0x5432))
  const raw = path.join(folder, 'raw')
  for (const compress of ['off', 'on']) {
    const file = path.join(folder, `${compress}.sv`)
    const commands = [
      `pmemsave 0 ${DEVICES_START} "${raw}"`,
      `migrate_set_capability compress ${compress}`,
      `migrate "exec:cat > '${file}'"`,
    ]
    await haltedGuest(commands, { planted })
    const source = openFileSource(file)
    const image = await format.open(source, surroundings())
    t.deepEqual(image.runs, [{ start: 0n, length: 0x100000n }])
    t.like(image, { category: 'memory:physical', incomplete: undefined, remarks: [], holes: [] })
    t.like(image.facts, { hypervisor: 'QEMU pc-i440fx-7.2', machine: 62n })
    const [content] = await readRuns(image)
    t.true(content!.subarray(0, DEVICES_START).equals(readFileSync(raw)))
    t.true(content!.includes(readFileSync(planted), PLANTED))
    await source.close()
  }
})

test('memory beyond the hole for devices stands where the machine has it', async (t) => {
  const folder = await scratch(t)
  const planted = randomBytes(0x3000)
  const file = path.join(folder, 'planted')
  writeFileSync(file, planted)
  const stream = path.join(folder, 'stream')
  const [low, high] = [2n * GIB - 0x1000n, 4n * GIB]
  const loaders = [low - 0x2000n, high].flatMap((at) => [
    '-device',
    `loader,file=${file},addr=0x${at.toString(16)},force-raw=on`,
  ])
  const options = ['-machine', 'q35', '-m', '2816', ...loaders]
  await haltedGuest([`migrate "exec:cat > '${stream}'"`], { options })
  const source = openFileSource(stream)
  const image = await format.open(source, surroundings())
  t.deepEqual(image.runs, [
    { start: 0n, length: 2n * GIB },
    { start: 4n * GIB, length: 0x30000000n },
  ])
  t.true(await check(image, low - 0x2000n, planted))
  t.true(await check(image, high, planted))
  await source.close()
})

test('items of every kind are read, and later ones replace earlier ones', async (t) => {
  const random = randomBytes(0x1000)
  const image = await open(
    header(),
    FOUR_PAGES,
    part(whole(0, 'a', BLOCK), whole(0x1000, 'b'), filled(0x2000, 0), filled(0x3000, 0x5a)),
    part(
      whole(0x1000, 'c', BLOCK),
      item(0, 0x100, undefined, Buffer.concat([u32(deflateSync(random).length), deflateSync(random)])),
    ),
    end(filled(0x2000, 0x77, BLOCK)),
    section(4, 'timer', 9),
  )
  const expected = Buffer.concat([random, page('c'), page(0x77), page(0x5a)])
  t.deepEqual(Buffer.concat(await readRuns(image, 0x777)), expected)
  t.deepEqual(Buffer.concat(await readRuns(image)), expected)
  t.is(image.incomplete, undefined)
})

test('pages of the stream lie a header apart, and read across many of them', async (t) => {
  const pages = Array.from({ length: 600 }, (_, i) => randomBytes(0x1000).fill(i & 0xff, 0, 1))
  const items = pages.map((bytes, i) => item(i * 0x1000, 0x08, i === 0 ? BLOCK : undefined, bytes))
  const image = await open(header(), start({ [BLOCK]: 600 * 0x1000 }), end(...items))
  for (const step of [1 << 20, 0x3001, 0xfff])
    t.true(Buffer.concat(await readRuns(image, step)).equals(Buffer.concat(pages)), String(step))
  const both = await Promise.all([image.read(5n, 0x20000), image.read(0x1005n, 0x30000)])
  t.true(both[0]!.every((byte, i) => byte === pages[(i + 5) >> 12]![(i + 5) & 0xfff]))
  t.true(both[1]!.every((byte, i) => byte === pages[(i + 0x1005) >> 12]![(i + 0x1005) & 0xfff]))
})

test('pages that the stream does not hold are unknown, differences unreadable and told', async (t) => {
  const difference = Buffer.concat([Buffer.from([1]), u16(3), Buffer.from('xyz')])
  const image = await open(
    header(),
    FOUR_PAGES,
    end(whole(0, 'a', BLOCK), whole(0x2000, 'b'), item(0x2000, 0x40, undefined, difference)),
  )
  t.deepEqual(image.runs, [{ start: 0n, length: 0x1000n }])
  t.deepEqual(image.holes, [
    { start: 0x1000n, length: 0x1000n, content: 'unknown' },
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x3000n, length: 0x1000n, content: 'unknown' },
  ])
  t.deepEqual(image.remarks, [
    '4096 bytes stand there as differences from what they were (XBZRLE), which are not read',
  ])
})

const sized = async (machine: string, size: bigint, block = BLOCK) =>
  await open(
    header(machine),
    start({ [block]: size }),
    end(...[0n, size - 0x1000n].map((at) => whole(at, 'x', block))),
  )

test('each machine has its memory where QEMU puts it', async (t) => {
  const ends: [string, bigint, bigint][] = [
    ['pc-i440fx-7.2', 0xe0000000n - 0x1000n, 0xe0000000n - 0x1000n],
    ['pc-i440fx-7.2', 0xe0000000n, 0x120000000n],
    ['pc-i440fx-rhel7.6.0', 8n * GIB, 9n * GIB],
    ['pc-i440fx-1.7', 4n * GIB, 4n * GIB + 0x20000000n],
    ['pc-1.0', 4n * GIB, 4n * GIB + 0x20000000n],
    ['pc-q35-7.2', 0xb0000000n - 0x1000n, 0xb0000000n - 0x1000n],
    ['pc-q35-jammy', 0xb0000000n, 0x130000000n],
    ['pc-q35-7.2', 8n * GIB, 10n * GIB],
  ]
  for (const [machine, size, expected] of ends) {
    const image = await sized(machine, size)
    t.is(image.size, expected, `${machine} ${size}`)
    t.deepEqual(image.remarks, [])
    t.is((await image.read(expected - 1n, 1))[0], 'x'.charCodeAt(0))
  }
  const arm = await sized('virt-7.2', 0x4000n, 'mach-virt.ram')
  t.deepEqual([arm.runs[0]!.start, arm.facts.machine], [GIB, 183n])
  const other = await sized('toaster-1', 0x4000n, 'toast.ram')
  t.is(other.runs[0]!.start, 0n)
  t.regex(other.remarks[0] ?? '', /machine toaster-1 .* not known: toast\.ram is taken to begin at 0/)
})

test('memory of NUMA nodes is one, in their order; memory that was plugged in is told and not placed', async (t) => {
  const nodes = {
    'ram-node1': 0x1000,
    'ram-node0': 0x2000,
    '0000:00:02.0/vga.vram': 16 << 20,
    dimm0: 16 << 20,
  }
  const image = await open(
    header('pc-q35-7.2'),
    start(nodes),
    end(
      whole(0, 'b', 'ram-node1'),
      whole(0, 'a', 'ram-node0'),
      whole(0x1000, 'A'),
      whole(0, 'v', '0000:00:02.0/vga.vram'),
      whole(0x1000, 'd', 'dimm0'),
    ),
  )
  t.deepEqual(Buffer.concat(await readRuns(image)), Buffer.concat([page('a'), page('A'), page('b')]))
  t.deepEqual(image.remarks, [
    'memory dimm0 of 16777216 bytes is not read: nothing tells where the machine has it',
  ])
})

test('the configuration may tell of pages and capabilities', async (t) => {
  const part = (name: string, data: Buffer) =>
    Buffer.concat([Buffer.from([5]), named(`configuration/${name}`), u32(1), data])
  const large = Buffer.concat([u64(0x08), named('mach-virt.ram'), Buffer.alloc(0x10000, 'L')])
  const image = await open(
    header('virt-9.0'),
    part('target-page-bits', u32(16)),
    part('capabilities', Buffer.concat([u32(1), named('events')])),
    part('uuid', Buffer.alloc(16)),
    start({ 'mach-virt.ram': 0x10000 }),
    end(large),
  )
  t.is(image.unit, 0x10000)
  t.deepEqual(await readRuns(image), [Buffer.alloc(0x10000, 'L')])
  for (const [piece, message] of [
    [part('capabilities', Buffer.concat([u32(1), named('mapped-ram')])), /mapped-ram, which is not read/],
    [part('target-page-bits', u32(60)), /pages of 2\^60 bytes/],
    [part('weather', u32(1)), /a part configuration\/weather/],
    [part('capabilities', u32(0xffffffff)), /4294967295 capabilities/],
  ] as const)
    await t.throwsAsync(open(header(), piece, FOUR_PAGES), { instanceOf: FormatError, message })
})

test('what libvirt saved is read behind its header, or named with the command that undoes its compression', async (t) => {
  const xml = Buffer.from("<domain type='kvm'><name>web &amp; mail</name></domain>\0")
  const saved = (magic: string, compression: number) => {
    const bytes = Buffer.alloc(92)
    bytes.write(magic)
    for (const [i, value] of [2, xml.length, 1, compression].entries()) bytes.writeUInt32LE(value, 16 + 4 * i)
    return Buffer.concat([bytes, xml])
  }
  const stream = [header(), FOUR_PAGES, end(...[0, 1, 2, 3].map((n) => whole(n * 0x1000, n, BLOCK)))]
  const image = await open(saved('LibvirtQemudSave', 0), ...stream)
  t.is(image.facts.virtualMachine, 'web & mail')
  t.is(image.incomplete, undefined)
  t.deepEqual(await readRuns(image), [Buffer.concat([page(0), page(1), page(2), page(3)])])
  t.is((await open(saved('LibvirtQemudPart', 0), ...stream)).incomplete, 'libvirt did not finish it')
  const error = await t.throwsAsync(open(saved('LibvirtQemudSave', 1)), { message: /compressed: gzip/ })
  t.is((error as FormatError).hint, `tail -c +${92 + xml.length + 1} guest.sv | gzip -dc > STREAM`)
})

test('a stream that ends before its memory does is incomplete, and the rest unknown', async (t) => {
  const bytes = Buffer.concat([header(), FOUR_PAGES, part(whole(0, 'a', BLOCK), whole(0x1000, 'b'))])
  const missing = { start: 0x2000n, length: 0x2000n, content: 'unknown' } as const
  for (const [rest, why] of [
    [Buffer.alloc(0), /^its end is missing/],
    [Buffer.from([0]), /the end of the stream before the end of the memory/],
    [section(4, 'timer', 9), /a section timer, which is not read, before/],
    [Buffer.from([8, 0, 4, 0, 0]), /postcopy/],
    [part(whole(0x4000, 'x', BLOCK)), /not announced/],
    [part(item(0x2000, 0x80, BLOCK, Buffer.alloc(0))), /sent beside the stream/],
    [part(item(0x2000, 0x44, BLOCK, Buffer.alloc(0))), /an item of memory with flags 0x44/],
  ] as const) {
    const image = await open(bytes, rest)
    t.regex(image.incomplete ?? '', why)
    t.deepEqual(image.holes, [missing])
    t.deepEqual(await readRuns(image), [Buffer.concat([page('a'), page('b')])])
  }
  const cut = await open(bytes.subarray(0, -100))
  t.deepEqual(cut.runs, [{ start: 0n, length: 0x1000n }])
})

test('what cannot be right is refused with its place', async (t) => {
  const refuse = (message: RegExp, ...pieces: Buffer[]) =>
    t.throwsAsync(open(...pieces), { instanceOf: FormatError, message })
  await refuse(/a stream of version 2; 3 is known/, header('pc', 2), FOUR_PAGES)
  await refuse(/a section block, which is not read,/, header(), section(1, 'block', 1))
  await refuse(/memory of version 3 before/, header(), section(1, 'ram', 2, 3))
  await refuse(/the end of the stream before/, header(), Buffer.from([0]))
  await refuse(/no page of its memory/, header(), FOUR_PAGES, end())
  await refuse(/a memory of \d+ pages/, header(), start({ [BLOCK]: 1n << 62n }))
  await refuse(/memory pc\.ram of 2048 bytes/, header(), start({ [BLOCK]: 0x800, other: 0x800 }))
  const far = Buffer.concat([section(1, 'ram'), u64(0x1004), named(BLOCK), u64(1n << 63n)])
  await refuse(/of which 4096 are left/, header(), far)
})

test('a compressed page that is none is unreadable, and the others are read', async (t) => {
  const bomb = deflateSync(Buffer.alloc(64 << 20))
  for (const bytes of [Buffer.from('no zlib'), bomb, deflateSync(Buffer.alloc(100))]) {
    const data = Buffer.concat([u32(bytes.length), bytes])
    const image = await open(
      header(),
      FOUR_PAGES,
      end(whole(0, 'a', BLOCK), item(0x1000, 0x100, undefined, data)),
    )
    await t.throwsAsync(image.read(0x1000n, 0x1000), { instanceOf: FormatError })
    t.deepEqual(Buffer.from(await image.read(0n, 0x1000)), page('a'))
  }
})

test('CR3 of the first processor is found behind the memory', async (t) => {
  const state = Buffer.alloc(600)
  state.writeBigUInt64BE(0x12345018n, 472)
  const described = Buffer.from('{"devices": [{"name": "env.cr[3]", "type": "uint64", "size": 8}]}')
  const cpu = Buffer.concat([section(4, 'cpu', 5, 12), state])
  const memory = [header(), FOUR_PAGES, end(whole(0, 'a', BLOCK))]
  t.like((await open(...memory, cpu, described)).facts, { cr3: 0x12345018n, pageTableRoot: 0x12345000n })
  t.is((await open(...memory, cpu)).facts.cr3, undefined)
})

test('a stream cut anywhere is refused, or read in part', async (t) => {
  const tiny = Buffer.concat([
    header(),
    start({ [BLOCK]: 0x3000, other: 0x1000 }),
    part(filled(0, 0, BLOCK), filled(0x1000, 1), filled(0, 1, 'other')),
    end(item(0x2000, 0x100, BLOCK, Buffer.concat([u32(20), Buffer.alloc(20)]))),
  ])
  await cutImage(format, tiny, surroundings, tiny.keys())
  await cutImage(format, sample, surroundings, [...Array(300).keys(), 0x1000, 0x8000, sample.length - 1])
  t.pass()
})

test('damaged streams are refused or read, in bounds', async (t) => {
  await fuzzImage(format, sample, surroundings, 500, 1)
  t.pass()
})
