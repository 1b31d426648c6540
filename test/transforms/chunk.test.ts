import test from 'ava'
import fc from 'fast-check'
import { ToolError } from '../../src/cli/exit.js'
import { compress } from '../../src/codecs/codec.js'
import { isZero } from '../../src/codecs/zero.js'
import type { DataFrame, Frame } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { chunk, parseChunkSize } from '../../src/transforms/chunk.js'
import { sample } from '../codecs/samples.js'
import { batchSizes, shapes } from './shapes.js'
import { close, collect, data, difference, end, fill, inBatches, reusing, start, stream } from './support.js'

const cut = (frames: Frame[], size: number, sizes = [3]) =>
  collect(chunk(() => size)(reusing(inBatches(frames, sizes))))
const dataOf = (frames: Frame[]) => frames.filter((frame): frame is DataFrame => frame.type === 'data')

test('every chunk has the chunk size, counted from the start of its run, and nothing is lost', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fc.constantFrom(1024, 4096, 32768, 100_000, 1 << 20),
      batchSizes,
      async (pieces, size, sizes) => {
        const given = [start, stream(), ...pieces, close, end]
        const got = await cut(given, size, sizes)
        t.is(difference(got, given), undefined)
        let run: bigint | undefined
        let next: bigint | undefined
        for (const frame of got) {
          if (frame.type === 'stream') t.is(frame.body.chunkSize, size)
          if (frame.type !== 'data') {
            if (frame.type === 'fill') next = undefined
            continue
          }
          if (frame.offset !== next) run = frame.offset
          next = frame.offset + frame.length
          t.is(frame.payload.length, size)
          t.is((frame.offset - run!) % BigInt(size), 0n)
          t.is(frame.padded, frame.length < BigInt(size))
          t.true(isZero(frame.payload.subarray(Number(frame.length))))
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('three thousand ranges of a byte and more', async (t) => {
  const pieces = Array.from({ length: 3000 }, (_, i) =>
    data(BigInt(i) * 0x10_0000n + 3n, sample('pointers', (i % 7) * 1000 + 1)),
  )
  const given = [start, stream(), ...pieces, close, end]
  const got = await cut(given, 4096, [500])
  t.is(difference(got, given), undefined)
})

test('a chunk in one piece of the input is a view of it', async (t) => {
  const bytes = Buffer.from(new SharedArrayBuffer(12288))
  async function* frames() {
    yield [start, stream(), data(0x1000n, bytes)]
  }
  const seen: DataFrame[] = []
  for await (const batch of chunk(() => 4096)(frames())) seen.push(...dataOf(batch))
  t.deepEqual(
    seen.map(({ payload }) => [payload.buffer === bytes.buffer, payload.byteOffset]),
    [
      [true, 0],
      [true, 4096],
      [true, 8192],
    ],
  )
})

test('what is a chunk already passes as it came', async (t) => {
  const frames = [
    data(0n, sample('text', 4096), { raw: Buffer.alloc(1) }),
    data(4096n, compress('snappy', sample('text', 4096)), { codec: 'snappy', length: 4096n }),
    data(8192n, Buffer.concat([sample('text', 100), Buffer.alloc(3996)]), { length: 100n, padded: true }),
  ]
  const [first, ...rest] = await cut([start, stream({ chunkSize: 4096 }), ...frames, close, end], 4096)
  t.is(first, start)
  t.deepEqual(
    dataOf(rest).map(({ codec, padded, length }) => [codec, padded, length]),
    [
      ['none', false, 4096n],
      ['snappy', false, 4096n],
      ['none', true, 100n],
    ],
  )
  t.truthy(dataOf(rest)[0]!.raw)
})

test('chunks of another size are decoded and cut anew', async (t) => {
  const bytes = sample('pointers', 8192 + 100)
  const given = [
    start,
    stream({ chunkSize: 4096 }),
    data(0n, compress('zlib', bytes.subarray(0, 4096)), { codec: 'zlib', length: 4096n }),
    data(4096n, compress('lz4', bytes.subarray(4096, 8192)), { codec: 'lz4', length: 4096n }),
    data(8192n, compress('snappy', Buffer.concat([bytes.subarray(8192), Buffer.alloc(3996)])), {
      codec: 'snappy',
      length: 100n,
      padded: true,
    }),
    close,
    end,
  ]
  const got = await cut(given, 6000)
  t.is(difference(got, given), undefined)
  t.deepEqual(
    dataOf(got).map(({ length }) => length),
    [6000n, 2292n],
  )
})

test('a hole ends a run', async (t) => {
  const got = await cut(
    [
      start,
      stream(),
      data(0n, Buffer.alloc(10, 1)),
      fill(10n, 6n),
      data(16n, Buffer.alloc(20, 2)),
      close,
      end,
    ],
    16,
  )
  t.deepEqual(
    got.flatMap((frame) =>
      frame.type === 'data' || frame.type === 'fill' ? [[frame.type, frame.offset, frame.length]] : [],
    ),
    [
      ['data', 0n, 10n],
      ['fill', 10n, 6n],
      ['data', 16n, 16n],
      ['data', 32n, 4n],
    ],
  )
})

test('what has come of a chunk is sent before the failure that follows it', async (t) => {
  async function* failing() {
    yield [start, stream(), data(0n, Buffer.alloc(10, 1))]
    throw new FrameError('broken', 99n)
  }
  const seen: Frame[] = []
  await t.throwsAsync(
    async () => {
      for await (const batch of chunk(() => 16)(failing())) seen.push(...batch)
    },
    { instanceOf: FrameError },
  )
  t.is(dataOf(seen).length, 1)
})

test('a damaged chunk is refused at its address', async (t) => {
  const damaged = data(0x5000n, Buffer.from('nonsense'), { codec: 'snappy', length: 4096n })
  const error = await t.throwsAsync(cut([start, stream({ chunkSize: 4096 }), damaged], 100), {
    instanceOf: FrameError,
  })
  t.regex(error.message, /0x5000/)
})

test('streams without bytes stay as they are', async (t) => {
  const folder = stream({ kind: 'folder', name: 'etc' })
  t.deepEqual(await cut([start, folder, close, end], 512), [start, folder, close, end])
})

test('sizes of a chunk', (t) => {
  t.is(parseChunkSize('32k'), 32768)
  t.is(parseChunkSize('16M'), 16 << 20)
  for (const wrong of ['0', '17M', '', '-1', '32q', '1.5k'])
    t.throws(() => parseChunkSize(wrong), { instanceOf: ToolError })
})
