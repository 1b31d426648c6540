import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import * as ewf from '../../../src/formats/ewf/structs.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { type EwfMaker, makeEwf, openSegment } from './ewf-maker.js'

const format = FORMATS.find(({ name }) => name === 'ewf')!
const CHUNK = 32768

/** Chunks that differ, some that deflate well and some that don't. */
function mediaOf(length: number): Buffer {
  const media = Buffer.alloc(length)
  let state = 1
  for (let at = 0; at + 4 <= length; at += 4) {
    const chunk = Math.floor(at / CHUNK)
    state = chunk % 2 === 0 ? chunk + 1 : (Math.imul(state, 1664525) + 1013904223) >>> 0
    media.writeUInt32LE(state, at)
  }
  return media
}

function open(files: Record<string, Buffer>, name: string, parts: string[] = []) {
  const surroundings = surroundingsOf(name, files, parts)
  const source = surroundings.openFile(name)!
  return format.open(source, surroundings).then((image) => ({ image, surroundings, source }))
}

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const wholeOf = async (image: Image) => Buffer.concat(await readRuns(image))
const refused = (files: Record<string, Buffer>, name: string) =>
  open(files, name).then(
    () => 'opened',
    (error: Error) => error.message,
  )

test('images of four programs are read: the medium, its digests, the case', async (t) => {
  const media = readFileSync('test/data/images/in.raw')
  for (const name of ['one', 'x_encase7', 'x_ftk', 'x_linen5']) {
    const bytes = readFileSync(`test/data/images/${name}.E01`)
    t.is((await detect(bufferSource(bytes))).name, 'ewf')
    const { image } = await open({ [`${name}.E01`]: bytes }, `${name}.E01`)
    t.true((await wholeOf(image)).equals(media), name)
    t.like(image, { variant: 'E01', category: 'disk:physical', unit: CHUNK, incomplete: undefined })
    t.deepEqual(image.digests[0], { algorithm: 'md5', value: md5(media), covers: 'linear' })
    t.like(image.facts, { acquisitionTool: '20140813', acquisitionSystem: 'Linux', sectorSize: 512n })
  }
  const { image } = await open({ 'one.E01': readFileSync('test/data/images/one.E01') }, 'one.E01')
  t.like(image.facts, { caseNumber: 'case1', evidenceNumber: 'ev1', examiner: 'exam', caseNotes: 'notes' })
  t.is(image.facts.acquisitionTime, 1795342095_000000000n)
  t.is(image.digests[1]?.algorithm, 'sha1')
})

test('each form of the format is read, in segments and tables, with the last chunk short', async (t) => {
  const media = mediaOf(11 * CHUNK + 1024)
  const deflates = (chunk: number) => chunk % 3 !== 1
  for (const form of ['smart', 'encase1', 'encase5', 'encase6'] as const) {
    const files = makeEwf(media, { form, chunksPerTable: 2, tablesPerSegment: 2, deflates })
    const names = Object.keys(files)
    t.is(names.length, 3)
    for (const name of names) {
      const { image } = await open(files, name)
      t.true((await wholeOf(image)).equals(media), `${form} by ${name}`)
      t.is(image.incomplete, undefined)
    }
  }
})

test('segments are found in any case, or given in any order from anywhere', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const made = Object.values(makeEwf(media, { chunksPerTable: 2 }))
  const mixed = {
    'disk.E01': made[0]!,
    'disk.e02': made[1]!,
    'disk.E03': made[2]!,
    'disk.txt': Buffer.from('x'),
  }
  t.true((await wholeOf((await open(mixed, 'disk.E01')).image)).equals(media))

  const apart = {
    'a/disk.E01': made[0]!,
    'b/disk.E02': made[1]!,
    'c/disk.E03': made[2]!,
    'c/other.E02': made[1]!,
  }
  const { image, surroundings } = await open(apart, 'b/disk.E02', ['c/disk.E03', 'c/other.E02', 'a/disk.E01'])
  t.true((await wholeOf(image)).equals(media))
  t.deepEqual(surroundings.parts, ['c/other.E02'])

  const odd = { first: made[0]!, second: made[1]!, third: made[2]! }
  t.true((await wholeOf((await open(odd, 'first', ['third', 'second'])).image)).equals(media))
})

