import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { type BlockCodec, lz4, snappy } from '../../src/codecs/block-codecs.js'
import { CodecError } from '../../src/codecs/codec-error.js'
import { onNotice } from '../../src/codecs/notices.js'
import { lz4Compress, lz4Decompress } from '../../src/codecs/portable/lz4.js'
import { snappyCompress, snappyDecompress } from '../../src/codecs/portable/snappy.js'
import { type PythonJob, python } from './python.js'
import { chunks, noise, SAMPLE_KINDS, sample } from './samples.js'

// The add-ons judge what is written here: without them nothing would.
const missing: string[] = []
onNotice(({ message }) => missing.push(message))
const CODECS: { name: 'snappy' | 'lz4'; native: BlockCodec; portable: BlockCodec }[] = [
  { name: 'snappy', native: snappy(), portable: { compress: snappyCompress, decompress: snappyDecompress } },
  { name: 'lz4', native: lz4(), portable: { compress: lz4Compress, decompress: lz4Decompress } },
]
test('the add-ons are here to judge by', (t) => t.deepEqual(missing, []))

const PROGRAM = readFileSync(process.execPath).subarray(1 << 20)
const SIZES = [
  0,
  1,
  2,
  3,
  4,
  5,
  11,
  12,
  13,
  14,
  60,
  61,
  62,
  256,
  257,
  4096,
  32768,
  65536,
  65537,
  70_000,
  1 << 20,
]
const isSame = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

/** What it decodes to; that it was refused. */
function outcome({ decompress }: BlockCodec, stored: Uint8Array, size: number): string {
  try {
    return Buffer.from(decompress(stored, size)).toString('base64')
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return 'refused'
  }
}

for (const { name, native, portable } of CODECS) {
  const samples = SIZES.flatMap((size) => [
    ...SAMPLE_KINDS.map((kind) => sample(kind, size)),
    PROGRAM.subarray(0, size),
    // Repeats at distances that are just too far, and one that is not.
    Buffer.concat([PROGRAM.subarray(0, 40), noise(size), PROGRAM.subarray(0, 40), noise(3)]),
  ])

  test(`${name} without an add-on: the add-on decodes it, and the other way round`, (t) => {
    for (const bytes of samples) {
      const shown = `${bytes.length} bytes`
      t.true(isSame(native.decompress(portable.compress(bytes), bytes.length), bytes), shown)
      t.true(isSame(portable.decompress(native.compress(bytes), bytes.length), bytes), shown)
    }
    fc.assert(
      fc.property(chunks(70_000), (bytes) =>
        isSame(native.decompress(portable.compress(bytes), bytes.length), bytes),
      ),
      { numRuns: 200 },
    )
  })

  test(`${name} without an add-on: Python decodes it`, (t) => {
    const jobs = samples.map(
      (bytes): PythonJob => ({
        way: 'decompress',
        codec: name,
        bytes: portable.compress(bytes),
        size: bytes.length,
      }),
    )
    const decoded = python(jobs)
    for (const [i, bytes] of samples.entries()) t.true(isSame(decoded[i]!, bytes), `${bytes.length} bytes`)
  })

  test(`${name} without an add-on: a chunk gives the same bytes whatever came before`, (t) => {
    const first = samples.map((bytes) => Buffer.from(portable.compress(bytes)))
    for (const [i, bytes] of [...samples.entries()].reverse())
      t.true(isSame(portable.compress(bytes), first[i]!))
  })

  test(`${name} without an add-on: hardly longer than with it`, (t) => {
    for (let at = 0; at < 1 << 22; at += 1 << 18) {
      const bytes = PROGRAM.subarray(at, at + 32768)
      t.true(portable.compress(bytes).length < native.compress(bytes).length * 1.03)
    }
    t.true(portable.compress(noise(32768)).length < 32768 + 300)
  })

  test(`${name} without an add-on: damage ends as it does with it`, (t) => {
    const size = 4096
    const change = fc.tuple(fc.nat(), fc.nat(255))
    const outcomes = new Map([
      ['refused', 0],
      ['decoded', 0],
    ])
    for (const whole of [PROGRAM.subarray(0, size), sample('mixed', size), sample('text', size)].map(
      (bytes) => native.compress(bytes),
    )) {
      const judge = (stored: Uint8Array) => {
        const theirs = outcome(native, stored, size)
        t.is(outcome(portable, stored, size), theirs)
        const what = theirs === 'refused' ? theirs : 'decoded'
        outcomes.set(what, outcomes.get(what)! + 1)
      }
      const front = name === 'snappy' ? 2 : 0
      for (let end = front; end < whole.length; end++) judge(whole.subarray(0, end))
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const stored = Buffer.from(whole)
          // The length in front of snappy is judged before.
          for (const [at, byte] of changes) stored[front + (at % (stored.length - front))] = byte
          judge(stored)
        }),
        { numRuns: 1500 },
      )
    }
    for (const [what, count] of outcomes) t.true(count > 100, `${what}: ${count}`)
  })
}

test('snappy copies from far away, and lengths in more bytes than they need, are read though nobody writes them', (t) => {
  const start = noise(70_000)
  const length = start.length + 64
  const front = Buffer.from([(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14])
  const copy = Buffer.alloc(5)
  copy[0] = ((64 - 1) << 2) | 3
  copy.writeUInt32LE(start.length, 1)
  const expected = Buffer.concat([start, start.subarray(0, 64)])
  for (const size of [3, 4]) {
    const literals = Buffer.alloc(1 + size)
    literals[0] = (59 + size) << 2
    literals.writeUIntLE(start.length - 1, 1, size)
    const stored = Buffer.concat([front, literals, start, copy])
    t.true(isSame(snappy().decompress(stored, length), expected))
    t.true(isSame(snappyDecompress(stored, length), expected))
  }
})
