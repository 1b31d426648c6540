import zlib from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import { CodecError } from '../../src/codecs/codec-error.js'
import { deflate, deflateOnce, inflate, inflateOnce } from '../../src/codecs/zlib-codec.js'
import { openZlibState } from '../../src/codecs/zlib-state.js'
import { chunks, SAMPLE_KINDS, sample } from './samples.js'

/** The bytes, or that it was refused. */
function outcome(decode: () => Uint8Array): string {
  try {
    return Buffer.from(decode()).toString('base64')
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return 'refused'
  }
}

test('one state used again and again deflates as a new one does', (t) => {
  const small = (length: number) => fc.uint8Array({ minLength: length, maxLength: length, max: 3 })
  const large = (length: number) => fc.constantFrom(...SAMPLE_KINDS).map((kind) => sample(kind, length))
  const few = fc.oneof(
    fc.integer({ min: 1, max: 600 }).chain((length) => fc.array(small(length), { maxLength: 9 })),
    fc.integer({ min: 1, max: 200_000 }).chain((length) => fc.array(large(length), { maxLength: 4 })),
  )
  fc.assert(
    fc.property(few, fc.integer({ min: 1, max: 9 }), (inputs, level) => {
      for (const bytes of inputs)
        t.true(Buffer.from(deflate(bytes, level)).equals(Buffer.from(deflateOnce(bytes, level))))
    }),
    { numRuns: 200 },
  )
})

for (const [format, encode] of [
  ['zlib', zlib.deflateSync],
  ['deflate', zlib.deflateRawSync],
] as const)
  test(`one state used again and again inflates ${format} as a new one does, after damage too`, (t) => {
    const flip = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(chunks(5000), fc.array(flip, { maxLength: 3 }), fc.nat(6000), (bytes, flips, limit) => {
        const stored = Buffer.from(encode(bytes))
        for (const [at, bits] of flips) stored[at % stored.length]! ^= bits
        const [again, anew] = [inflate, inflateOnce].map((way) => outcome(() => way(format, stored, limit)))
        t.is(again, anew)
        t.is(
          outcome(() => inflate(format, encode(bytes), 5000)),
          Buffer.from(bytes).toString('base64'),
        )
      }),
      { numRuns: 1000 },
    )
  })

test('this Node has states that can be used again', (t) => {
  const input = Buffer.from('pmem')
  t.truthy(openZlibState(zlib.createInflate, { input: zlib.deflateSync(input), output: input }))
  t.truthy(openZlibState(zlib.createDeflate, { input, output: zlib.deflateSync(input) }))
})

test('a state that does not do what is expected of it is not used', (t) => {
  const input = Buffer.from('pmem')
  t.is(
    openZlibState(zlib.createInflate, { input: zlib.deflateSync(input), output: Buffer.from('pmen') }),
    undefined,
  )
  t.is(openZlibState(zlib.createInflate, { input, output: input }), undefined)
  t.is(
    openZlibState(() => ({}) as zlib.Inflate, { input, output: input }),
    undefined,
  )
})
