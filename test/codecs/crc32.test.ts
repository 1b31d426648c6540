import { crc32 as nodeCrc32 } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { crc32 } from '../../src/codecs/crc32.js'
import { noise } from './samples.js'

test.before(() => {
  // From here on the package does the work, if it is there.
  crc32(new Uint8Array(16 << 20))
})

test('the same sums as those of Node, of any bytes, going on from any sum', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 600 }),
      fc.integer({ min: 0, max: 0xffffffff }),
      (bytes, before) => {
        t.is(crc32(bytes, before), nodeCrc32(bytes, before))
        t.is(crc32(bytes), nodeCrc32(bytes))
      },
    ),
  )
})

test('of views, and of memory that threads share', (t) => {
  const bytes = noise(1 << 20)
  const shared = Buffer.from(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  for (const length of [0, 1, 15, 16, 4095, 65537, bytes.length - 7]) {
    const sum = nodeCrc32(bytes.subarray(7, 7 + length))
    t.is(crc32(bytes.subarray(7, 7 + length)), sum)
    t.is(crc32(shared.subarray(7, 7 + length)), sum)
    t.is(crc32(new Uint8Array(bytes.buffer, bytes.byteOffset + 7, length)), sum)
  }
})