test('segments count by their headers where names were swapped', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const [one, two, three] = Object.values(makeEwf(media, { chunksPerTable: 2 }))
  const files = { 'd.E01': one!, 'd.E02': three!, 'd.E03': two! }
  const { image } = await open(files, 'd.E01')
  t.true((await wholeOf(image)).equals(media))
  t.deepEqual(image.remarks.slice(0, 2), ['d.E02 says to be segment 3', 'd.E03 says to be segment 2'])
  t.true((await wholeOf((await open(files, 'd.E02')).image)).equals(media))
})

test('what a missing segment held is unknown, and what lies behind it stays in its place', async (t) => {
  const media = mediaOf(10 * CHUNK - 512)
  const files = makeEwf(media, { stem: 'd', chunksPerTable: 2 })
  const without = (...numbers: number[]) =>
    Object.fromEntries(Object.entries(files).filter(([name]) => !numbers.includes(Number(name.at(-1)))))
  const cases: [number[], runs: [number, number][], why: RegExp][] = [
    [
      [3],
      [
        [0, 4],
        [6, 10],
      ],
      /^missing: d\.E03; its tables list 8 of 10 chunks$/,
    ],
    [[5], [[0, 8]], /^missing: d\.E05 and what may follow it/],
    [[1], [[2, 10]], /^missing: d\.E01;/],
    [
      [2, 4],
      [
        [0, 2],
        [8, 10],
      ],
      /^missing: d\.E02, d\.E04;/,
    ],
  ]
  for (const [missing, chunks, why] of cases) {
    const left = without(...missing)
    const { image } = await open(left, Object.keys(left)[0]!)
    t.regex(image.incomplete ?? '', why)
    t.deepEqual(image.digests, [])
    const ends = chunks.map(([from, to]) => [from * CHUNK, Math.min(to * CHUNK, media.length)] as const)
    t.deepEqual(
      image.runs,
      ends.map(([from, to]) => ({ start: BigInt(from), length: BigInt(to - from) })),
    )
    t.true(image.holes.every(({ content }) => content === 'unknown'))
    t.is(image.size, BigInt(media.length))
    const expected = Buffer.concat(ends.map(([from, to]) => media.subarray(from, to)))
    t.true((await wholeOf(image)).equals(expected), missing.join())
  }
  const { image } = await open(without(2, 4), 'd.E01')
  t.true(image.remarks.some((remark) => remark.startsWith('the place of 2 chunks is not known')))
})

test('a segment of another set is left out, and so is one behind the last', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const setOf = (fill: number) =>
    makeEwf(media, { stem: 'd', chunksPerTable: 2, volume: { setId: new Uint8Array(16).fill(fill) } })
  const mine = setOf(1)
  const { image } = await open({ ...mine, 'd.E02': setOf(2)['d.E02']! }, 'd.E01')
  t.true(image.remarks.includes('d.E02 is part of another image, and left out'))
  t.regex(image.incomplete ?? '', /^missing: d\.E02/)

  const old = makeEwf(mediaOf(10 * CHUNK), { stem: 'd', chunksPerTable: 2 })
  const plain = makeEwf(media, { stem: 'd', chunksPerTable: 2 })
  const { image: kept } = await open({ ...old, ...plain }, 'd.E01')
  t.true((await wholeOf(kept)).equals(media))
  t.true(kept.remarks.includes('d.E04 lies behind the last segment, and is left out'))
})

