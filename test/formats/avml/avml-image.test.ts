import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { noise, sample as sampleBytes } from '../../codecs/samples.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { page, recordHeader, TINY_CONTENT, TINY_RUNS } from '../lime/records.js'
import { avmlRecord, chunkOf, chunksOf } from './records.js'

const format = FORMATS.find(({ name }) => name === 'avml')!
const sample = readFileSync('test/data/images/t.avml')
const incompressible = readFileSync('test/data/images/t-incompressible.avml')
const surroundings = () => surroundingsOf('memory.avml')
const open = (...pieces: Uint8Array[]) => format.open(bufferSource(Buffer.concat(pieces)), surroundings())

/** Three records of 128 KiB, the second one of noise. */
const SIZE = 0x20000
const CONTENTS = [sampleBytes('text', SIZE), noise(SIZE, 1), sampleBytes('mixed', SIZE)]
const RECORDS = CONTENTS.map((content, i) =>
  avmlRecord(BigInt(0x1000 + 2 * i * SIZE), SIZE, chunksOf(content, i !== 1)),
)
const startOf = (i: number): bigint => BigInt(0x1000 + 2 * i * SIZE)

test('a file of AVML gives its ranges and their bytes', async (t) => {
  const image = await open(sample)
  t.true(await format.recognises(sample, bufferSource(sample)))
  t.deepEqual(image.runs, TINY_RUNS)
  t.deepEqual(image.holes, [])
  t.is(image.size, 0x6000n)
  t.is(image.incomplete, undefined)
  t.deepEqual(image.remarks, [])
  t.deepEqual(await readRuns(image, 0x777), TINY_CONTENT)
  t.deepEqual(await image.verify?.(), [])
})

test('records that do not compress are read', async (t) => {
  const image = await open(incompressible)
  t.deepEqual(
    image.runs.map(({ start }) => start),
    [0x1000n, 0x5000n],
  )
  const [bytes] = await readRuns(image)
  t.deepEqual(bytes, incompressible.subarray(0x32, 0x1032))
})

test('any read within a run gives its bytes, into memory that is given or not', async (t) => {
  const touching = CONTENTS.map((content, i) =>
    avmlRecord(BigInt(i * SIZE), SIZE, chunksOf(content, i !== 1)),
  )
  const image = await open(...touching)
  const whole = Buffer.concat(CONTENTS)
  t.deepEqual(image.runs, [{ start: 0n, length: BigInt(whole.length) }])
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(0x30000), fc.boolean(), async (from, wanted, given) => {
      const length = Math.min(1 + wanted, whole.length - from)
      const into = given ? Buffer.alloc(length + 5) : undefined
      const bytes = await image.read(BigInt(from), length, into)
      return whole.subarray(from, from + length).equals(bytes) && (!given || bytes.buffer === into?.buffer)
    }),
  )
})

test('skippable chunks, padding, further identifiers and chunks of odd sizes are read over', async (t) => {
  const skippable = Buffer.from('80030000616263', 'hex')
  const padding = Buffer.from('fe02000000 00'.replace(' ', ''), 'hex')
  const identifier = Buffer.from('ff060000734e61507059', 'hex')
  const content = page(1, 0x3000)
  const image = await open(
    avmlRecord(0x1000n, 0x3000, [
      skippable,
      chunkOf(content.subarray(0, 1)),
      padding,
      chunkOf(content.subarray(1, 1), false),
      chunkOf(content.subarray(1, 0x2345), false),
      identifier,
      chunkOf(content.subarray(0x2345)),
    ]),
  )
  t.deepEqual(await readRuns(image), [content])
  t.deepEqual(await image.verify?.(), [])
})

