import test from 'ava'
import fc from 'fast-check'
import { BATCHES_ALIVE, decode } from '../../src/frames/decode.js'
import { createEncoder } from '../../src/frames/encode.js'
import type { Batch, Frame } from '../../src/frames/frame.js'
import { transmission } from './arbitrary.js'
import { bytesInput, encoded, imageOf, readAll, told } from './support.js'

const STEPS = [1, 7, 4096, undefined]

for (const step of STEPS)
  test(`any transmissions come back as they were sent, ${step ?? 'all'} bytes a read`, async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(transmission, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (list, crc) => {
          const bytes = Buffer.concat(list.map((frames) => encoded(frames, crc)))
          const { frames, refused } = await readAll(bytes, step)
          t.is(refused, undefined)
          t.deepEqual(frames, list.flat().map(told))
        },
      ),
      { numRuns: step === 1 ? 30 : 100 },
    )
  })

test('what is read is forwarded byte for byte, also as new frames and also to one who wants CRCs', async (t) => {
  await fc.assert(
    fc.asyncProperty(transmission, fc.boolean(), fc.boolean(), async (frames, crc, wanted) => {
      const bytes = encoded(frames, crc)
      const expected = encoded(frames, crc || wanted)
      const verbatim: Buffer[] = []
      const anew: Buffer[] = []
      const forwarder = createEncoder(wanted)
      const writer = createEncoder(crc || wanted)
      for await (const batch of decode(bytesInput(bytes, 100))) {
        verbatim.push(...forwarder.encode(batch).map((piece) => Buffer.from(piece)))
        anew.push(
          ...writer
            .encode(batch.map(({ raw: _, ...frame }) => frame as Frame))
            .map((piece) => Buffer.from(piece)),
        )
      }
      t.deepEqual(Buffer.concat(verbatim), expected)
      t.deepEqual(Buffer.concat(anew), expected)
    }),
  )
})

const MIB = 1 << 20

/** The decoder's slab. */
const SLAB = 2 * MIB + 4096

// 16 MiB is the largest payload.
const SIZES: Record<string, number[]> = {
  'a slab and what lies around it': [-97, -96, -49, -48, -47, -1, 0, 1, 48].map((more) => SLAB + more),
  'half a slab more than a slab': [-97, -96, -48, 0].map((more) => 1.5 * SLAB + more),
  'the largest payloads': [16 * MIB, 1, 16 * MIB, 16 * MIB, 16 * MIB - 1],
  'ever larger, then small again': [1, 2, 4, 8, 16, 1, 1, 1, 1, 1, 1, 1, 1].map((size) => size * MIB),
  'many of 1 MiB': new Array(24).fill(MIB),
  'many small ones': new Array(3000).fill(5000),
}
for (const [what, sizes] of Object.entries(SIZES))
  for (const step of [64 << 10, MIB, undefined])
    test(`views stay intact for as many batches as promised: ${what}, ${step ?? 'all'} bytes a read`, async (t) => {
      const sent = imageOf(sizes)
      const alive: { frame: Frame; copy: Buffer }[][] = []
      let count = 0
      let intact = true
      for await (const batch of decode(bytesInput(encoded(sent), step))) {
        for (const frame of batch) {
          const original = sent[count++]!
          if (frame.type === 'data' && original.type === 'data')
            intact &&= Buffer.compare(frame.payload, original.payload) === 0
          else t.is(told(frame), told(original))
        }
        alive.push(batch.filter(({ raw }) => raw).map((frame) => ({ frame, copy: Buffer.from(frame.raw!) })))
        for (const kept of alive) for (const { frame, copy } of kept) intact &&= copy.equals(frame.raw!)
        if (alive.length > BATCHES_ALIVE) alive.shift()
      }
      t.is(count, sent.length)
      t.true(intact)
    })

test('a reader that asks for longer lives gets them', async (t) => {
  const sent = imageOf(new Array(40).fill(MIB))
  const alive: Buffer[][] = []
  for await (const batch of decode(bytesInput(encoded(sent), MIB), 8))
    alive.push(batch.flatMap((frame) => (frame.type === 'data' ? [frame.payload as Buffer] : [])))
  const expected = sent.flatMap((frame) => (frame.type === 'data' ? [frame.payload] : []))
  const last = alive.slice(-9).flat()
  t.true(last.every((payload, index) => payload.equals(expected[expected.length - last.length + index]!)))
})

test('a thousand transmissions, one behind the other', async (t) => {
  const one = encoded(imageOf([10]))
  let ends = 0
  for await (const batch of decode(bytesInput(Buffer.concat(new Array(1000).fill(one)), 5000)))
    for (const frame of batch)
      if (frame.type === 'end' && frame.raw && frame.body.status === 'complete') ends++
  t.is(ends, 1000)
})

test('neighbours in memory leave as one piece', async (t) => {
  const bytes = encoded(imageOf(new Array(50).fill(1000)))
  const batches: Batch[] = []
  for await (const batch of decode(bytesInput(bytes))) batches.push(batch)
  const encoder = createEncoder()
  t.true(batches.flatMap((batch) => encoder.encode(batch)).length <= 2, 'all but END, and END')
})
