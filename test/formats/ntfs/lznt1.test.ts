import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { decompressLznt1 } from '../../../src/formats/ntfs/lznt1.js'
import { compressLznt1, isCompressible } from './lznt1-encoder.js'

const UNIT = 65536
const data = (name: string) => readFileSync(new URL(`../../../../test/data/ntfs/${name}`, import.meta.url))
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')

/** @returns what a unit of `size` bytes holds, checked for writes outside it */
function decompress(input: Uint8Array, size: number) {
  const around = Buffer.alloc(size + 32, 0xaa)
  const output = around.subarray(16, 16 + size)
  const result = decompressLznt1(input, output)
  if (
    around.subarray(0, 16).some((byte) => byte !== 0xaa) ||
    around.subarray(-16).some((byte) => byte !== 0xaa)
  )
    throw new Error('written outside the output')
  if (output.subarray(result.length).some((byte) => byte !== 0)) throw new Error('not zeros behind the end')
  return { ...result, output }
}

const plain = (input: Uint8Array, size: number) => {
  const { output, length } = decompress(input, size)
  return output.toString('latin1', 0, length)
}

test('literals and references with 4 and 5 bits of distance', (t) => {
  const input = bytes('0EB0 20 706D656D20 0740 4E54 04 4653 0690 0000')
  t.is(plain(input, 28), 'pmem pmem pmem NTFSpmem pmem')
  t.is(decompress(input, UNIT).complaint, undefined)
})

test('a unit that ntfs-3g compressed from text', (t) => {
  const { output, length, complaint } = decompress(data('lznt1-text.unit'), UNIT)
  t.is(complaint, undefined)
  t.is(length, UNIT)
  t.is(sha256(output), '34235247ff59d0b7f7a672c3c050190042064c883b083888521d32bf5594a5e1')
})

test('a unit that ntfs-3g compressed from runs of equal bytes', (t) => {
  const runs = Buffer.alloc(UNIT)
  for (let at = 0, index = 0; at < UNIT; index++) {
    const length = (index % 700) + 1
    runs.fill(index % 251, at, Math.min(at + length, UNIT))
    at += length
  }
  const { output, complaint } = decompress(data('lznt1-runs.unit'), UNIT)
  t.is(complaint, undefined)
  t.true(output.equals(runs))
})

test('a unit that begins with a header of 0 is zeros', (t) => {
  t.deepEqual(decompressLznt1(Buffer.alloc(4096), Buffer.alloc(UNIT, 1)), { length: 0 })
})

test('a short chunk is padded with zeros where another one follows', (t) => {
  const chunks = [
    { plain: Buffer.from('first'), style: 'stored' },
    { plain: Buffer.from('second'), style: 'compressed' },
    { plain: Buffer.from('third'), style: 'compressed' },
  ] as const
  const { output, length, complaint } = decompress(compressLznt1(chunks), UNIT)
  t.is(complaint, undefined)
  t.is(length, 8192 + 5)
  t.deepEqual(
    [0, 4096, 8192].map((at) => output.toString('latin1', at, at + 6)),
    ['first\0', 'second', 'third\0'],
  )
})

test('what lies behind the last chunk is not looked at', (t) => {
  const full = { plain: Buffer.alloc(4096, 'full'), style: 'compressed' } as const
  const chunks = compressLznt1(Array(16).fill(full))
  t.is(decompress(Buffer.concat([chunks, bytes('FFFF FFFF')]), UNIT).complaint, undefined)
  t.is(decompress(Buffer.concat([chunks.subarray(0, 18), bytes('0000 FFFF')]), UNIT).complaint, undefined)
})

test('garbage keeps what came before it', (t) => {
  const good = { plain: Buffer.alloc(4096, 'good'), style: 'compressed' } as const
  const front = compressLznt1([good])
  const cases: [name: string, tail: string, kept: number][] = [
    ['a header without signature', '0410', 4096],
    ['a reference at the beginning', '0280 01 0000', 4096],
    ['a signature that is not 3', '02C0 00 4142', 4096],
    ['a reference to before the chunk', '05B0 04 4142 0070 43', 4098],
    ['a reference that is cut in two', '03B0 04 4142 00', 4098],
    ['a chunk that is cut off', '40B0 00 4142', 4098],
    ['a stored chunk that is cut off', 'FF3F 4142', 4098],
  ]
  for (const [name, tail, kept] of cases) {
    const { output, length, complaint } = decompress(Buffer.concat([front, bytes(tail)]), UNIT)
    t.truthy(complaint, name)
    t.is(length, kept, name)
    t.true(output.subarray(0, 4096).equals(good.plain), name)
  }
})

test('a chunk never grows beyond its 4096 bytes, nor beyond the unit', (t) => {
  const zeros = bytes('05B0 06 00 FC0F FC0F 0000')
  t.is(decompress(bytes('03B0 02 00 FC0F 0000'), UNIT).length, 4096)
  t.deepEqual(
    { ...decompress(zeros, UNIT), output: undefined },
    {
      length: 4096,
      complaint: 'the chunk at byte 0 of the compression unit refers to what is not in it, or is too long',
      output: undefined,
    },
  )
  t.is(decompress(bytes('03B0 02 00 FC0F 0000'), 512).length, 1)
})

const content = fc.oneof(
  fc.uint8Array({ maxLength: 4096 }),
  fc
    .array(
      fc.record({ pattern: fc.uint8Array({ minLength: 1, maxLength: 20 }), length: fc.nat({ max: 600 }) }),
      { maxLength: 30 },
    )
    .map((runs) => Buffer.concat(runs.map(({ pattern, length }) => Buffer.alloc(length, pattern)))),
)
const chunk = fc
  .record({ bytes: content, stored: fc.boolean() })
  .map(({ bytes, stored }) => {
    const plain = Buffer.from(bytes.subarray(0, 4096))
    const style = stored || !isCompressible(plain) ? 'stored' : 'compressed'
    return { plain, style } as const
  })
  .filter(({ plain }) => plain.length > 0)
const chunks = fc.array(chunk, { minLength: 1, maxLength: 16 })

test('what is compressed comes back', (t) => {
  fc.assert(
    fc.property(chunks, (chunks) => {
      const { output, length, complaint } = decompress(compressLznt1(chunks), UNIT)
      t.is(complaint, undefined)
      t.is(length, (chunks.length - 1) * 4096 + chunks.at(-1)!.plain.length)
      chunks.forEach(({ plain }, index) => {
        t.true(output.subarray(index * 4096, index * 4096 + plain.length).equals(plain))
      })
    }),
    { numRuns: 60 },
  )
})

test('mutated input stays within the unit and keeps the chunks before', (t) => {
  const mutations = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { maxLength: 8 })
  fc.assert(
    fc.property(chunks, mutations, fc.integer({ min: 0, max: UNIT }), (chunks, mutations, size) => {
      const input = compressLznt1(chunks)
      for (const { at, byte } of mutations) input[at % input.length] = byte
      t.true(decompress(input, size).length <= size)
    }),
    { numRuns: 100 },
  )
})

test('any bytes at all are decompressed to something', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 9000 }), fc.nat({ max: 9000 }), (input, size) => {
      t.true(decompress(input, size).length <= size)
      if (input.length > 1) input[1] = 0xbf
      t.true(decompress(input, size).length <= size)
    }),
    { numRuns: 300 },
  )
})
