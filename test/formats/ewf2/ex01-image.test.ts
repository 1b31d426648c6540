import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import { sealChecksum } from '../../../src/formats/ewf/structs.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { openImage } from '../../../src/formats/image/open-image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'

const format = FORMATS.find(({ name }) => name === 'ewf')!
const CHUNK = 32768
const folder = mkdtempSync(path.join(tmpdir(), 'pmem-ex01-'))
test.after.always(() => rmSync(folder, { recursive: true }))

interface Maker {
  readonly stem?: string
  readonly chunksPerTable?: number
  readonly tablesPerSegment?: number
  readonly forms?: string
  readonly device?: Record<string, string>
  readonly case?: Record<string, string>
  readonly errors?: readonly [number, number][]
  readonly digests?: boolean
  readonly compression?: number
  readonly flags?: number
  readonly setId?: string
}

let made = 0
/** The segments of a set by their names, written from the specification by a program of its own. */
function makeEx01(media: Buffer, { stem = 'd', ...maker }: Maker = {}): Record<string, Buffer> {
  const place = path.join(folder, String(made++))
  writeFileSync(place, media)
  execFileSync('/usr/bin/python3', [
    'test/formats/ewf2/make-ex01.py',
    place,
    `${place}-set`,
    JSON.stringify(maker),
  ])
  const names = readdirSync(folder).filter((name) => name.startsWith(`${path.basename(place)}-set.`))
  return Object.fromEntries(
    names.sort().map((name) => [`${stem}${path.extname(name)}`, readFileSync(path.join(folder, name))]),
  )
}

/** Chunks that repeat eight bytes, that deflate well, and that don't. */
function mediaOf(length: number): Buffer {
  const media = Buffer.alloc(length)
  let state = 1
  for (let at = 0; at + 4 <= length; at += 4) {
    const chunk = Math.floor(at / CHUNK)
    if (chunk % 3 === 0) state = (at >> 2) % 2 === 0 ? chunk : 0x70617474
    else state = chunk % 3 === 1 ? chunk + (at >> 12) : (Math.imul(state, 1664525) + 1013904223) >>> 0
    media.writeUInt32LE(state, at)
  }
  return media
}

const open = (files: Record<string, Buffer>, name: string, parts: string[] = []) => {
  const surroundings = surroundingsOf(name, files, parts)
  return format.open(surroundings.openFile(name)!, surroundings).then((image) => ({ image, surroundings }))
}
const wholeOf = async (image: Image) => Buffer.concat(await readRuns(image))
const digest = (algorithm: string, bytes: Buffer) => createHash(algorithm).update(bytes).digest('hex')

interface Section {
  readonly type: number
  readonly offset: number
  readonly body: number
}

/** The sections of a file, in its order. */
function sectionsOf(file: Buffer): Section[] {
  const sections: Section[] = []
  for (let offset = file.length - 64; ; ) {
    const previous = Number(file.readBigUInt64LE(offset + 8))
    const body = offset - Number(file.readBigUInt64LE(offset + 16))
    sections.unshift({ type: file.readUInt32LE(offset), offset, body })
    if (previous === 0) return sections
    offset = previous
  }
}
const find = (file: Buffer, type: number) => sectionsOf(file).find((section) => section.type === type)!
const seal = (file: Buffer, { offset }: Section) => sealChecksum(file.subarray(offset, offset + 64), 60)

test('an Ex01 is read in all forms of chunks, with its digests and its case', async (t) => {
  const media = mediaOf(11 * CHUNK + 1024)
  for (const forms of ['z', 's', 'n', 'pzsn']) {
    const files = makeEx01(media, { forms })
    t.is((await detect(bufferSource(files['d.Ex01']!))).name, 'ewf')
    const { image, surroundings } = await open(files, 'd.Ex01')
    t.true((await wholeOf(image)).equals(media), forms)
    t.like(image, { variant: 'Ex01', category: 'disk:physical', unit: CHUNK, incomplete: undefined })
    t.deepEqual(image.digests, [
      { algorithm: 'md5', value: digest('md5', media), covers: 'linear' },
      { algorithm: 'sha1', value: digest('sha1', media), covers: 'linear' },
    ])
    t.deepEqual(image.remarks, [
      'read by the published description; no file of EnCase was at hand to compare with',
      'the label of the device is label',
    ])
    t.deepEqual(surroundings.warnings, [])
    t.deepEqual(image.facts, {
      caseNumber: 'case 7',
      evidenceNumber: '7/1',
      examiner: 'Jane Roe',
      description: 'a disk',
      caseNotes: 'as\nfound',
      diskModel: 'model',
      diskSerial: 'S/N 1',
      acquisitionTool: '7.04',
      acquisitionSystem: 'Windows',
      acquisitionTime: 1700000000_000000000n,
      sectorSize: 512n,
    })
  }
})