test('a damaged chunk is refused by its sectors, and all others are read', async (t) => {
  const media = mediaOf(6 * CHUNK)
  for (const deflates of [() => true, () => false]) {
    const files = makeEwf(media, { deflates })
    const bytes = files['made.E01']!
    const table = tableOf(bytes, 'table')
    const damaged = Number(table.base) + (bytes.readUInt32LE(table.entries + 12) & 0x7fffffff)
    bytes[damaged + 100]! ^= 1
    const { image } = await open(files, 'made.E01')
    await t.throwsAsync(image.read(0n, media.length), { message: /^sectors 192 to 255: / })
    for (const chunk of [0, 1, 2, 4, 5]) {
      const read = await image.read(BigInt(chunk * CHUNK), CHUNK)
      t.true(media.subarray(chunk * CHUNK, (chunk + 1) * CHUNK).equals(read))
    }
  }
})

/** Where a table of a file of one segment is. */
function tableOf(bytes: Buffer, type: string) {
  for (let at = 13; ; ) {
    const section = ewf.decodeSection(bytes.subarray(at, at + 76))
    if (section.type === type) {
      const header = at + 76
      const base = type === 'table' ? bytes.readBigUInt64LE(header + 8) : 0n
      return { at, header, entries: header + 24, base }
    }
    at = Number(section.next)
  }
}

test('the copy of a table counts where the table does not hold its checksum', async (t) => {
  const media = mediaOf(6 * CHUNK)
  for (const place of ['header', 'entries'] as const) {
    const files = makeEwf(media)
    const bytes = files['made.E01']!
    bytes[tableOf(bytes, 'table')[place]]! ^= 1
    const { image, surroundings } = await open(files, 'made.E01')
    t.true((await wholeOf(image)).equals(media), place)
    t.deepEqual(surroundings.warnings, [])
  }
})

test('where no copy of a table holds, its entries are told of, and its chunks are a gap without its header', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const entries = makeEwf(media)
  for (const type of ['table', 'table2'])
    entries['made.E01']![tableOf(entries['made.E01']!, type).entries + 16]! ^= 1
  const { image, surroundings } = await open(entries, 'made.E01')
  await t.throwsAsync(image.read(4n * BigInt(CHUNK), CHUNK))
  t.true(media.subarray(0, CHUNK).equals(await image.read(0n, CHUNK)))
  t.regex(surroundings.warnings.join(), /^made\.E01: the table at 0x[0-9a-f]+ does not hold its checksum/)

  const headers = makeEwf(media, { chunksPerTable: 2, tablesPerSegment: 3 })
  const file = headers['made.E01']!
  for (const type of ['table', 'table2']) file[tableOf(file, type).header]! ^= 1
  const { image: rest } = await open(headers, 'made.E01')
  t.deepEqual(rest.runs, [{ start: BigInt(2 * CHUNK), length: BigInt(4 * CHUNK) }])
  t.true((await wholeOf(rest)).equals(media.subarray(2 * CHUNK)))
  t.is(rest.incomplete, 'its tables list 4 of 6 chunks')
})

test('sectors that could not be read are holes, and the digests are those of the medium as it was written', async (t) => {
  const media = mediaOf(6 * CHUNK)
  const errors = [
    { firstSector: 70, sectors: 4 },
    { firstSector: 10, sectors: 2 },
    { firstSector: 72, sectors: 8 },
    { firstSector: 380, sectors: 99 },
  ]
  const { image } = await open(makeEwf(media, { errors }), 'made.E01')
  const hole = (from: number, to: number) => ({
    start: BigInt(from * 512),
    length: BigInt((to - from) * 512),
    content: 'unreadable' as const,
  })
  t.deepEqual(image.holes, [hole(10, 12), hole(70, 80), hole(380, 384)])
  t.deepEqual(image.digests, [])
  await readRuns(image)
  t.deepEqual(await image.verify?.(), [])

  const wrong = makeEwf(media, { errors, digests: false })
  const { image: odd } = await open(withHash(wrong['made.E01']!), 'made.E01')
  t.deepEqual(await odd.verify?.(), [`md5 of the medium is ${md5(media)}, the image says ${'11'.repeat(16)}`])
})

