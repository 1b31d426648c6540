import { execFileSync } from 'node:child_process'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import { compress } from '../../../src/codecs/codec.js'
import { hasZstd } from '../../../src/codecs/zstd.js'
import { FormatError } from '../../../src/formats/format-error.js'
import type { Image } from '../../../src/formats/image/image.js'
import { openKdump } from '../../../src/formats/kdump/kdump-image.js'
import { LZO, type Model, SNAPPY, ZLIB, ZSTD } from '../../../src/formats/kdump/structs.js'
import { noise, sample } from '../../codecs/samples.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { BLOCK, type Build, buildDump, DESCRIPTORS_AT } from './build.js'

const open = (bytes: Buffer): Promise<Image> => openKdump(bufferSource(bytes), surroundingsOf('dump'))
const contents = [sample('text', BLOCK), sample('pointers', BLOCK), noise(BLOCK), sample('mixed', BLOCK)]
const zlibPages = contents.map((bytes, page) => ({ page, stored: deflateSync(bytes), flags: ZLIB }))
const refused = (build: Build) => open(buildDump(build))

const MODELS: readonly [string, Model, string][] = [
  ['x86_64', { bits: 64, littleEndian: true, align: 8 }, '64 bit'],
  ['aarch64', { bits: 64, littleEndian: true, align: 8 }, '64 bit'],
  ['i686', { bits: 32, littleEndian: true, align: 4 }, '32 bit'],
  ['armv7l', { bits: 32, littleEndian: true, align: 8 }, '32 bit'],
  ['s390x', { bits: 64, littleEndian: false, align: 8 }, '64 bit, big-endian'],
]
for (const [machine, model, variant] of MODELS)
  test(`the layout of ${machine} is found, and the same facts in it`, async (t) => {
    const vmcoreinfo = 'OSRELEASE=6.6.6\nPAGESIZE=4096\n'
    const littleEndian = { vmcoreinfo: model.littleEndian ? vmcoreinfo : '' }
    const stored = contents.map((bytes, i) => ({ page: i * 2, stored: bytes, flags: 0 }))
    const image = await open(
      buildDump({ model, pages: stored, excluded: [3], header: { machine }, ...littleEndian }),
    )
    t.is(image.variant, `version 6, ${variant}, not compressed`)
    t.deepEqual(await readRuns(image), contents)
    t.deepEqual(image.holes, [{ start: 0x3000n, length: 0x1000n, content: 'unknown' }])
    t.like(image.facts, {
      system: 'Linux',
      hostName: 'host',
      kernelRelease: '6.6.6',
      kernelVersion: '#1 SMP',
      processors: 4n,
      physBase: -0x100000n,
      acquisitionTime: 1700000000250000000n,
    })
    t.is(image.facts.vmcoreinfo, model.littleEndian ? vmcoreinfo : undefined)
  })

test('older versions lack fields, whatever stands in their place', async (t) => {
  const nonsense = { start_pfn_64: 5n, end_pfn_64: 9n, max_mapnr_64: 1n << 60n }
  for (const version of [1, 3, 5]) {
    const image = await open(buildDump({ version, pages: zlibPages, sub: nonsense }))
    t.deepEqual(image.runs, [{ start: 0n, length: 0x4000n }])
    t.true(image.variant.startsWith(`version ${version}, `))
  }
})

test('pages of every codec are decoded, zeros that share one page too', async (t) => {
  const zstd = execFileSync('zstd', ['-q', '-c'], { input: contents[0]! })
  const pages = [
    { page: 0, stored: deflateSync(contents[0]!), flags: ZLIB },
    { page: 1, stored: Buffer.from(compress('snappy', contents[1]!)), flags: SNAPPY },
    { page: 2, stored: contents[2]!, flags: 0 },
    { page: 3, stored: zstd, flags: ZSTD },
  ]
  const image = await open(buildDump({ pages }))
  for (const [page, expected] of [contents[0], contents[1], contents[2], contents[0]].entries())
    if (page < 3 || hasZstd) t.deepEqual(Buffer.from(await image.read(BigInt(page * BLOCK), BLOCK)), expected)
    else await t.throwsAsync(image.read(BigInt(page * BLOCK), BLOCK), { message: /22\.15 or later/ })
})

