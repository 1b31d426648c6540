import { readFileSync } from 'node:fs'
import test from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { limeRecord, page, recordHeader, TINY_CONTENT, TINY_RUNS } from './records.js'

const format = FORMATS.find(({ name }) => name === 'lime')!
const sample = readFileSync('test/data/images/t.lime')
const surroundings = () => surroundingsOf('memory.lime')
const open = (...pieces: Uint8Array[]) => format.open(bufferSource(Buffer.concat(pieces)), surroundings())

test('a file of LiME gives its ranges and their bytes', async (t) => {
  const image = await open(sample)
  t.true(await format.recognises(sample, bufferSource(sample)))
  t.deepEqual(image.runs, TINY_RUNS)
  t.deepEqual(image.holes, [])
  t.is(image.size, 0x6000n)
  t.is(image.category, 'memory:physical')
  t.is(image.incomplete, undefined)
  t.deepEqual(image.remarks, [])
  t.deepEqual(await readRuns(image, 0x777), TINY_CONTENT)
})

test('records of any alignment are read, and those that touch are one range', async (t) => {
  const image = await open(
    limeRecord(3n, page(1, 1)),
    limeRecord(4n, page(2, 0x1234)),
    limeRecord(0x9fb00n, page(3, 0x100)),
  )
  t.deepEqual(image.runs, [
    { start: 3n, length: 0x1235n },
    { start: 0x9fb00n, length: 0x100n },
  ])
  t.deepEqual(await readRuns(image), [Buffer.concat([page(1, 1), page(2, 0x1234)]), page(3, 0x100)])
})

test('a record at the top of the address space is read', async (t) => {
  const image = await open(limeRecord((1n << 64n) - 0x1000n, page(1)))
  t.is(image.size, 1n << 64n)
  t.deepEqual(await readRuns(image), [page(1)])
})

test('where the file ends inside a record, its rest is unknown and the image a stump', async (t) => {
  const image = await open(sample.subarray(0, 0x2020 + 0x20 + 0x10))
  t.deepEqual(image.runs, [TINY_RUNS[0], { start: 0x5000n, length: 0x10n }])
  t.deepEqual(image.holes, [{ start: 0x5010n, length: 0xff0n, content: 'unknown' }])
  t.is(image.incomplete, 'the file ends inside the record that holds 0x5010')
  t.regex(
    (await open(sample.subarray(0, 0x2030))).incomplete ?? '',
    /ends inside the header of a record at 0x2020/,
  )
})

test('a file that ends inside its first header is refused', async (t) => {
  await t.throwsAsync(open(sample.subarray(0, 31)), {
    message: /ends inside the header of a record \(at 0x0\)/,
  })
})

test('a header of zeros is the end, and what stands behind it is told', async (t) => {
  const image = await open(sample, Buffer.alloc(0x100))
  t.deepEqual(image.runs, TINY_RUNS)
  t.is(image.incomplete, undefined)
  t.deepEqual(image.remarks, ['zeros at 0x3040 end the records: 256 bytes are not read'])
})

test('what follows a header that makes no sense is not read, and the image is incomplete', async (t) => {
  for (const [wrong, why] of [
    [Buffer.alloc(64, 'x'), /no record begins here at 0x3040/],
    [recordHeader('EMiL', 2, 0n, 1n), /a record of version 2; 1 is known at 0x3040/],
    [recordHeader('EMiL', 1, 2n, 1n), /a record from 0x2 to 0x1 at 0x3040/],
  ] as const) {
    const image = await open(sample, wrong)
    t.deepEqual(image.runs, TINY_RUNS)
    t.regex(image.incomplete ?? '', why)
    await t.throwsAsync(open(wrong), { instanceOf: FormatError, message: /\(at 0x0\)$/ })
  }
})

test('records that do not ascend are put in order, and a remark says so', async (t) => {
  const image = await open(limeRecord(0x5000n, page(5)), limeRecord(0x1000n, page(1)))
  t.deepEqual(await readRuns(image), [page(1), page(5)])
  t.deepEqual(image.remarks, ['its records do not ascend'])
})

test('of records that overlap the one that begins first counts, and a remark says so', async (t) => {
  const image = await open(limeRecord(0x1000n, page(1, 0x2000)), limeRecord(0x2000n, page(2, 0x2000)))
  t.deepEqual(image.runs, [{ start: 0x1000n, length: 0x3000n }])
  t.deepEqual(await readRuns(image), [Buffer.concat([page(1, 0x2000), page(2, 0x2000).subarray(0x1000)])])
  t.deepEqual(image.remarks, [
    '4096 bytes stand in more than one record: the record that begins first counts',
  ])
})

test('what AVML leaves out of its files is told', async (t) => {
  const block = 16 << 20
  const image = await open(
    limeRecord(0n, page(1, 0x9fbff)),
    limeRecord(BigInt(block), page(1, block)),
    limeRecord(4n * BigInt(block), page(2, 0xfff)),
  )
  t.is(image.remarks.length, 2)
  t.regex(image.remarks[0]!, /^2 records of 16 MiB are absent/)
  t.regex(image.remarks[1]!, /^1 ranges end one byte before their page/)
})

test('a claim of all addresses costs nothing', async (t) => {
  const source = bufferSource(recordHeader('EMiL', 1, 0n, (1n << 64n) - 1n))
  const image = await format.open(source, surroundings())
  t.deepEqual(image.runs, [])
  t.deepEqual(image.holes, [{ start: 0n, length: 1n << 64n, content: 'unknown' }])
  t.true(source.largestRead <= 1 << 20)
})

test('many records are listed by large reads, and more than 2^20 are refused', async (t) => {
  const count = (1 << 20) + 1
  const file = Buffer.alloc(count * 33)
  for (let i = 0; i < count; i++) recordHeader('EMiL', 1, BigInt(i) * 2n, BigInt(i) * 2n).copy(file, i * 33)
  let reads = 0
  const counted = (bytes: Buffer) => {
    const source = bufferSource(bytes)
    const { read } = source
    source.read = (offset, length) => {
      reads++
      return read.call(source, offset, length)
    }
    return source
  }
  const image = await format.open(counted(file.subarray(0, 100_000 * 33)), surroundings())
  t.is(image.runs.length, 100_000)
  t.true(reads < 100, `${reads} reads`)
  await t.throwsAsync(format.open(counted(file), surroundings()), { message: /more than 1048576 records/ })
})

test('a damaged file is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, sample, surroundings, 500, 1)
  t.pass()
})

test('a file that is cut anywhere in its headers is refused or read in part', async (t) => {
  await cutImage(format, sample, surroundings, [
    ...Array(0x40).keys(),
    ...Array.from({ length: 0x40 }, (_, i) => 0x2010 + i),
  ])
  t.pass()
})
