import test from 'ava'
import fc from 'fast-check'
import { compress as encode } from '../../src/codecs/codec.js'
import type { DataFrame, Frame } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { payloadCrc } from '../../src/frames/header.js'
import { type CompressOptions, compress } from '../../src/transforms/compress.js'
import { type PythonJob, python } from '../codecs/python.js'
import { sample } from '../codecs/samples.js'
import { batchSizes, shapes } from './shapes.js'
import { close, collect, data, difference, end, fill, inBatches, reusing, start, stream } from './support.js'

const CODECS = ['zlib', 'snappy', 'lz4', 'none'] as const
const dataOf = (frames: Frame[]) => frames.filter((frame): frame is DataFrame => frame.type === 'data')
const ranged = (frames: Frame[]) =>
  frames.flatMap((frame) => (frame.type === 'data' || frame.type === 'fill' ? [frame] : []))

/** Through pmem-compress, over memory that is overwritten as soon as the decoder would. */
function run(
  frames: Frame[],
  {
    sizes = [3],
    ...options
  }: Omit<CompressOptions, 'warn'> & { sizes?: number[]; warn?: CompressOptions['warn'] },
): Promise<Frame[]> {
  const { transform, batchesAlive } = compress({ warn: () => {}, ...options })
  return collect(transform(reusing(inBatches(frames, sizes), batchesAlive)))
}

for (const codec of CODECS)
  test(`${codec}: ranges of every shape read as before, and every chunk is as AFF4 wants it`, async (t) => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.constantFrom(1024, 4096, 32768, 1 << 20),
        batchSizes,
        fc.constantFrom(1, 2),
        async (pieces, chunkSize, sizes, threads) => {
          const given = [start, stream(), ...pieces, close, end]
          const got = await run(given, { codec, chunkSize, threads, sizes })
          t.is(difference(got, given), undefined)
          for (const frame of dataOf(got)) {
            t.is(frame.padded, frame.length < BigInt(chunkSize))
            if (frame.codec === 'none') t.is(frame.payload.length, chunkSize)
            else {
              t.is(frame.codec as string, codec)
              t.true(frame.payload.length < chunkSize)
            }
          }
        },
      ),
      { numRuns: 15 },
    )
  })

for (const codec of ['zlib', 'snappy', 'lz4'] as const)
  test(`${codec}: a stream longer than all windows comes out in order, and Python decodes every chunk`, async (t) => {
    const chunkSize = 32768
    const given: Frame[] = [start, stream({ kind: 'image' })]
    const whole: Buffer[] = []
    for (let i = 0; i < 30; i++) {
      const bytes = Buffer.concat([
        sample('text', 300_000),
        Buffer.from(`frame ${i}`),
        sample('noise', 200_000),
        Buffer.alloc(250_000 + i),
      ])
      given.push(data(BigInt(Buffer.concat(whole).length), bytes))
      whole.push(bytes)
    }
    const image = Buffer.concat(whole)
    const got = await run([...given, close, end], { codec, threads: 2, sizes: [1] })
    const chunks = dataOf(got)
    const jobs = chunks.map(
      (frame): PythonJob => ({
        way: 'decompress',
        codec: frame.codec,
        bytes: frame.payload,
        size: chunkSize,
      }),
    )
    for (const [i, decoded] of python(jobs).entries()) {
      const { offset, length } = chunks[i]!
      const expected = image.subarray(Number(offset), Number(offset + length))
      if (!decoded.subarray(0, Number(length)).equals(expected)) t.fail(`chunk at ${offset}`)
    }
    t.is(difference(got, given), undefined)
    t.true(chunks.some((frame) => frame.codec === codec))
    t.true(
      chunks.some((frame) => frame.codec === 'none'),
      'noise stays raw',
    )
    t.true(
      got.some((frame) => frame.type === 'fill'),
      'zeros are holes',
    )
  })

test('zero chunks that touch are one hole, across batches and beside padding', async (t) => {
  const zeros = Array.from({ length: 50 }, (_, i) => data(BigInt(i) << 20n, Buffer.alloc(1 << 20)))
  const tail = data(50n << 20n, Buffer.alloc(100))
  const got = await run([start, stream(), ...zeros, tail, close, end], {
    codec: 'snappy',
    threads: 2,
    sizes: [1],
  })
  t.deepEqual(ranged(got), [fill(0n, (50n << 20n) + 100n)])
})

test('a hole that came and one that was found are one where they touch, in order', async (t) => {
  const size = 4096
  const given = [
    start,
    stream(),
    data(0n, Buffer.alloc(size)),
    data(4096n, sample('text', size)),
    fill(8192n, 4096n, { fill: 'unreadable' }),
    data(12288n, Buffer.alloc(size)),
    fill(16384n, 1n << 40n),
    close,
    end,
  ]
  const got = await run(given, { codec: 'lz4', chunkSize: size })
  t.deepEqual(
    ranged(got).map((frame) => [
      frame.type === 'fill' ? frame.fill : frame.codec,
      frame.offset,
      frame.length,
    ]),
    [
      ['zero', 0n, 4096n],
      ['lz4', 4096n, 4096n],
      ['unreadable', 8192n, 4096n],
      ['zero', 12288n, 4096n + (1n << 40n)],
    ],
  )
})

test('a hole that nothing touches passes as it came', async (t) => {
  const hole = fill(0n, 1n << 40n, { raw: Buffer.from('header') })
  const got = await run([start, stream(), hole, fill(1n << 41n, 5n), close, end], { codec: 'snappy' })
  t.deepEqual(ranged(got), [hole, fill(1n << 41n, 5n)])
})