test('what libewf writes as Ex01 is read: a pattern, a deflated chunk, a stored one, an error, the case', async (t) => {
  const { image } = await open({ 'tiny.Ex01': readFileSync('test/data/images/tiny.Ex01') }, 'tiny.Ex01')
  t.deepEqual(image.holes, [{ start: 10n * 512n, length: 2n * 512n, content: 'unreadable' }])
  t.like(image.facts, {
    caseNumber: 'case 9',
    examiner: 'Jane Roe',
    caseNotes: 'some notes',
    sectorSize: 512n,
  })
  const pattern = Buffer.alloc(2 * 512, 'PATTERN ')
  const [before, behind] = await readRuns(image)
  t.is(
    digest('sha256', Buffer.concat([before!, pattern, behind!])),
    '5309b2a97e0641755039e6e8dde4f9bbddfe19ebfe19544684725cab0db774a8',
  )
  t.deepEqual(await image.verify?.(), [])
})

test('any segment of a set opens it, and the tools for file systems see its medium', async (t) => {
  const media = mediaOf(11 * CHUNK + 1024)
  const files = makeEx01(media, { chunksPerTable: 2, tablesPerSegment: 2, forms: 'pzs' })
  t.deepEqual(Object.keys(files), ['d.Ex01', 'd.Ex02', 'd.Ex03'])
  for (const name of Object.keys(files)) {
    const { image } = await open(files, name)
    t.true((await wholeOf(image)).equals(media), name)
    t.is(image.incomplete, undefined)
  }
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, name), bytes)
  const medium = await openImage(path.join(folder, 'd.Ex01'))
  t.true(media.equals(await medium.read(0n, media.length)))
  await medium.close()
})

test('what a missing segment held is unknown, and one of another set is left out', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const files = makeEx01(media, { chunksPerTable: 2 })
  const other = makeEx01(media, { chunksPerTable: 2, setId: 'ff'.repeat(16) })
  for (const left of [
    { 'd.Ex01': files['d.Ex01']!, 'd.Ex03': files['d.Ex03']! },
    { ...files, 'd.Ex02': other['d.Ex02']! },
  ]) {
    const { image } = await open(left, 'd.Ex03')
    t.regex(image.incomplete ?? '', /^missing: d\.Ex02; its tables list 4 of 6 chunks$/)
    t.deepEqual(image.digests, [])
    t.deepEqual(image.holes, [{ start: BigInt(2 * CHUNK), length: BigInt(2 * CHUNK), content: 'unknown' }])
    t.true(
      (await wholeOf(image)).equals(Buffer.concat([media.subarray(0, 2 * CHUNK), media.subarray(4 * CHUNK)])),
    )
  }
  const { image } = await open({ ...files, 'd.Ex02': other['d.Ex02']! }, 'd.Ex01')
  t.true(image.remarks.includes('d.Ex02 is part of another image, and left out'))
  const { image: first } = await open({ 'd.Ex01': files['d.Ex01']! }, 'd.Ex01')
  t.regex(first.incomplete ?? '', /^missing: d\.Ex02 and what may follow it; /)
  const cut = files['d.Ex03']!.subarray(0, -200)
  const { image: stump } = await open({ ...files, 'd.Ex03': cut }, 'd.Ex01')
  t.regex(
    stump.incomplete ?? '',
    /^d\.Ex03: it is cut off at 0x[0-9a-f]+, or .*; its tables list 4 of 6 chunks$/,
  )
})

test('sectors that could not be read are holes, and the digests are those of the medium as it was written', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const errors: [number, number][] = [
    [70, 4],
    [10, 2],
    [380, 99],
  ]
  const { image } = await open(makeEx01(media, { errors }), 'd.Ex01')
  const hole = (from: number, to: number) => ({
    start: BigInt(from * 512),
    length: BigInt((to - from) * 512),
    content: 'unreadable' as const,
  })
  t.deepEqual(image.holes, [hole(10, 12), hole(70, 74), hole(380, 384)])
  t.deepEqual(image.digests, [])
  await readRuns(image)
  t.deepEqual(await image.verify?.(), [])
})

