import zlib from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { paddedZlib, paddedZlibSize } from '../../../../src/formats/ewf/writer/padded-zlib.js'

test('any bytes fill a zlib stream of any size that is large enough', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40_000 }), fc.nat(64), (bytes, more) => {
      const size = paddedZlibSize(bytes.length) + more
      const stream = paddedZlib(bytes, size)
      t.is(stream.length, size)
      t.deepEqual(new Uint8Array(zlib.inflateSync(stream)), bytes)
    }),
    { numRuns: 60 },
  )
})

test('bytes that do not fit are refused', (t) => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7919) >> 3))
  t.throws(() => paddedZlib(bytes, 100), { instanceOf: RangeError })
})