test('pages in any order of the file, and pages that share their bytes', async (t) => {
  const dump = buildDump({
    pages: [...zlibPages, ...zlibPages.map((one) => ({ ...one, page: one.page + 4 }))],
  })
  const entry = (index: number) =>
    dump.subarray(DESCRIPTORS_AT + index * 24, DESCRIPTORS_AT + index * 24 + 24)
  const first = Buffer.from(entry(0))
  entry(0).set(entry(5))
  entry(5).set(first)
  for (const index of [2, 4, 7]) entry(index).set(entry(3))
  const image = await open(dump)
  const expected = [1, 1, 3, 3, 3, 0, 2, 3].map((index) => contents[index]!)
  t.deepEqual(await readRuns(image, 8 * BLOCK), [Buffer.concat(expected)])
  t.deepEqual(await readRuns(image, 777), [Buffer.concat(expected)])
})

test('a damaged page costs itself only, and says where it stands', async (t) => {
  for (const damage of ['bit', 'flags', 'size', 'offset'] as const) {
    const dump = buildDump({ pages: zlibPages })
    const entry = DESCRIPTORS_AT + 24
    const at = Number(dump.readBigUInt64LE(entry))
    if (damage === 'bit') dump[at + 20]! ^= 0x55
    else if (damage === 'flags') dump.writeUInt32LE(LZO, entry + 12)
    else if (damage === 'size') dump.writeUInt32LE(0xffff_ffff, entry + 8)
    else dump.writeBigUInt64LE(1n << 60n, entry)
    const image = await open(dump)
    const error = await t.throwsAsync(image.read(0n, 4 * BLOCK), { instanceOf: FormatError }, damage)
    t.regex(error.message, /page 1 |page 1:/)
    for (const page of [0, 2, 3])
      t.deepEqual(Buffer.from(await image.read(BigInt(page * BLOCK), BLOCK)), contents[page])
  }
})

test('a page that is a bomb is no larger than a page', async (t) => {
  const bomb = deflateSync(Buffer.alloc(1 << 22))
  const image = await open(buildDump({ pages: [{ page: 0, stored: bomb.subarray(0, BLOCK), flags: ZLIB }] }))
  await t.throwsAsync(image.read(0n, BLOCK), { instanceOf: FormatError, message: /more than 4096/ })
})

test('headers that claim what no file has are refused', async (t) => {
  const u32 = 0xffff_ffffn
  for (const [header, sub] of [
    [{ bitmap_blocks: u32 }, {}],
    [{ sub_hdr_size: u32 }, {}],
    [{}, { max_mapnr_64: 1n << 62n }],
    [{ block_size: 1n << 31n }, {}],
    [{ block_size: 0n }, {}],
    [{ header_version: 0n }, {}],
    [{}, { split: 1n, start_pfn_64: 1n << 50n, end_pfn_64: 1n << 51n }],
    [{}, { split: 1n, start_pfn_64: 3n, end_pfn_64: 2n }],
  ] as const)
    await t.throwsAsync(refused({ pages: zlibPages, header, sub }), {
      instanceOf: FormatError,
      message: /at 0x/,
    })
})

test('texts and notes that cannot be read are told, and the memory is', async (t) => {
  const sub = { offset_vmcoreinfo: 1n << 40n, size_vmcoreinfo: 5n, offset_note: 1n, size_note: 1n << 63n }
  const image = await open(buildDump({ pages: zlibPages, sub }))
  t.deepEqual(await readRuns(image), [Buffer.concat(contents)])
  t.is(image.remarks.length, 2)
  t.regex(image.remarks[0]!, /^VMCOREINFO cannot be read: 5 bytes at 0x10000000000$/)
})

test('a writer that says it did not finish: pages without a place are unknown', async (t) => {
  const dump = buildDump({ pages: zlibPages, header: { status: 9n } })
  dump.fill(0, DESCRIPTORS_AT + 2 * 24, DESCRIPTORS_AT + 3 * 24)
  const image = await open(dump)
  t.is(image.incomplete, 'its writer did not finish it; 1 pages that it lists are not in it')
  t.deepEqual(image.holes, [{ start: 0x2000n, length: 0x1000n, content: 'unknown' }])
  t.deepEqual(
    image.runs.map(({ start, length }) => [start, length]),
    [
      [0n, 0x2000n],
      [0x3000n, 0x1000n],
    ],
  )
  t.deepEqual(Buffer.from(await image.read(0x3000n, BLOCK)), contents[3])
})

test('what a dump leaves out on purpose is told', async (t) => {
  const image = await open(
    buildDump({ pages: zlibPages, sub: { dump_level: 31n }, header: { status: 0x11n } }),
  )
  t.deepEqual(image.remarks, [
    'dump level 31 leaves out the page cache, private pages of the page cache, memory of processes, free pages',
    'it leaves out unused parts of vmemmap',
  ])
})
