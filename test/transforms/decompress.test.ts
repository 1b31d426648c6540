import test from 'ava'
import fc from 'fast-check'
import { compress as encode } from '../../src/codecs/codec.js'
import type { DataFrame, Frame } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { compress } from '../../src/transforms/compress.js'
import { decompress } from '../../src/transforms/decompress.js'
import { type PythonJob, python } from '../codecs/python.js'
import { sample } from '../codecs/samples.js'
import { batchSizes, shapes } from './shapes.js'
import { close, collect, data, difference, end, inBatches, reusing, start, stream } from './support.js'

const dataOf = (frames: Frame[]) => frames.filter((frame): frame is DataFrame => frame.type === 'data')

for (const codec of ['zlib', 'snappy', 'lz4'] as const)
  test(`${codec}: compressed and decompressed, ranges of every shape read as before`, async (t) => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.constantFrom(1024, 32768, 1 << 20),
        batchSizes,
        async (pieces, chunkSize, sizes) => {
          const given = [start, stream(), ...pieces, close, end]
          const { transform } = compress({ codec, chunkSize, threads: 1, warn: () => {} })
          const packed = await collect(transform(reusing(inBatches(given, sizes), 10)))
          const got = await collect(decompress(reusing(inBatches(packed, sizes))))
          t.is(difference(got, given), undefined)
          for (const frame of got) {
            if (frame.type === 'stream') t.is(frame.body.chunkSize, undefined)
            if (frame.type !== 'data') continue
            t.is(frame.codec, 'none')
            t.false(frame.padded)
            t.is(BigInt(frame.payload.length), frame.length)
          }
        },
      ),
      { numRuns: 15 },
    )
  })

test('chunks that Python compressed are decoded, deflate among them', async (t) => {
  const bytes = sample('pointers', 4096)
  const codecs = ['zlib', 'deflate', 'snappy', 'lz4'] as const
  const stored = python(codecs.map((codec): PythonJob => ({ way: 'compress', codec, bytes, size: 4096 })))
  const given = stored.map((payload, i) =>
    data(BigInt(i) * 4096n, payload, { codec: codecs[i]!, length: 4096n }),
  )
  const got = await collect(decompress(reusing([[start, stream({ chunkSize: 4096 }), ...given, close, end]])))
  t.true(dataOf(got).every((frame) => Buffer.compare(frame.payload, bytes) === 0))
  t.is(dataOf(got).length, codecs.length)
})

test('what is raw passes as it came', async (t) => {
  const raw = Buffer.from('header and payload')
  const frame = data(5n, sample('text', 1000), { raw })
  const [got] = dataOf(await collect(decompress(reusing([[start, stream(), frame, close, end]]))))
  t.is(got!.raw, raw)
})

test('chunks before a damaged one are sent, and its address is named', async (t) => {
  const good = data(0n, encode('snappy', sample('text', 4096)), { codec: 'snappy', length: 4096n })
  const bad = data(0x1000n, Buffer.from('nonsense'), { codec: 'zlib', length: 4096n })
  const seen: Frame[] = []
  await t.throwsAsync(
    async () => {
      for await (const batch of decompress(reusing([[start, stream({ chunkSize: 4096 }), good, bad]])))
        seen.push(...batch)
    },
    { instanceOf: FrameError, message: /0x1000/ },
  )
  t.is(dataOf(seen).length, 1)
})

test('a batch of chunks that decode to hundreds of megabytes is decoded a little at a time', async (t) => {
  const size = 8 << 20
  const payload = encode('snappy', Buffer.alloc(size, 'bomb'))
  const bombs = Array.from({ length: 50 }, (_, i) =>
    data(BigInt(i) * BigInt(size), payload, { codec: 'snappy', length: BigInt(size) }),
  )
  async function* once() {
    yield [start, stream({ chunkSize: size }), ...bombs, close, end]
  }
  let decoded = 0
  for await (const batch of decompress(once())) {
    t.true(dataOf(batch).length <= 1)
    for (const frame of dataOf(batch)) decoded += frame.payload.length
  }
  t.is(decoded, size * bombs.length)
})