/** With an MD5 that is wrong in place of its end. */
function withHash(bytes: Buffer): Record<string, Buffer> {
  const { at } = tableOf(bytes, 'done')
  const tail = openSegment(1)
  tail.pad(at - tail.position())
  tail.section('hash', ewf.encodeHash(new Uint8Array(16).fill(0x11)))
  tail.end('done')
  return { 'made.E01': Buffer.concat([bytes.subarray(0, at), tail.bytes().subarray(at)]) }
}

test('a memory in the medium becomes the image, with the case, and the digest of the medium is compared', async (t) => {
  const core = readFileSync('test/data/linpmem-style.elf')
  const media = Buffer.alloc(Math.ceil(core.length / 512) * 512)
  core.copy(media)
  const header = { c: 'case 7', e: 'examiner', m: '1700000000', u: '1700000000', p: '0' }
  const volume = { mediaType: ewf.MEDIA_TYPE.memory }
  const files = makeEwf(media, { header, volume })
  const { image } = await open(files, 'made.E01')
  const elf = FORMATS.find(({ name }) => name === 'elf')!
  const plain = await elf.open(bufferSource(core), surroundingsOf('x'))
  t.is(image.variant, 'E01, holding an ELF core')
  t.deepEqual(image.runs, plain.runs)
  t.deepEqual(await readRuns(image), await readRuns(plain))
  t.like(image.facts, { caseNumber: 'case 7', machine: plain.facts.machine })
  t.deepEqual(await image.verify?.(), [])

  // A byte that no run covers, in a chunk that still holds its checksum.
  media[media.length - 1]! ^= 1
  const other = makeEwf(media, { header, volume, digests: false })
  const forged = withHash(other['made.E01']!)
  const { image: altered } = await open(forged, 'made.E01')
  await readRuns(altered)
  t.is((await altered.verify?.())?.length, 1)
})

test('memory without a format of its own stays memory', async (t) => {
  const media = mediaOf(2 * CHUNK)
  const { image } = await open(makeEwf(media, { volume: { mediaType: ewf.MEDIA_TYPE.memory } }), 'made.E01')
  t.is(image.category, 'memory:physical')
  const flags = { mediaFlags: ewf.MEDIA_FLAG.image }
  t.is((await open(makeEwf(media, { volume: flags }), 'made.E01')).image.category, 'disk:logical')
})

test('a length and a digest in the notes are of what is read, the others of the whole sectors', async (t) => {
  const media = mediaOf(2 * CHUNK)
  const content = media.subarray(0, media.length - 100)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const header = { t: `as found [pmem: length=${content.length} sha256=${sha256}]` }
  const { image } = await open(makeEwf(media, { header }), 'made.E01')
  t.is(image.size, BigInt(content.length))
  t.is(image.facts.caseNotes, 'as found')
  t.deepEqual(image.digests, [{ algorithm: 'sha256', value: sha256, covers: 'linear' }])
  t.true((await wholeOf(image)).equals(content))
  t.deepEqual(await image.verify?.(), [])
})

test('a volume section without a checksum is taken as it is', async (t) => {
  const media = mediaOf(CHUNK)
  const files = makeEwf(media)
  const { header } = tableOf(files['made.E01']!, 'volume')
  files['made.E01']!.fill(0, header + 1048, header + 1052)
  const { image } = await open(files, 'made.E01')
  t.true((await wholeOf(image)).equals(media))
  t.deepEqual(image.remarks, [])
})

