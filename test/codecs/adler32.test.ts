import zlib from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { adler32, summed } from '../../src/codecs/adler32.js'

const byZlib = (bytes: Uint8Array) => {
  const stream = zlib.deflateSync(bytes)
  return stream.readUInt32BE(stream.length - 4)
}

test('sums are those that zlib writes behind its streams, of any length', (t) => {
  const lengths = fc.oneof(
    fc.nat(5000),
    fc.constantFrom(0, 1, 2047, 2048, 65535, 65536, 131071),
    fc.nat(300_000),
  )
  fc.assert(
    fc.property(lengths, fc.nat(255), fc.nat(255), (length, first, step) => {
      const bytes = Uint8Array.from({ length }, (_, i) => first + step * i + (i >> 8))
      t.is(adler32(bytes), byZlib(bytes))
      t.is(summed(bytes), byZlib(bytes))
    }),
    { numRuns: 100 },
  )
})

test('the largest bytes overflow no sum', (t) => {
  const bytes = Buffer.alloc(200_000, 0xff)
  t.is(adler32(bytes), byZlib(bytes))
  t.is(summed(bytes), byZlib(bytes))
})