test('a memory in the medium becomes the image, with the case', async (t) => {
  const core = readFileSync('test/data/linpmem-style.elf')
  const media = Buffer.alloc(Math.ceil(core.length / 512) * 512)
  core.copy(media)
  const { image } = await open(makeEx01(media, { device: { dt: 'm' } }), 'd.Ex01')
  const elf = FORMATS.find(({ name }) => name === 'elf')!
  const plain = await elf.open(bufferSource(core), surroundingsOf('x'))
  t.is(image.variant, 'Ex01, holding an ELF core')
  t.deepEqual(image.runs, plain.runs)
  t.deepEqual(await readRuns(image), await readRuns(plain))
  t.like(image.facts, { caseNumber: 'case 7', machine: plain.facts.machine })
  t.deepEqual(await image.verify?.(), [])

  const { image: bare } = await open(makeEx01(mediaOf(CHUNK), { device: { dt: 'm', ph: '' } }), 'd.Ex01')
  t.is(bare.category, 'memory:physical')
})

test('a damaged chunk is refused by its sectors, and all others are read', async (t) => {
  const media = mediaOf(6 * CHUNK)
  for (const forms of ['z', 's']) {
    const files = makeEx01(media, { forms })
    const file = files['d.Ex01']!
    const entry = find(file, 4).body + 32 + 2 * 16
    file[Number(file.readBigUInt64LE(entry)) + 100]! ^= 1
    const { image } = await open(files, 'd.Ex01')
    await t.throwsAsync(image.read(0n, media.length), { message: /^sectors 128 to 191: / })
    for (const chunk of [0, 1, 3, 4, 5])
      t.true(
        media
          .subarray(chunk * CHUNK, (chunk + 1) * CHUNK)
          .equals(await image.read(BigInt(chunk * CHUNK), CHUNK)),
      )
  }
})

test('where a table does not hold its checksum, only chunks with one of their own are read', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const files = makeEx01(media, { forms: 'pzn' })
  const file = files['d.Ex01']!
  file[find(file, 4).body + 32 + 3 * 16]! ^= 1
  const { image, surroundings } = await open(files, 'd.Ex01')
  for (const chunk of [0, 2, 3, 5])
    await t.throwsAsync(image.read(BigInt(chunk * CHUNK), CHUNK), { message: /in a damaged entry/ })
  t.true(media.subarray(CHUNK, 2 * CHUNK).equals(await image.read(BigInt(CHUNK), CHUNK)))
  t.regex(surroundings.warnings.join(), /^d\.Ex01: the table at 0x[0-9a-f]+ does not hold its checksum/)
})

test('what is encrypted, compressed with bzip2, or logical evidence is named', async (t) => {
  const media = mediaOf(CHUNK)
  for (const [maker, message, hint] of [
    [{ flags: 2 }, /d\.Ex01: the done at 0x[0-9a-f]+ is encrypted/, /without encryption/],
    [{ compression: 2 }, /compressed with bzip2, which is not read \(at 0xa\)/, /EnCase converts/],
    [{ compression: 7 }, /compression 7 \(at 0xa\)/, undefined],
  ] as const) {
    const error = await t.throwsAsync(open(makeEx01(media, maker), 'd.Ex01'), {
      instanceOf: FormatError,
      message,
    })
    if (hint) t.regex((error as FormatError).hint ?? '', hint)
  }
  const logical = Buffer.from('LEF2\x0d\x0a\x81\0\x02\x01'.padEnd(512, '\0'), 'latin1')
  await t.throwsAsync(detect(bufferSource(logical)), { message: /is logical evidence of EWF version 2/ })
})

