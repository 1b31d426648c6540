import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { asBuffer } from '../../../src/codecs/views.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { openHiberfil } from '../../../src/formats/hiberfil/hiberfil-image.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { surroundingsOf } from '../image/surroundings.js'

const run = promisify(execFile)
const format = FORMATS.find(({ name }) => name === 'hiberfil')!
const tiny = readFileSync('test/data/images/tiny.hib')
const surroundings = () => surroundingsOf('hiberfil.sys')
const PAGE = 0x1000
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-hiberfil-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const open = (bytes: Buffer) => openHiberfil(bufferSource(bytes))

/** A hibernation file and the pages that it holds, by their numbers. */
async function hibernation(headerLength: number, sets: number) {
  const prefix = path.join(folder, `${headerLength}-${sets}`)
  await run('/usr/bin/python3', [
    'test/formats/hiberfil/make-hiberfil.py',
    prefix,
    `${headerLength}`,
    `${sets}`,
    '0',
  ])
  const pages = Object.entries(JSON.parse(readFileSync(`${prefix}.json`, 'utf8')) as Record<string, string>)
  return {
    bytes: readFileSync(`${prefix}.hib`),
    pages: new Map(pages.map(([number, content]) => [BigInt(number), Buffer.from(content, 'base64')])),
  }
}

for (const [length, variant] of [
  [0x360, 'Windows 8 or later, 64 bit'],
  [0x3b0, 'Windows 10 or later, 64 bit'],
  [0x3e0, 'Windows 10 or later, 64 bit'],
  [0x448, 'Windows 11 or later, 64 bit'],
  [0x4d8, 'Windows 11 or later, 64 bit'],
  [0x340, 'Windows 10 or later, 32 bit'],
] as const)
  test(`a header of ${length} bytes: ${variant}, plain, Huffman and stored sets`, async (t) => {
    const { bytes, pages } = await hibernation(length, 24)
    t.true(await format.recognises(bytes, bufferSource(bytes), surroundings()))
    const image = await open(bytes)
    t.is(image.variant, variant)
    t.is(image.incomplete, undefined)
    t.is(image.runs.reduce((sum, { length }) => sum + length, 0n) / 0x1000n, BigInt(pages.size))
    for (const { start, length } of image.runs) {
      const content = Array.from(
        { length: Number(length) / PAGE },
        (_, i) => pages.get(start / 0x1000n + BigInt(i))!,
      )
      t.true(Buffer.concat(content).equals(await image.read(start, Number(length))))
      t.true(content[0]!.subarray(5, 99).equals(await image.read(start + 5n, 94)))
    }
    t.like(image.facts, {
      system: 'Windows',
      machine: length === 0x340 ? 3n : 62n,
      acquisitionTime: (132999997331234567n - 116444736000000000n) * 100n,
    })
    t.regex(image.remarks[1]!, /more than once: 1; the last copy counts/)
  })

test('what became of the hibernation is told', async (t) => {
  for (const [magic, remark] of [
    ['WAKE', /has gone on from this/],
    ['RSTR', /was going on/],
    ['HORM', /again and again/],
  ] as const) {
    const bytes = Buffer.from(tiny)
    bytes.write(magic, 'latin1')
    t.true(await format.recognises(bytes, bufferSource(bytes), surroundings()))
    t.regex((await open(bytes)).remarks[1]!, remark)
  }
})

/** The first page of a hibernation file of an older Windows. */
function older(magic: string, length: number, pageSizeAt: number): Buffer {
  const bytes = Buffer.alloc(0x2000, 7)
  bytes.write(magic, 'latin1')
  bytes.writeUInt32LE(length, 0x0c)
  bytes.writeUInt32LE(PAGE, pageSizeAt)
  return bytes
}

test('older ones and wiped ones are named, and no raw images', async (t) => {
  for (const magic of ['hibr', 'wake', 'HIBR', 'rstr'])
    for (const bytes of [older(magic, 0xb8, 0x14), older(magic, 0xe0, 0x18)]) {
      t.is(await detect(bufferSource(bytes)), format)
      const error = await t.throwsAsync<FormatError>(open(bytes), {
        instanceOf: FormatError,
        message: /Windows 8 to 11 are read \(at 0xc\)/,
      })
      t.regex(error.hint!, /Volatility 2/)
    }
  for (const magic of ['wake', 'HIBR', 'RSTR']) {
    const wiped = Buffer.alloc(0x3000)
    wiped.write(magic, 'latin1')
    wiped.fill(9, 0x1000)
    t.is(await detect(bufferSource(wiped)), format)
    await t.throwsAsync(open(wiped), { message: /header was wiped/ })
  }
})

