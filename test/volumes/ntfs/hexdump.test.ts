import { spawnSync } from 'node:child_process'
import test from 'ava'
import fc from 'fast-check'
import { createHexdump } from '../../../src/volumes/ntfs/hexdump.js'

const hexdump = (bytes: Buffer) => {
  const { stdout, error } = spawnSync('hexdump', ['-C'], { input: bytes, maxBuffer: 1 << 26 })
  if (error) throw error
  return stdout.toString()
}

/** In parts as long as `cuts` say, again and again. */
function dumpOf(bytes: Buffer, cuts: readonly number[], start = 0n): string {
  const dump = createHexdump()
  let text = ''
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const part = bytes.subarray(at, at + (cuts[turn % cuts.length] ?? bytes.length))
    text += dump.bytes(start + BigInt(at), part)
    at += part.length
  }
  return bytes.length === 0 ? text : text + dump.end(start + BigInt(bytes.length))
}

/** Few different bytes, so that lines repeat. */
const lines = fc
  .array(fc.constantFrom('\0'.repeat(16), 'A'.repeat(16), '\x7f\x80 ~|*\n\t0123456789', 'tail'), {
    maxLength: 20,
  })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'))

test('every byte as hexdump -C shows it, at every place of a line', (t) => {
  const bytes = Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.alloc(100),
    Buffer.from('the end'),
  ])
  t.is(dumpOf(bytes, [bytes.length]), hexdump(bytes))
})

test('repeated lines are those that hexdump -C leaves out', (t) => {
  // It leaves out an end that repeats the beginning of the line before as well.
  for (const bytes of fc.sample(lines, { numRuns: 30, seed: 4 }))
    if (bytes.length % 16 === 0) t.is(dumpOf(bytes, [bytes.length]), hexdump(bytes))
})

test('however bytes arrive, the lines are the same', (t) => {
  fc.assert(
    fc.property(lines, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (bytes, cuts) => {
      t.is(dumpOf(bytes, cuts), dumpOf(bytes, [bytes.length]))
    }),
  )
})

test('offsets grow past eight digits', (t) => {
  t.is(
    dumpOf(Buffer.from('abc'), [3], 0x123456789abn),
    `123456789ab  61 62 63                                          |abc|\n123456789ae\n`,
  )
})

test('a notice ends the line that is begun, and nothing before it counts as repeated', (t) => {
  const dump = createHexdump()
  const zeros = Buffer.alloc(16)
  const text = [
    dump.bytes(0n, zeros),
    dump.bytes(16n, Buffer.from('ab')),
    dump.notice(18n, '[hole]'),
    dump.bytes(32n, zeros),
    dump.end(48n),
  ]
  const zeroLine = `${'00 '.repeat(8)} ${'00 '.repeat(8)} |................|`
  t.is(
    text.join(''),
    `00000000  ${zeroLine}\n00000010  61 62                                             |ab|\n00000012  [hole]\n00000020  ${zeroLine}\n00000030\n`,
  )
})
