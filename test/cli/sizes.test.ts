import test from 'ava'
import fc from 'fast-check'
import { ToolError } from '../../src/cli/exit.js'
import { parseRange, parseSize, showSize } from '../../src/cli/sizes.js'

const UNITS = ['', 'k', 'M', 'g', 'T']
const amount = fc.bigInt({ min: 0n, max: 1n << 64n })

test('a size is decimal with a unit of 1024s, or hexadecimal', (t) => {
  fc.assert(
    fc.property(amount, fc.integer({ min: 0, max: 4 }), (number, step) => {
      t.is(parseSize(`${number}${UNITS[step]}`), number << BigInt(10 * step))
      t.is(parseSize(`0x${number.toString(16)}`), number)
      t.is(parseSize(`0X${number.toString(16).toUpperCase()}`), number)
    }),
  )
  t.is(parseSize('007'), 7n)
})

test('what is no size is refused, by its name', (t) => {
  for (const text of [
    '',
    ' 1',
    '1 ',
    '-1',
    '+1',
    '1.5k',
    '1e3',
    '0x',
    '0x1k',
    '1kb',
    '1KiB',
    'k',
    '1_000',
    '١',
    '0b1',
    '1\n',
  ])
    t.is(t.throws(() => parseSize(text), { instanceOf: ToolError })?.exitCode, 64, JSON.stringify(text))
})

test('a range is start and end, or start and length', (t) => {
  fc.assert(
    fc.property(amount, fc.bigInt({ min: 1n, max: 1n << 64n }), (start, length) => {
      t.deepEqual(parseRange(`0x${start.toString(16)}-0x${(start + length).toString(16)}`), { start, length })
      t.deepEqual(parseRange(`${start}+${length}`), { start, length })
    }),
  )
  t.deepEqual(parseRange('1M-2M'), { start: 1n << 20n, length: 1n << 20n })
})

test('what is no range, or an empty one, is refused, by its name', (t) => {
  for (const text of [
    '',
    '0',
    '0-',
    '-5',
    '+5',
    '5-5',
    '6-5',
    '5+0',
    '0-1-2',
    '0..5',
    '0x10-0xzz',
    '0 - 5',
    '1-2\n',
  ])
    t.is(t.throws(() => parseRange(text), { instanceOf: ToolError })?.exitCode, 64, JSON.stringify(text))
})

test('sizes are shown to people in three or four figures', (t) => {
  t.deepEqual([0n, 1023n, 1024n, 1536n, 102_400n, 1n << 30n, 1n << 60n, 1n << 74n].map(showSize), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '100 KiB',
    '1.0 GiB',
    '1.0 EiB',
    '16384 EiB',
  ])
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 1n << 69n }), (bytes) =>
      t.regex(showSize(bytes), /^\d{1,4}(\.\d)? ([KMGTPE]i)?B$/),
    ),
  )
})