test('what only begins like one is none', async (t) => {
  // $LogFile of NTFS.
  const log = Buffer.alloc(0x1000, 3)
  Buffer.from('525354521e000900000000000000000000100000001000003000010001000000', 'hex').copy(log)
  for (const bytes of [log, Buffer.from('wake up, little Susie'.padEnd(PAGE, '!')), Buffer.from('HIBR')])
    t.is((await detect(bufferSource(bytes))).name, 'raw')
})

/** Where the header says how many pages the kernel's sets have, and where those of the loader begin. */
const [KERNEL_PAGES, FIRST_BOOT_PAGE] = [0x230, 0x68]

test('sets that break off leave a stump of what came before', async (t) => {
  const cut = await open(tiny.subarray(0, tiny.length - 0x8000))
  t.regex(cut.incomplete!, /the file ends at 0x[0-9a-f]+, with \d+ of the \d+ pages of the kernel found/)
  t.true(cut.runs.length > 0)
  const more = Buffer.from(tiny)
  more.writeBigUInt64LE(2n ** 63n, KERNEL_PAGES)
  t.regex((await open(more)).incomplete!, /with \d+ of the 9223372036854775808 pages of the kernel found/)
})

/** Where the first set stands that is compressed, and where its compressed bytes do. */
function firstCompressed(bytes: Buffer): { at: number; start: number } {
  for (let at = 0x3000; ; ) {
    const state = bytes.readUInt32LE(at)
    const start = at + 4 + 8 * (state & 0xff)
    const size = (state >>> 8) & 0x3fffff
    if (size % PAGE !== 0) return { at, start }
    at = start + size
  }
}

/** Compares what can be read with the original. @returns why other pages cannot */
async function lostPages(image: Image, original: Image): Promise<string[]> {
  const lost: string[] = []
  for (const { start, length } of original.runs)
    for (let at = start; at < start + length; at += 0x1000n)
      try {
        const bytes = await image.read(at, PAGE)
        if (!asBuffer(bytes).equals(await original.read(at, PAGE))) throw new Error('other bytes')
      } catch (error) {
        lost.push((error as Error).message)
      }
  return lost
}

test('a damaged set costs its own pages', async (t) => {
  const damaged = Buffer.from(tiny)
  const { start } = firstCompressed(damaged)
  // The lengths of Huffman codes, or the first flags.
  damaged.fill(0xff, start, start + 8)
  const lost = await lostPages(await open(damaged), await open(tiny))
  t.true(lost.length > 0 && lost.length <= 16)
  for (const why of lost) t.regex(why, /a set of \d+ pages is damaged: .* \(at 0x/)
})

test('a set that is compressed in a way on which readers disagree is not guessed at', async (t) => {
  const bytes = Buffer.from(tiny)
  const { at } = firstCompressed(bytes)
  bytes[at + 3] = 0x40 | (bytes[at + 3]! & 0x3f)
  const lost = await lostPages(await open(bytes), await open(tiny))
  t.true(lost.length > 0 && lost.length <= 16)
  for (const why of lost) t.regex(why, /readers disagree/)
})

const HOSTILE: Record<string, readonly [offset: number, value: bigint, message: RegExp]> = {
  'sets beyond the file': [FIRST_BOOT_PAGE, 2n ** 60n, /the file ends at 0x/],
  'sets in the header': [FIRST_BOOT_PAGE, 0n, /a set has \d+ descriptors at 0x0/],
  'a page beyond the highest one': [
    0x3004,
    2n ** 63n,
    /tells of page \d+, and the highest one is 8192 at 0x3000/,
  ],
  'more descriptors than pages': [0x3000, 0xffff_ffffn, /a set has 255 descriptors at 0x3000/],
  'a set of no bytes': [0x3000, 1n, /takes 0 bytes/],
  'more bytes than pages': [0x3000, 0x3fff_ff01n, /takes 4194303 bytes/],
}
for (const [what, [offset, value, message]] of Object.entries(HOSTILE))
  test(`${what}: the sets end there`, async (t) => {
    const bytes = Buffer.from(tiny)
    if (offset === 0x3000) bytes.writeUInt32LE(Number(value), offset)
    else bytes.writeBigUInt64LE(value, offset)
    t.regex((await open(bytes)).incomplete!, message)
    // Without any other set there is nothing.
    bytes.writeBigUInt64LE(0n, KERNEL_PAGES)
    await t.throwsAsync(open(bytes), { name: 'FormatError', message })
  })

test('a damaged hibernation file is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, tiny, surroundings, 500, 1)
  t.pass()
})

test('a hibernation file that is cut at any field is refused or read in part', async (t) => {
  await cutImage(format, tiny, surroundings, [
    ...Array(0x80).keys(),
    ...Array.from({ length: 0xa0 }, (_, i) => 0x3000 + i),
    ...Array.from({ length: tiny.length >> 12 }, (_, i) => i << 12),
  ])
  t.pass()
})