test('offsets beyond 31 bits count as EnCase 6.7 wrote them: of chunks that are not compressed', async (t) => {
  const chunk = Buffer.alloc(CHUNK, 'chunk')
  const stored = makeEwf(chunk, { deflates: () => false })['made.E01']!
  const sectors = tableOf(stored, 'sectors')
  const bytes = stored.subarray(sectors.header, sectors.header + CHUNK + 4)
  const before = openSegment(1)
  before.section('volume', volumeOf(3))
  const start = before.position()
  const places = [0x7ff0_0000, 0x7fff_f000, 0x8000_8010]
  const size = 0x8001_0020
  const head = Buffer.concat([
    before.bytes(),
    ewf.encodeSection({ type: 'sectors', next: BigInt(start + size), size: BigInt(size) }),
  ])
  const after = openSegment(1)
  after.section('table', ewf.encodeTable(BigInt(start), places))
  after.end('done')
  const tail = after.bytes().subarray(ewf.SIZES.fileHeader)
  // Sections behind the chunks lead to places counted from the beginning of the file.
  const end = start + size
  const shift = (at: number) => tail.writeBigUInt64LE(tail.readBigUInt64LE(at) + BigInt(end - 13), at)
  shift(16)
  shift(tail.length - 60)
  const file = sparse('big.E01', end + tail.length, [
    [0, head],
    ...places.map((place): [number, Buffer] => [start + place, bytes]),
    [end, reseal(tail)],
  ])
  const image = await format.open(file, surroundingsOf('big.E01'))
  t.true((await wholeOf(image)).equals(Buffer.concat([chunk, chunk, chunk])))
})

const volumeOf = (chunks: number) => {
  const file = makeEwf(Buffer.alloc(chunks * CHUNK))['made.E01']!
  const { header } = tableOf(file, 'volume')
  return file.subarray(header, header + 1052)
}

/** With checksums of its two descriptors made anew. */
function reseal(tail: Buffer): Buffer {
  for (const at of [0, tail.length - 76]) ewf.sealChecksum(tail.subarray(at, at + 76), 72)
  return tail
}

/** A large file that is zeros but for some pieces. */
function sparse(
  name: string,
  size: number,
  pieces: readonly [number, Buffer][],
): ByteSource & { asked: number } {
  return {
    name,
    size: BigInt(size),
    asked: 0,
    async read(offset, length) {
      this.asked += length
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - Number(offset))))
      for (const [at, piece] of pieces) {
        const from = at - Number(offset)
        if (from < bytes.length && from + piece.length > 0)
          piece.copy(bytes, Math.max(0, from), Math.max(0, -from))
      }
      return bytes
    },
    async close() {},
  }
}

test('sections that lead back, and tables that claim too much, are refused or left out', async (t) => {
  const back = openSegment(1)
  back.section('volume', volumeOf(1))
  const cyclic = Buffer.concat([back.bytes(), ewf.encodeSection({ type: 'data', next: 13n, size: 76n })])
  t.regex(await refused({ 'a.E01': cyclic }, 'a.E01'), /the data section leads back to 0xd \(at 0x475\)/)

  const none = openSegment(1)
  none.end('done')
  t.regex(await refused({ 'a.E01': none.bytes() }, 'a.E01'), /no volume section/)

  const huge = openSegment(1)
  huge.section('volume', volumeOf(1))
  const table = Buffer.from(ewf.encodeTable(0n, [100]))
  table.writeUInt32LE(0xffff_ffff, 0)
  ewf.sealChecksum(table.subarray(0, 24), 20)
  huge.section('table', table)
  huge.end('done')
  const { image } = await open({ 'a.E01': huge.bytes() }, 'a.E01')
  t.deepEqual(image.runs, [])
  t.regex(image.incomplete ?? '', /0 of 1 chunks/)

  for (const [field, message] of [
    [8, /chunks of \d+ bytes/],
    [12, /sectors of \d+ bytes/],
    [20, /a medium of \d+ bytes/],
  ] as const) {
    const file = makeEwf(mediaOf(CHUNK))['made.E01']!
    for (const type of ['volume']) {
      const { header } = tableOf(file, type)
      file.writeUInt32LE(0xffff_ffff, header + field)
      ewf.sealChecksum(file.subarray(header, header + 1052), 1048)
    }
    t.regex(await refused({ 'made.E01': file }, 'made.E01'), message)
  }
})

