import { readFileSync } from 'node:fs'
import test from 'ava'
import { Compressor } from 'snappy'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { noise, sample } from '../../codecs/samples.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { TINY_CONTENT, TINY_RUNS } from '../lime/records.js'

const format = FORMATS.find(({ name }) => name === 'snappy')!
const surroundings = () => surroundingsOf('memory.sz')
const open = (bytes: Uint8Array) => format.open(bufferSource(bytes), surroundings())

/** A framed stream as snap of Rust writes it. */
async function framed(content: Uint8Array): Promise<Buffer> {
  const compressor = new Compressor()
  return Buffer.concat([compressor.update(content), await compressor.finish()])
}

test('a raw image in a framed stream is read, each chunk against its checksum', async (t) => {
  const content = Buffer.concat([sample('mixed', 300_000), Buffer.alloc(100_000), noise(70_001)])
  const stream = await framed(content)
  t.true(await format.recognises(stream, bufferSource(stream)))
  const image = await open(stream)
  t.is(image.variant, 'framed, raw')
  t.deepEqual(image.runs, [{ start: 0n, length: BigInt(content.length) }])
  t.true((await readRuns(image, 0x12345))[0]!.equals(content))
  const damaged = Buffer.from(stream)
  damaged[damaged.length - 100]! ^= 1
  await t.throwsAsync(readRuns(await open(damaged)), { message: /does not match its CRC-32C/ })
})

test('an image of a format in a framed stream is that image', async (t) => {
  const image = await open(await framed(readFileSync('test/data/images/t.lime')))
  t.is(image.format, 'snappy')
  t.is(image.variant, 'framed, lime version 1')
  t.deepEqual(image.runs, TINY_RUNS)
  t.deepEqual(await readRuns(image), TINY_CONTENT)
})

test('a stream that is cut gives what is whole, and says so; one without content is refused', async (t) => {
  const image = await open((await framed(noise(200_000))).subarray(0, -10))
  t.is(image.size, 3n * 65536n)
  t.regex(image.incomplete ?? '', /ends inside a chunk at 0x/)
  await t.throwsAsync(open(await framed(Buffer.alloc(0))), { message: /inside a chunk|no stream|empty/ })
})

test('a damaged stream is refused or read in part, in bounded memory', async (t) => {
  const stream = await framed(sample('mixed', 3000))
  await fuzzImage(format, stream, surroundings, 500, 1)
  await cutImage(format, stream, surroundings, Array(200).keys())
  t.pass()
})