test('streams keep the chunk size they come with unless another is asked for', async (t) => {
  const given = [start, stream({ chunkSize: 4096 }), data(0n, sample('text', 8192)), close, end]
  const sizes = async (options: Partial<CompressOptions>, frames = given) => {
    const [, opened] = await run(frames, { codec: 'snappy', ...options })
    return opened?.type === 'stream' && opened.body.chunkSize
  }
  t.is(await sizes({}), 4096)
  t.is(await sizes({ chunkSize: 512 }), 512)
  t.is(await sizes({}, [start, stream(), close, end]), 32768)
})

test('what is compressed in this codec passes with one warning, another codec is recoded', async (t) => {
  const bytes = sample('pointers', 4096)
  const padded = Buffer.concat([sample('text', 10), Buffer.alloc(4086)])
  const given = [
    start,
    stream({ chunkSize: 4096 }),
    data(0n, encode('snappy', bytes), { codec: 'snappy', length: 4096n }),
    data(4096n, encode('snappy', bytes), { codec: 'snappy', length: 4096n }),
    data(8192n, encode('zlib', bytes), { codec: 'zlib', length: 4096n }),
    data(12288n, encode('lz4', padded), { codec: 'lz4', length: 10n, padded: true }),
    close,
    end,
  ]
  const warnings: string[] = []
  const got = await run(given, { codec: 'snappy', warn: (message) => warnings.push(message) })
  t.is(warnings.length, 1)
  t.is(difference(got, given), undefined)
  t.deepEqual(
    dataOf(got).map(({ codec, padded }) => [codec, padded]),
    [
      ['snappy', false],
      ['snappy', false],
      ['snappy', false],
      ['snappy', true],
    ],
  )
  const plain = await run(given, { codec: 'none' })
  t.is(difference(plain, given), undefined)
  t.true(dataOf(plain).every((frame) => frame.codec === 'none' && frame.payload.length === 4096))
})

test('control frames keep their place, and the digest of a stream its value', async (t) => {
  const note = (message: string): Frame => ({
    type: 'note',
    stream: 1,
    time: 0n,
    body: { level: 'info', program: 'test', message },
  })
  const digest: Frame = {
    type: 'digest',
    stream: 1,
    time: 0n,
    body: { algorithm: 'md5', value: '00', covers: 'linear' },
  }
  const given = [
    start,
    stream({ chunkSize: 512 }),
    note('first'),
    data(0n, sample('text', 512)),
    note('second'),
    data(512n, Buffer.alloc(512)),
    note('third'),
    digest,
    close,
    end,
  ]
  const got = await run(given, { codec: 'zlib', sizes: [1] })
  t.deepEqual(
    got.map((frame) => (frame.type === 'note' ? frame.body.message : frame.type)),
    ['start', 'stream', 'first', 'data', 'second', 'fill', 'third', 'digest', 'close', 'end'],
  )
  t.deepEqual(got[7], digest)
})

test('two transmissions of several streams go through one after another', async (t) => {
  const one = [start, stream(), data(0n, sample('text', 100_000)), close, end]
  const got = await run([...one, ...one], { codec: 'zlib', threads: 2, sizes: [2] })
  t.deepEqual(
    got.map(({ type }) => type).filter((type) => type !== 'data'),
    ['start', 'stream', 'close', 'end', 'start', 'stream', 'close', 'end'],
  )
})

test('a payload that is not what its sender summed is refused, after all before it has been sent', async (t) => {
  const bytes = sample('text', 4096)
  const given = [
    start,
    stream({ chunkSize: 4096 }),
    data(0n, bytes, { crc: payloadCrc(bytes) }),
    data(4096n, bytes, { crc: 1 }),
  ]
  const { transform, batchesAlive } = compress({ codec: 'snappy', warn: () => {} })
  const seen: Frame[] = []
  await t.throwsAsync(
    async () => {
      for await (const batch of transform(reusing([given], batchesAlive))) seen.push(...batch)
    },
    { instanceOf: FrameError, message: /0x1000/ },
  )
  t.deepEqual(
    dataOf(seen).map(({ offset, codec }) => [offset, codec]),
    [[0n, 'snappy']],
  )
})

test('what is done leaves even when nothing arrives for a while', async (t) => {
  const { transform, batchesAlive } = compress({ codec: 'snappy', threads: 2, warn: () => {} })
  let release = () => {}
  const pause = new Promise<void>((resolve) => {
    release = resolve
  })
  async function* slow() {
    yield* reusing([[start, stream(), data(0n, sample('text', 32768))]], batchesAlive)
    await pause
    yield [close, end]
  }
  const frames = transform(slow())[Symbol.asyncIterator]()
  const first = await frames.next()
  t.is(first.value?.filter(({ type }: Frame) => type === 'data').length, 1)
  release()
  let done = false
  while (!done) done = (await frames.next()).done ?? false
})

test('stopping early ends the threads', async (t) => {
  const { transform, batchesAlive } = compress({ codec: 'zlib', threads: 2, warn: () => {} })
  async function* endless() {
    yield [start, stream()]
    for (let i = 0n; ; i++) yield [data(i << 20n, sample('noise', 1 << 20))]
  }
  t.true(batchesAlive >= 3)
  let count = 0
  for await (const _ of transform(endless())) if (++count > 20) break
  t.pass()
})
