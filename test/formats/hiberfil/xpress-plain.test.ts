import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { decompressPlainXpress } from '../../../src/formats/hiberfil/xpress-plain.js'

function decode(hex: string, size: number): string {
  const output = Buffer.alloc(size)
  decompressPlainXpress(Buffer.from(hex.replaceAll(' ', ''), 'hex'), output)
  return output.toString('latin1')
}

// [MS-XCA] 3.1 and 3.2.
test('the examples of the specification', (t) => {
  const letters = 'abcdefghijklmnopqrstuvwxyz'
  t.is(decode(`3f000000 ${Buffer.from(letters).toString('hex')}`, 26), letters)
  t.is(decode('ffffff1f 616263 1700 0f ff 2601', 300), 'abc'.repeat(100))
})

test('lengths take half a byte, of which two share one, then a byte, a u16, a u32', (t) => {
  // A byte `a`, then matches at distance 1: 3 + 7 + 2, and 3 + 7 + 4 in the upper half.
  t.is(decode('ffffff7f 61 0700 42 0700', 1 + 12 + 14), 'a'.repeat(27))
  t.is(decode('ffffff7f 61 0700 0f 10', 1 + 3 + 7 + 15 + 16), 'a'.repeat(42))
  t.is(decode('ffffff7f 61 0700 0f ff 2601', 300 - 2), 'a'.repeat(298))
  t.is(decode('ffffff7f 61 0700 0f ff 0000 00000100', 1 + 3 + 65536), 'a'.repeat(65540))
})

test('what makes too many bytes or too few, or refers to what is not there, is refused', (t) => {
  const cases: [hex: string, size: number, message: RegExp][] = [
    ['', 1, /cut off/],
    ['000000', 1, /cut off/],
    ['00000000 61', 2, /cut off/],
    ['ffffffff 0000', 9, /begins before/],
    ['ffffff7f 61 0800', 9, /begins before/],
    ['ffffff7f 61 0100', 4, /goes beyond/],
    ['ffffff7f 61 0700', 40, /cut off/],
    ['ffffff7f 61 0700 0f', 40, /cut off/],
    ['ffffff7f 61 0700 0f ff 1500', 40, /written too long/],
    ['ffffff7f 61 0700 0f ff 0000 ffffffff', 40, /goes beyond/],
  ]
  for (const [hex, size, message] of cases)
    t.throws(() => decode(hex, size), { instanceOf: FormatError, message })
})

test('any bytes are decoded or refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 500 }), (bytes, size) => {
      try {
        decompressPlainXpress(bytes, Buffer.alloc(size))
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
