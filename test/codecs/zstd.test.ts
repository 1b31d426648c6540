import { execFileSync } from 'node:child_process'
import test from 'ava'
import { compress, decompress, decompressInto } from '../../src/codecs/codec.js'
import { CodecError } from '../../src/codecs/codec-error.js'
import { hasZstd } from '../../src/codecs/zstd.js'
import { sample } from './samples.js'

const page = sample('mixed', 4096)

test('zstd and we decode what the other compresses, where Node has zstd; else the error says which has', (t) => {
  const theirs = execFileSync('zstd', ['-1', '-c', '-q'], { input: page })
  if (!hasZstd) {
    const error = t.throws(() => decompress('zstd', theirs, 4096), { instanceOf: CodecError })
    t.regex(error.message, /Node 2.* has none: 22.15 or later does/)
    return
  }
  t.deepEqual(Buffer.from(decompress('zstd', theirs, 4096)), page)
  t.deepEqual(execFileSync('zstd', ['-d', '-c', '-q'], { input: compress('zstd', page) }), page)
  t.throws(() => decompress('zstd', theirs, 4095), { instanceOf: CodecError })
  t.throws(() => decompress('zstd', theirs.subarray(0, 99), 4096), { instanceOf: CodecError })
})

test('chunks are decoded into memory that is there, which they must fill', (t) => {
  for (const codec of ['none', 'zlib', 'snappy', 'lz4'] as const) {
    const stored = compress(codec, page)
    const into = Buffer.from(new SharedArrayBuffer(5000)).subarray(100, 100 + 4096)
    decompressInto(codec, stored, into)
    t.true(into.equals(page), codec)
    for (const size of [4095, 4097])
      t.throws(() => decompressInto(codec, stored, Buffer.alloc(size)), { instanceOf: CodecError }, codec)
  }
})
