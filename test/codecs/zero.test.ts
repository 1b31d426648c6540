import test from 'ava'
import fc from 'fast-check'
import { isZero } from '../../src/codecs/zero.js'

test('one byte anywhere makes a block other than zero', (t) => {
  for (const size of [0, 1, 4096, 32768, 65535, 65536, 65537, 200_000]) t.true(isZero(Buffer.alloc(size)))
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200_000 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (size, at, value) => {
        const bytes = Buffer.from(new SharedArrayBuffer(size))
        bytes[at % size] = value
        return !isZero(bytes)
      },
    ),
  )
  t.pass()
})