test('sections that lead ahead or to themselves, and claims beyond the file, are refused or left out', async (t) => {
  const media = mediaOf(4 * CHUNK)
  const pristine = makeEx01(media)['d.Ex01']!
  const attempt = (change: (file: Buffer) => void) => {
    const file = Buffer.from(pristine)
    change(file)
    return open({ 'd.Ex01': file }, 'd.Ex01')
  }
  const inDescriptor = (type: number, change: (file: Buffer, at: number) => void) =>
    attempt((file) => {
      const section = find(file, type)
      change(file, section.offset)
      seal(file, section)
    })
  const table = find(pristine, 4)
  for (const previous of [table.offset, find(pristine, 15).offset, 1 << 30, 8])
    await t.throwsAsync(
      inDescriptor(4, (file, at) => file.writeBigUInt64LE(BigInt(previous), at + 8)),
      { instanceOf: FormatError, message: /the sector table at 0x[0-9a-f]+ leads to 0x[0-9a-f]+ \(at 0x/ },
    )
  await t.throwsAsync(
    inDescriptor(3, (file, at) => file.writeBigUInt64LE(0xffff_ffff_ffff_fff0n, at + 16)),
    { instanceOf: FormatError, message: /the sector data .* more than are before it/ },
  )
  await t.throwsAsync(
    inDescriptor(3, (file, at) => file.writeUInt32LE(76, at + 24)),
    { message: /a descriptor of 76 bytes/ },
  )

  const { image: huge } = await attempt((file) => {
    file.writeUInt32LE(0xffff_ffff, table.body + 8)
    sealChecksum(file.subarray(table.body), 16)
  })
  t.deepEqual(huge.runs, [])
  t.is(huge.incomplete, 'its tables list 0 of 4 chunks')

  const { image: outside } = await attempt((file) => {
    file.writeBigUInt64LE(1n << 60n, table.body + 32)
    sealChecksum(file.subarray(table.body + 32), 4 * 16)
  })
  await t.throwsAsync(outside.read(0n, CHUNK), { message: /has its chunk 0 outside \(at 0x/ })

  const { image: twice } = await attempt((file) => {
    file.writeBigUInt64LE(2n, table.body)
    sealChecksum(file.subarray(table.body), 16)
  })
  t.deepEqual(twice.runs, [])

  for (const [maker, message] of [
    [{ device: { bp: '4294967295' } }, /sectors of 4294967295 bytes/],
    [{ device: { ts: '9999999999999999999' } }, /a medium of \d+ bytes/],
    [{ device: { ts: 'many' } }, /nothing says how many sectors/],
    [{ case: { sb: '4294967295' } }, /chunks of \d+ bytes/],
    [{ case: { sb: '0' } }, /chunks of 0 bytes/],
  ] as const)
    await t.throwsAsync(open(makeEx01(media, maker), 'd.Ex01'), { instanceOf: FormatError, message })
})

test('a chunk or a text that inflates to more than it may is refused', async (t) => {
  const bomb = deflateSync(Buffer.alloc(16 << 20), { level: 9 })
  const media = mediaOf(2 * CHUNK)
  const file = makeEx01(media, { forms: 's' })['d.Ex01']!
  const chunk = Buffer.from(file)
  const table = find(chunk, 4)
  const entry = table.body + 32
  bomb.copy(chunk, Number(chunk.readBigUInt64LE(entry)))
  chunk.writeUInt32LE(bomb.length, entry + 8)
  chunk.writeUInt32LE(1, entry + 12)
  sealChecksum(chunk.subarray(entry), 2 * 16)
  const { image } = await open({ 'd.Ex01': chunk }, 'd.Ex01')
  await t.throwsAsync(image.read(0n, CHUNK), { message: /^sectors 0 to 63: / })

  const text = Buffer.from(file)
  const sectors = find(text, 3)
  bomb.copy(text, sectors.body)
  text.writeUInt32LE(2, sectors.offset)
  text.writeUInt32LE(0, sectors.offset + 4)
  seal(text, sectors)
  const { image: other } = await open({ 'd.Ex01': text }, 'd.Ex01')
  t.true(other.remarks.some((remark) => /the case data at .* is damaged/.test(remark)))
})

test('a damaged image is refused or read in part, in bounded memory', async (t) => {
  const files = makeEx01(mediaOf(4 * CHUNK), {
    chunksPerTable: 2,
    tablesPerSegment: 9,
    forms: 'pznz',
    errors: [[3, 5]],
  })
  await fuzzImage(format, files['d.Ex01']!, () => surroundingsOf('d.Ex01'), 500, 1)
  t.pass()
})

test('an image that is cut at any field is refused or read in part', async (t) => {
  const file = makeEx01(mediaOf(CHUNK), { forms: 'p', errors: [[3, 5]] })['d.Ex01']!
  await cutImage(format, file, () => surroundingsOf('d.Ex01'), Array(file.length).keys())
  t.pass()
})
