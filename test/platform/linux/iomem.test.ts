import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { addressesHidden, parseIomem, ramRuns, systemRam } from '../../../src/platform/linux/iomem.js'
import { coverage, iomemOf, run } from './fixture.js'

const PAGE = 0x1000n
const ramOf = (text: string, pageSize = PAGE) => ramRuns(systemRam(parseIomem(text)), pageSize)

test('RAM of real machines is rounded inward to pages and stays apart where a hole is', (t) => {
  t.deepEqual(ramOf(iomemOf('l5')), [run(0x1000n, 0x9f000n), run(0x100000n, 0x1ffe0000n)])
  t.deepEqual(ramOf(iomemOf('hole')), [
    run(0x1000n, 0x9f000n),
    run(0x100000n, 0x4000000n),
    run(0x5000000n, 0x1ffe0000n),
  ])
  t.deepEqual(ramOf(iomemOf('split')), [
    run(0x1000n, 0x9f000n),
    run(0x100000n, 0x7fe0000n),
    run(0x100000000n, 0x110000000n),
  ])
})

test('memory plugged in by virtio-mem counts though it is nested', (t) => {
  t.deepEqual(ramOf(iomemOf('virtio-mem')).at(-1), run(0x100000000n, 0x118000000n))
})

test('RAM below Persistent Memory counts, what lies inside RAM does not count again', (t) => {
  const text = [
    '100000000-13fffffff : Persistent Memory',
    '  100000000-11fffffff : namespace0.0',
    '  120000000-13fffffff : dax0.0',
    '    120000000-13fffffff : System RAM (kmem)',
    '      120000000-1200fffff : Crash kernel',
    '      130000000-130ffffff : System RAM',
    '140000000-14fffffff : System RAM',
    '  148000000-148ffffff : Kernel code',
    '',
  ].join('\n')
  t.deepEqual(
    systemRam(parseIomem(text)).map(({ name, depth }) => [name, depth]),
    [
      ['System RAM (kmem)', 2],
      ['System RAM', 0],
    ],
  )
  t.deepEqual(ramOf(text), [run(0x120000000n, 0x150000000n)])
})

test('what is only called like RAM does not count', (t) => {
  const text = '0-fff : System RAM buffer\n1000-1fff : system ram\n2000-2fff : Reserved System RAM\n'
  t.deepEqual(ramOf(text), [])
})

test('ranges that touch only before they are rounded stay apart', (t) => {
  t.deepEqual(ramOf('1000-2bff : System RAM\n2c00-4fff : System RAM\n'), [
    run(0x1000n, 0x2000n),
    run(0x3000n, 0x5000n),
  ])
  t.deepEqual(ramOf('0-fff : System RAM\n1000-1fff : System RAM\n'), [run(0n, 0x2000n)])
})

test('larger pages round further, and a range without a whole page vanishes', (t) => {
  const text = '1000-1ffff : System RAM\n30000-3efff : System RAM\n'
  t.deepEqual(ramOf(text, 0x10000n), [run(0x10000n, 0x20000n)])
})

test('RAM reaches to the last address', (t) => {
  t.deepEqual(ramOf('ffffffffffff0000-ffffffffffffffff : System RAM\n'), [
    run(0xffffffffffff0000n, 1n << 64n),
  ])
})

test('hidden addresses are told from real ones', (t) => {
  const hidden = iomemOf('l5').replace(/[0-9a-f]+-[0-9a-f]+ :/g, '00000000-00000000 :')
  t.true(addressesHidden(parseIomem(hidden)))
  t.false(addressesHidden(parseIomem(iomemOf('l5'))))
  t.false(addressesHidden(parseIomem('')))
  t.deepEqual(ramOf(hidden), [])
})

test('a line that is no resource is named', (t) => {
  const error = t.throws(() => parseIomem('0-fff : Reserved\nnonsense\n'), { instanceOf: FormatError })
  t.is(error?.message, 'line 2 is not "start-end : name": "nonsense"')
  t.throws(() => parseIomem('2000-1000 : System RAM\n'), { message: /line 1 ends before it starts/ })
  t.throws(() => parseIomem('0-11112222333344445 : System RAM\n'), { instanceOf: FormatError })
})

test('RAM that overlaps itself is refused', (t) => {
  t.throws(() => ramOf('0-1fff : System RAM\n1000-2fff : System RAM\n'), {
    message: 'System RAM: runs overlap at 0x1000',
  })
})

test('any text gives resources or a FormatError', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcdef-: \nSystem RAM') }), (text) => {
      try {
        ramOf(text)
      } catch (error) {
        t.true(error instanceof FormatError)
      }
    }),
  )
  t.pass()
})

test('a tree of resources gives the RAM that is not inside other RAM', (t) => {
  const extent = fc.record({
    gap: fc.bigInt(0n, 0x3000n),
    length: fc.bigInt(1n, 0x9000n),
    ram: fc.boolean(),
    child: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(extent, { maxLength: 20 }), (extents) => {
      let at = 0n
      let text = ''
      const expected = []
      for (const { gap, length, ram, child } of extents) {
        const start = at + gap
        at = start + length
        const range = `${start.toString(16)}-${(at - 1n).toString(16)}`
        text += `${range} : ${ram ? 'System RAM' : 'Reserved'}\n`
        if (child) text += `  ${range} : System RAM (kmem)\n`
        const first = (start + PAGE - 1n) & -PAGE
        if (ram || child) expected.push({ start: first, length: (at & -PAGE) - first })
      }
      t.deepEqual(coverage(ramOf(text)), coverage(expected))
    }),
  )
})
