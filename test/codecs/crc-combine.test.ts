import { crc32 } from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { combineCrc } from '../../src/codecs/crc-combine.js'

test('the CRC of two parts is that of the whole', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (first, second) => {
      const whole = crc32(Buffer.concat([first, second]))
      return combineCrc(crc32(first), crc32(second), second.length) === whole
    }),
  )
  t.pass()
})

test('parts of zeros may be longer than 2^32 bytes', (t) => {
  const block = Buffer.alloc(1 << 20)
  const twice = (crc: number, length: number) => combineCrc(crc, crc, length)
  let crc = crc32(block)
  t.is(twice(crc, block.length), crc32(block, crc))
  for (let length = block.length; length < 2 ** 34; length *= 2) crc = twice(crc, length)
  // 2^34 zeros, as two parts that are not of one size.
  const [small, rest] = [crc32(block), 2 ** 34 - block.length]
  let most = 0
  for (let length = block.length, part = small; length < 2 ** 34; length *= 2) {
    most = combineCrc(most, part, length)
    part = twice(part, length)
  }
  t.is(combineCrc(small, most, rest), crc)
})
