import test from 'ava'
import fc from 'fast-check'
import { crc32c } from '../../src/codecs/crc32c.js'

/** As its definition has it, a bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let sum = -1
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return ~sum >>> 0
}

test('the check values of CRC-32C come out (RFC 3720, appendix B.4)', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283)
  t.is(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  t.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  t.is(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e)
  t.is(crc32c(new Uint8Array()), 0)
})

test('any bytes, wherever they begin in memory, have the sum of the definition', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(8), fc.boolean(), (bytes, before, shared) => {
      const room = bytes.length + before
      const memory = shared ? Buffer.from(new SharedArrayBuffer(room)) : Buffer.alloc(room)
      memory.set(bytes, before)
      return crc32c(memory.subarray(before)) === bitwise(bytes)
    }),
  )
  t.pass()
})