test('a chunk that inflates to more than a chunk is refused, and a header that does is left out', async (t) => {
  const bomb = deflateSync(Buffer.alloc(64 << 20), { level: 9 })
  const file = openSegment(1)
  file.section('header', bomb)
  file.section('volume', volumeOf(1))
  const start = file.position()
  file.section('sectors', bomb)
  file.section('table', ewf.encodeTable(BigInt(start), [(0x8000_0000 + 76) >>> 0]))
  file.end('done')
  const { image } = await open({ 'a.E01': file.bytes() }, 'a.E01')
  await t.throwsAsync(image.read(0n, CHUNK), { message: /^sectors 0 to 63: / })
  t.deepEqual(Object.keys(image.facts), ['sectorSize'])
  t.regex(image.remarks.join(), /the header at 0xd is damaged/)
})

test('opening a medium of 2 TB reads no entries of its tables', async (t) => {
  const tables = 64
  const entries = 65534
  const pieces: [number, Buffer][] = []
  const head = openSegment(1)
  const volume = Buffer.from(volumeOf(1))
  volume.writeUInt32LE(tables * entries, 4)
  volume.writeBigUInt64LE(BigInt(tables * entries * 64), 16)
  ewf.sealChecksum(volume, 1048)
  head.section('volume', volume)
  pieces.push([0, head.bytes()])
  let at = head.position()
  const tableHeader = Buffer.from(ewf.encodeTable(0n, []).subarray(0, 24))
  tableHeader.writeUInt32LE(entries, 0)
  ewf.sealChecksum(tableHeader, 20)
  for (let index = 0; index < tables; index++) {
    const size = 76 + 24 + 4 * entries + 4
    const next = BigInt(at + size)
    pieces.push([
      at,
      Buffer.concat([ewf.encodeSection({ type: 'table', next, size: BigInt(size) }), tableHeader]),
    ])
    at += size
  }
  pieces.push([at, Buffer.from(ewf.encodeSection({ type: 'done', next: BigInt(at), size: 0n }))])
  const file = sparse('big.E01', at + 76, pieces)
  const image = await format.open(file, surroundingsOf('big.E01'))
  t.is(image.size, BigInt(tables * entries) * BigInt(CHUNK))
  t.true(file.asked < 1 << 20, `${file.asked} bytes`)
})

test('logical evidence is named, with what reads it', async (t) => {
  const logical = Buffer.concat([
    Buffer.from('LVF\x09\x0d\x0a\xff\0\x01\x01\0\0\0', 'latin1'),
    Buffer.alloc(100),
  ])
  t.is((await detect(bufferSource(logical))).name, 'ewf')
  const error = await t.throwsAsync(open({ 'a.L01': logical }, 'a.L01'))
  t.like(error, { hint: 'ewfexport -f files FILE writes the files that it holds' })
})

test('what looks like EWF and is not read is named', async (t) => {
  for (const [head, message] of [
    ['ADCRYPT\0\x01', /is an image that AD encryption protects/],
    ['LEF2\x0d\x0a\x81\0\x02\x01', /is logical evidence of EWF version 2/],
  ] as const)
    await t.throwsAsync(detect(bufferSource(Buffer.from(head.padEnd(512, '\0'), 'latin1'))), { message })
})

test('a damaged image is refused or read in part, in bounded memory', async (t) => {
  const made = (maker: EwfMaker) =>
    makeEwf(mediaOf(4 * CHUNK), { chunksPerTable: 2, tablesPerSegment: 9, ...maker })
  const samples = {
    tiny: readFileSync('test/data/images/tiny.E01'),
    smart: made({ form: 'smart' })['made.S01']!,
    errors: made({ errors: [{ firstSector: 3, sectors: 5 }] })['made.E01']!,
  }
  for (const [name, sample] of Object.entries(samples))
    await fuzzImage(format, sample, () => surroundingsOf(`${name}.E01`), name === 'tiny' ? 500 : 150, 1)
  t.pass()
})

test('an image that is cut at any of its sections is refused or read in part', async (t) => {
  const sample = readFileSync('test/data/images/tiny.E01')
  await cutImage(format, sample, () => surroundingsOf('tiny.E01'), Array(sample.length).keys())
  t.pass()
})
