import test from 'ava'
import fc from 'fast-check'
import { type ChunkCompressorOptions, openChunkCompressor } from '../../src/codecs/chunk-compressor.js'
import { compress, decompress } from '../../src/codecs/codec.js'
import type { WritableCodec } from '../../src/codecs/codec-error.js'
import { isZero } from '../../src/codecs/zero.js'
import { chunks, noise, sample } from './samples.js'

const CODECS: readonly WritableCodec[] = ['none', 'zlib', 'snappy', 'lz4']

/** Sends jobs through a compressor as a pipeline does: a full window, results taken in order and decoded. */
async function roundTrip(options: ChunkCompressorOptions, jobs: Uint8Array[][]): Promise<Buffer[][]> {
  const compressor = openChunkCompressor(options)
  const decoded: Buffer[][] = []
  const waiting: (() => Promise<void>)[] = []
  try {
    for (const job of jobs) {
      if (waiting.length === compressor.depth) await waiting.shift()!()
      const result = compressor.submit(job)
      waiting.push(async () => {
        const stored = await result
        decoded.push(
          stored.map((chunk, i) => {
            const { length } = job[i]!
            if (chunk.zero) return Buffer.alloc(length)
            if (chunk.codec !== 'none' && chunk.bytes.length >= length)
              throw new Error('compressed and not shorter')
            return Buffer.from(decompress(chunk.codec, chunk.bytes, length))
          }),
        )
      })
    }
    for (const take of waiting) await take()
  } finally {
    await compressor.close()
  }
  return decoded
}

const shared = (bytes: Uint8Array) => {
  const copy = Buffer.from(new SharedArrayBuffer(bytes.length + 3)).subarray(3)
  copy.set(bytes)
  return copy
}

for (const codec of CODECS)
  for (const threads of [1, 2])
    test(`${codec} on ${threads} threads: every chunk comes back, in order`, async (t) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(chunks(5000), { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 12 }),
          fc.boolean(),
          async (made, share) => {
            const jobs = made.map((job) => job.map((chunk) => (share ? shared(chunk) : chunk)))
            const decoded = await roundTrip({ codec, threads, keep: 1 }, jobs)
            t.deepEqual(
              decoded,
              jobs.map((job) => job.map((chunk) => Buffer.from(chunk))),
            )
          },
        ),
        { numRuns: 6 },
      )
    })

test('a stream much longer than the window keeps its order, and results stay valid as long as was agreed', async (t) => {
  const keep = 3
  const compressor = openChunkCompressor({ codec: 'snappy', threads: 2, keep })
  const inputs = Array.from({ length: 60 }, (_, i) =>
    Array.from({ length: 32 }, (_, j) => shared(Buffer.alloc(32768, `job ${i} chunk ${j};`))),
  )
  const results: Awaited<ReturnType<typeof compressor.submit>>[] = []
  const check = (i: number) => {
    for (const [j, chunk] of results[i]!.entries()) {
      if (chunk.zero) throw new Error('not zeros')
      if (Buffer.compare(decompress(chunk.codec, chunk.bytes, 32768), inputs[i]![j]!) !== 0)
        throw new Error(`job ${i} chunk ${j}`)
    }
  }
  const window: ReturnType<typeof compressor.submit>[] = []
  for (const job of inputs) {
    if (window.length === compressor.depth) results.push(await window.shift()!)
    window.push(compressor.submit(job))
    if (results.length >= keep) check(results.length - keep)
  }
  for (const last of window) results.push(await last)
  check(results.length - 1)
  await compressor.close()
  t.is(results.length, inputs.length)
})

for (const codec of ['zlib', 'snappy', 'lz4'] as const)
  test(`a ${codec} chunk whose compressed form has exactly its own length is stored raw`, async (t) => {
    const exact = incompressibleByNothing(codec, 4096)
    const compressor = openChunkCompressor({ codec, threads: 1, keep: 1 })
    const [stored] = await compressor.submit([exact])
    await compressor.close()
    t.deepEqual(stored, { zero: false, codec: 'none', bytes: Buffer.from(exact) })
  })

/** A chunk of which the codec saves exactly nothing: noise with just enough repetition. */
function incompressibleByNothing(codec: WritableCodec, size: number): Buffer {
  for (let attempt = 0; attempt < 200; attempt++) {
    const chunk = noise(size, attempt)
    for (let repeated = 0; repeated < 300; repeated++) {
      chunk.fill(0x41, 0, repeated)
      const { length } = compress(codec, chunk)
      if (length === size) return chunk
      if (length < size) break
    }
  }
  throw new Error('no such chunk was found')
}

test('zero chunks cost nothing, and only whole ones count', async (t) => {
  const compressor = openChunkCompressor({ codec: 'snappy', threads: 1, keep: 1 })
  const almost = Buffer.alloc(32768)
  almost[32767] = 1
  const stored = await compressor.submit([Buffer.alloc(32768), almost])
  await compressor.close()
  t.deepEqual(
    stored.map(({ zero }) => zero),
    [true, false],
  )
  t.true(isZero(Buffer.alloc(32768)))
})

for (const threads of [1, 2])
  test(`what a codec throws on ${threads} threads rejects the job, and the next one still works`, async (t) => {
    const compressor = openChunkCompressor({ codec: 'zlib', level: 99, threads, keep: 1 })
    for (let i = 0; i < 40; i++) {
      await t.throwsAsync(compressor.submit([sample('text', 4096)]), { message: /level/ })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    t.deepEqual(await compressor.submit([Buffer.alloc(4096)]), [{ zero: true }])
    await compressor.close()
  })

test('closing with jobs in flight rejects them and ends the threads', async (t) => {
  const compressor = openChunkCompressor({ codec: 'zlib', threads: 2, keep: 1 })
  const job = () => Array.from({ length: 32 }, () => shared(sample('noise', 32768)))
  for (let i = 0; i < 20; i++) await compressor.submit(job())
  const left = Array.from({ length: compressor.depth }, () => compressor.submit(job()))
  await compressor.close()
  const outcomes = await Promise.allSettled(left)
  t.true(outcomes.some(({ status }) => status === 'rejected'))
  await t.throwsAsync(compressor.submit(job()), { message: /closed/ })
})

test('more jobs in flight than agreed are refused, larger chunks are not', async (t) => {
  const compressor = openChunkCompressor({ codec: 'snappy', threads: 1, keep: 1 })
  const chunk = sample('text', 3 << 20)
  const first = compressor.submit([chunk])
  t.throws(() => compressor.submit([chunk]), { instanceOf: RangeError })
  const [stored] = await first
  if (stored?.zero !== false) throw new Error('not zeros')
  t.is(Buffer.compare(decompress(stored.codec, stored.bytes, chunk.length), chunk), 0)
  await compressor.submit([chunk])
  await compressor.close()
})
