import { deflateRawSync, deflateSync } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { compress, decompress, decompressUpTo } from '../../src/codecs/codec.js'
import { CodecError, type CodecName, type WritableCodec } from '../../src/codecs/codec-error.js'
import { type PythonJob, python } from './python.js'
import { chunks, SAMPLE_KINDS, sample } from './samples.js'

const WRITABLE: readonly WritableCodec[] = ['none', 'zlib', 'snappy', 'lz4']
const COMPRESSED: readonly CodecName[] = ['zlib', 'deflate', 'snappy', 'lz4']
const SIZES = [1, 2, 511, 4096, 32768, 65537, 1 << 20]
const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0
const stored = (codec: CodecName, bytes: Buffer) =>
  codec === 'deflate' ? deflateRawSync(bytes) : Buffer.from(compress(codec, bytes))

test('what we compress, Python decodes to the same bytes', (t) => {
  const samples = SIZES.flatMap((size) => SAMPLE_KINDS.map((kind) => sample(kind, size)))
  const jobs = WRITABLE.flatMap((codec) =>
    samples.map((bytes): PythonJob => {
      return { way: 'decompress', codec, bytes: compress(codec, bytes), size: bytes.length }
    }),
  )
  const decoded = python(jobs)
  for (const [i, job] of jobs.entries())
    t.true(isSame(decoded[i]!, samples[i % samples.length]!), `${job.codec}, ${job.size} bytes`)
})

test('what Python compresses, we decode to the same bytes', (t) => {
  const samples = SIZES.flatMap((size) => SAMPLE_KINDS.map((kind) => sample(kind, size)))
  const jobs = [...COMPRESSED, 'none' as const].flatMap((codec) =>
    samples.map((bytes): PythonJob => ({ way: 'compress', codec, bytes, size: bytes.length })),
  )
  const theirs = python(jobs)
  for (const [i, job] of jobs.entries())
    t.true(isSame(decompress(job.codec, theirs[i]!, job.size), job.bytes), `${job.codec}, ${job.size} bytes`)
})

for (const codec of WRITABLE)
  test(`${codec} gives back any chunk, from shared memory as well`, (t) => {
    fc.assert(
      fc.property(chunks(70_000), (bytes) => {
        const shared = Buffer.from(new SharedArrayBuffer(bytes.length + 7)).subarray(7)
        shared.set(bytes)
        const compressed = compress(codec, shared)
        const sharedToo = Buffer.from(new SharedArrayBuffer(compressed.length))
        sharedToo.set(compressed)
        return isSame(decompress(codec, sharedToo, bytes.length), bytes)
      }),
      { numRuns: 200 },
    )
    t.pass()
  })

test('zlib takes a level', (t) => {
  const bytes = Buffer.from(Array.from({ length: 4000 }, (_, i) => Math.sin(i).toFixed(3)).join())
  t.true(compress('zlib', bytes, 9).length < compress('zlib', bytes, 1).length)
})

for (const codec of COMPRESSED) {
  test(`a damaged ${codec} chunk is a CodecError or as long as it should be, and nothing else`, (t) => {
    const size = 4096
    const whole = stored(codec, sample('mixed', size))
    /** Whether it was refused. */
    const judge = (damaged: Uint8Array) => {
      try {
        if (decompress(codec, damaged, size).length !== size) t.fail('another size was let through')
        return false
      } catch (error) {
        if (!(error instanceof CodecError) || !error.message.startsWith(`${codec}: `)) throw error
        return true
      }
    }
    for (let end = 0; end < whole.length; end++)
      if (!judge(whole.subarray(0, end))) t.fail(`cut after ${end} bytes`)
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 8 }), (flips) => {
        const damaged = Buffer.from(whole)
        for (const [at, bits] of flips) damaged[at]! ^= bits
        judge(damaged)
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        judge(noise)
      }),
      { numRuns: 2000 },
    )
    t.pass()
  })

  test(`a ${codec} chunk of another size is refused`, (t) => {
    const bytes = stored(codec, sample('text', 4096))
    for (const size of [0, 1, 4095, 4097, 1 << 20])
      t.throws(() => decompress(codec, bytes, size), { instanceOf: CodecError })
  })

  test(`bytes behind a ${codec} chunk are refused`, (t) => {
    const bytes = Buffer.concat([stored(codec, sample('text', 4096)), Buffer.from('more')])
    t.throws(() => decompress(codec, bytes, 4096), { instanceOf: CodecError })
  })

  test(`a ${codec} chunk without padding is given as short as it is, where that is asked for`, (t) => {
    const short = sample('mixed', 1000)
    t.true(isSame(decompressUpTo(codec, stored(codec, short), 4096), short))
    t.throws(() => decompressUpTo(codec, stored(codec, short), 999), { instanceOf: CodecError })
  })

  test(`an empty ${codec} chunk is one of size 0`, (t) => {
    t.is(decompress(codec, stored(codec, Buffer.alloc(0)), 0).length, 0)
  })
}

test('raw bytes of another size are refused', (t) => {
  t.throws(() => decompress('none', Buffer.alloc(5), 4), { instanceOf: CodecError })
  t.throws(() => decompress('none', Buffer.alloc(3), 4), { instanceOf: CodecError })
  t.deepEqual(decompress('none', Buffer.from('abcd'), 4), Buffer.from('abcd'))
})

test('a chunk that claims or holds gigabytes costs no more than a chunk', (t) => {
  const zeros = Buffer.alloc(256 << 20)
  const bombs: [CodecName, Buffer][] = [
    ['zlib', deflateSync(zeros)],
    ['deflate', deflateRawSync(zeros)],
    ['snappy', Buffer.from(compress('snappy', zeros))],
    ['snappy', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61])],
    ['lz4', Buffer.from(compress('lz4', zeros))],
  ]
  for (const [codec, bomb] of bombs) {
    const before = process.memoryUsage.rss()
    t.throws(() => decompress(codec, bomb, 32768), { instanceOf: CodecError }, codec)
    t.true(process.memoryUsage.rss() - before < 32 << 20, codec)
  }
})

test('a snappy length that does not end, or passes 32 bits, is refused before anything is decoded', (t) => {
  for (const bytes of [[], [0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0xff, 0xff, 0xff, 0xff, 0x7f]])
    t.throws(() => decompress('snappy', Buffer.from(bytes), 32768), { instanceOf: CodecError })
})