test('a chunk whose content is not what was summed up is refused at its address, its neighbours are not', async (t) => {
  for (const at of [-0x100, 6]) {
    const chunks = chunksOf(CONTENTS[0]!)
    const damaged = Buffer.from(chunks[1]!)
    damaged[at < 0 ? damaged.length + at : at]! ^= 1
    const image = await open(avmlRecord(0x1000n, SIZE, [chunks[0]!, damaged]))
    t.deepEqual(Buffer.from(await image.read(0x1000n, 0x10000)), CONTENTS[0]!.subarray(0, 0x10000))
    for (let i = 0; i < 2; i++)
      await t.throwsAsync(image.read(0x11000n, 0x1000), {
        instanceOf: FormatError,
        message: /address 0x11000.*\(at 0x/,
      })
  }
})

test('a file that is cut gives each whole chunk before the cut, and says where the rest was', async (t) => {
  const file = Buffer.concat(RECORDS)
  const image = await open(file.subarray(0, -0x100))
  t.deepEqual(image.runs.at(-1), { start: startOf(2), length: 0x10000n })
  t.deepEqual(image.holes, [{ start: startOf(2) + 0x10000n, length: 0x10000n, content: 'unknown' }])
  t.regex(image.incomplete ?? '', /the stream ends inside a chunk at 0x/)
  t.deepEqual(await readRuns(image), [CONTENTS[0]!, CONTENTS[1]!, CONTENTS[2]!.subarray(0, 0x10000)])
})

test('a record whose chunks make no sense costs no record behind it', async (t) => {
  const damaged = Buffer.from(RECORDS[1]!)
  damaged[32 + 10 + 8 + 0x10000] = 2
  const image = await open(RECORDS[0]!, damaged, RECORDS[2]!)
  t.is(image.incomplete, undefined)
  await t.throwsAsync(image.read(startOf(1) + 0x10000n, 0x10000), { message: /unknown type 2/ })
  t.deepEqual(Buffer.from(await image.read(startOf(1), 0x10000)), CONTENTS[1]!.subarray(0, 0x10000))
  t.deepEqual(Buffer.from(await image.read(startOf(2), SIZE)), CONTENTS[2])
})

test('where a header is lost, records on both sides of it are read, and some may be lost', async (t) => {
  const headless = Buffer.from(RECORDS[1]!).fill(0x55, 0, 4)
  const image = await open(RECORDS[0]!, headless, RECORDS[2]!)
  t.deepEqual(
    image.runs.map(({ start }) => start),
    [startOf(0), startOf(2)],
  )
  t.regex(image.incomplete ?? '', /no record begins here at 0x.*up to 0x.* records may be lost/)
  t.deepEqual(await readRuns(image), [CONTENTS[0]!, CONTENTS[2]!])
})

test('a wrong size behind a record costs nothing, and is told', async (t) => {
  for (const wrong of [0, 1, 2]) {
    const records = RECORDS.map((record, i) =>
      i === wrong ? avmlRecord(startOf(i), SIZE, chunksOf(CONTENTS[i]!, i !== 1), 77n) : record,
    )
    const image = await open(...records)
    t.is(image.incomplete, undefined)
    t.deepEqual(await readRuns(image), CONTENTS)
    t.regex(image.remarks.join(), /behind the record at 0x.* stands 77 for its/)
  }
})

test('a record whose chunks end before the size behind it says is told once it was read', async (t) => {
  const [short] = chunksOf(page(1, 0x1000))
  const image = await open(avmlRecord(0n, 0x1000, [short!, Buffer.from('fe00000000', 'hex')]))
  t.deepEqual(await readRuns(image), [page(1, 0x1000)])
  t.regex((await image.verify?.())?.join() ?? '', /ends at 0x.*the size behind it says 0x/)
})

test('zeros behind the records are their end', async (t) => {
  const image = await open(sample, Buffer.alloc(512))
  t.deepEqual(image.runs, TINY_RUNS)
  t.is(image.incomplete, undefined)
  t.regex(image.remarks.join(), /zeros at 0x3f5 end the records: 512 bytes/)
})

test('records that do not ascend or overlap are read as remarks say', async (t) => {
  const record = (start: bigint, value: number, size = 0x2000) =>
    avmlRecord(start, size, chunksOf(page(value, size)))
  const image = await open(record(0x8000n, 3), record(0x1000n, 1), record(0x2000n, 2))
  t.deepEqual(image.remarks, [
    'its records do not ascend',
    '4096 bytes stand in more than one record: the record that begins first counts',
  ])
  t.deepEqual(await readRuns(image), [
    Buffer.concat([page(1, 0x2000), page(2, 0x2000).subarray(0x1000)]),
    page(3, 0x2000),
  ])
})

test('claims are refused or cost nothing', async (t) => {
  const all = recordHeader('AVML', 2, 0n, (1n << 64n) - 1n)
  const identifier = Buffer.from('ff060000734e61507059', 'hex')
  const skippable = Buffer.alloc(4 << 20)
  for (let at = 0; at < skippable.length; at += 4) skippable[at] = 0x80
  const bomb = Buffer.from('000c0000aaaaaaaa ffffffff0f000000'.replace(' ', ''), 'hex')
  for (const [bytes, message] of [
    [Buffer.concat([all]), /ends inside a chunk/],
    [Buffer.concat([all, identifier, skippable, skippable]), /more than 1048576 chunks/],
    [Buffer.concat([all, identifier, bomb]), /a chunk that holds 4294967295 bytes/],
    [
      Buffer.concat([all, identifier, Buffer.from('00ffffff', 'hex'), Buffer.alloc(99)]),
      /a compressed chunk of/,
    ],
    [
      Buffer.concat([all, identifier, Buffer.from('01030000', 'hex'), Buffer.alloc(99)]),
      /a chunk of 3 bytes/,
    ],
    [Buffer.concat([all, Buffer.from('0000000000', 'hex'), Buffer.alloc(99)]), /a compressed chunk of 0/],
    [Buffer.concat([all, chunkOf(page(1))]), /no stream of snappy/],
  ] as const) {
    const source = bufferSource(bytes)
    const image = await format.open(source, surroundings())
    t.deepEqual(image.runs, [])
    t.deepEqual(image.holes, [{ start: 0n, length: 1n << 64n, content: 'unknown' }])
    t.regex(image.incomplete ?? '', message)
    t.true(source.largestRead <= 1 << 20)
  }
  await t.throwsAsync(open(recordHeader('AVML', 3, 0n, 1n)), { message: /version 3; 2 is known \(at 0x0\)/ })
  await t.throwsAsync(open(Buffer.from('AVML')), {
    message: /the file ends inside the header of a record \(at 0x0\)/,
  })
})

test('a damaged file is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, sample, surroundings, 500, 1)
  await fuzzImage(format, incompressible, surroundings, 500, 2)
  t.pass()
})

test('a file that is cut anywhere is refused or read in part', async (t) => {
  await cutImage(format, sample, surroundings, Array(sample.length).keys())
  t.pass()
})
