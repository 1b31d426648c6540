import test from 'ava'
import fc from 'fast-check'
import type { Frame } from '../../src/frames/frame.js'
import { FrameError } from '../../src/frames/frame-error.js'
import { encodeHeader, HEADER_SIZE } from '../../src/frames/header.js'
import { transmission } from './arbitrary.js'
import { encoded, encodedOneByOne, imageOf, readAll, told } from './support.js'

const small: Frame[] = imageOf([40, 300, 1])
small.splice(
  2,
  0,
  { type: 'meta', stream: 1, time: 0n, turtle: '<> <urn:p> "é" .' },
  { type: 'note', stream: 1, time: 0n, body: { level: 'info', program: 'p', message: 'm' } },
)

const isOurs = (frame: string) => frame.startsWith('(')
const isComplete = (frame: string) => frame.includes('type: "end"') && frame.includes('"complete"')

for (const step of [1, 13, undefined])
  test(`cut anywhere, what is left is told unchanged and never complete, ${step ?? 'all'} bytes a read`, async (t) => {
    const bytes = encoded(small)
    const sent = small.map(told)
    for (let cut = 0; cut < bytes.length; cut++) {
      const { frames, refused } = await readAll(bytes.subarray(0, cut), step)
      t.is(refused, undefined)
      t.is(frames.at(-1), '(end truncated)')
      const real = frames.filter((frame) => !isOurs(frame))
      t.deepEqual(real, sent.slice(0, real.length))
      t.is(frames.filter((frame) => frame === '(end truncated)').length, 1)
    }
  })

test('what never was frames is refused with a word about where they come from, however short it is', async (t) => {
  for (const length of [1, 3, 4, 47, 48, 100_000]) {
    const { frames, refused } = await readAll(Buffer.alloc(length, 'root:x:0:0:'), 1000)
    t.true(refused instanceof FrameError)
    t.regex((refused as FrameError).message, /^not frames/)
    t.regex((refused as FrameError).hint ?? '', /file-cat/)
    t.deepEqual(frames, [])
  }
})

test('frames that a shell took for text are refused with a word about such shells', async (t) => {
  // Windows PowerShell splits into lines and writes ASCII.
  const text = encoded(small)
    .toString('latin1')
    .split('\n')
    .join('\r\n')
    .replace(/[\x80-\xff]/g, '?')
  for (const mark of ['', '\ufeff']) {
    const { frames, refused } = await readAll(Buffer.from(`${mark}${text}`))
    t.true(refused instanceof FrameError)
    t.regex((refused as FrameError).message, /^damaged frames/)
    t.regex((refused as FrameError).hint ?? '', /PowerShell/)
    t.deepEqual(frames, [])
  }
})

test('a frame cut off is missed: all that were whole before the last whole header are told', async (t) => {
  const each = encodedOneByOne(small)
  const bytes = Buffer.concat(each)
  let begins = 0
  for (const [index, frame] of each.entries()) {
    const { frames } = await readAll(bytes.subarray(0, begins + HEADER_SIZE))
    t.is(frames.filter((frame) => !isOurs(frame)).length, index)
    begins += frame.length
  }
})

test('the first transmission killed anywhere, the second is told whole', async (t) => {
  const first = imageOf([700, 100])
  const second = imageOf([250])
  const bytes = encoded(first)
  const tail = encoded(second)
  const borders = endsOf(second).slice(0, -1)
  // An input whose very first header is damaged is refused as something else.
  for (let cut = HEADER_SIZE; cut < bytes.length; cut++) {
    const { frames, refused } = await readAll(Buffer.concat([bytes.subarray(0, cut), tail]), 4096)
    const begun = endsOf(first).findLast((end) => end <= cut) ?? 0
    const missing = endsOf(first).find((end) => end > cut)! - cut
    if (cut - begun >= HEADER_SIZE && borders.includes(missing)) {
      // The frame cut off ends where a header of the second stands, so it seems whole. What follows betrays it.
      t.true(refused instanceof FrameError, `cut at ${cut}`)
      t.false(frames.some(isComplete), `cut at ${cut}`)
    } else {
      t.is(refused, undefined, `cut at ${cut}`)
      const mark = frames.indexOf('(end truncated)')
      const before = frames.slice(0, mark).filter((frame) => !isOurs(frame))
      t.deepEqual(before, first.map(told).slice(0, before.length), `cut at ${cut}`)
      t.deepEqual(frames.slice(mark + 1), second.map(told), `cut at ${cut}`)
    }
  }
})

/** Where each frame ends in what a writer sends. */
function endsOf(frames: Frame[]): number[] {
  let end = 0
  return encodedOneByOne(frames).map((bytes) => {
    end += bytes.length
    return end
  })
}

test('a flipped bit never passes for a complete transmission, but in the bytes of DATA', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      transmission,
      fc.nat(),
      fc.constantFrom(1, 7, undefined),
      async (frames, where, step) => {
        const bytes = encoded(frames)
        const bit = where % (bytes.length * 8)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        const reading = await readAll(bytes, step)
        t.true(reading.refused === undefined || reading.refused instanceof FrameError)
        if (reading.frames.at(-1)?.includes('type: "end"'))
          t.deepEqual(reading.frames.map(withoutPayload), frames.map(told).map(withoutPayload))
      },
    ),
    { numRuns: 1000 },
  )
})

const withoutPayload = (frame: string) => frame.replace(/payload: [0-9a-f]*/, '')

test('every single bit of a small transmission: flipped, it is refused, truncated, or in the bytes of DATA', async (t) => {
  const bytes = encoded(small)
  const sent = small.map(told).map(withoutPayload)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    const { frames, refused } = await readAll(bytes)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    if (refused) t.true(refused instanceof FrameError, `bit ${bit}`)
    else if (isOurs(frames.at(-1)!)) t.is(frames.at(-1), '(end truncated)', `bit ${bit}`)
    else t.deepEqual(frames.map(withoutPayload), sent, `bit ${bit}`)
  }
})

test('a run of damage is said once, and what follows it is told', async (t) => {
  const whole = encoded(small)
  const bad = Buffer.concat([encoded([small[0]!]).subarray(0, 60)])
  const { frames } = await readAll(Buffer.concat([whole, bad, bad, bad, Buffer.from('PMF1PMF1'), bad, whole]))
  const ends = frames.flatMap((frame) => (isOurs(frame) ? [frame] : isComplete(frame) ? ['complete'] : []))
  // The END before the damage does not count: the header behind it belongs to START, so it does here.
  t.deepEqual(ends, ['complete', '(start)', '(end truncated)', 'complete'])
})

test('the CLOSE that a reader puts in tells how many bytes counted', async (t) => {
  const frames = imageOf([1000, 500, 10])
  const { frames: read } = await readAll(encoded(frames).subarray(0, endsOf(frames)[4]! - 1))
  t.deepEqual(read.slice(-2), ['(close failed 1500)', '(end truncated)'])
})

test('random bytes: refused at the start, or truncation', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(1, 13, undefined),
      async (array, step) => {
        const { frames, refused } = await readAll(Buffer.from(array), step)
        if (refused) t.true(refused instanceof FrameError && frames.length === 0)
        else t.deepEqual(frames, ['(start)', '(end truncated)'])
      },
    ),
    { numRuns: 300 },
  )
})

const anyHeader = fc.record({
  type: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 255 })),
  codec: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 255 })),
  flags: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 0xffff })),
  stream: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 0xffffffff })),
  payloadLength: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 0xffffffff })),
  offset: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  length: fc.oneof(fc.bigInt({ min: 0n, max: 70n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })),
  time: fc.constant(0n),
  payloadCrc: fc.integer({ min: 0, max: 0xffffffff }),
})

test('headers with a CRC that holds and any fields, anywhere: a FrameError or truncation, never more', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          anyHeader,
          fc.oneof(
            fc.uint8Array({ maxLength: 70 }),
            fc.json().map((text) => Buffer.from(text)),
          ),
        ),
        {
          maxLength: 4,
        },
      ),
      fc.integer({ min: 0, max: small.length }),
      fc.constantFrom(11, undefined),
      async (hostile, after, step) => {
        const parts = encodedOneByOne(small)
        const pieces = hostile.map(([fields, payload]) => {
          const bytes = Buffer.alloc(HEADER_SIZE)
          encodeHeader(fields, bytes, 0)
          return Buffer.concat([bytes, payload])
        })
        const bytes = Buffer.concat([...parts.slice(0, after), ...pieces, ...parts.slice(after)])
        const { frames, refused } = await readAll(bytes, step)
        t.true(refused === undefined || refused instanceof FrameError, String(refused))
        if (hostile.length > 0 && after > 0 && after < small.length) t.false(frames.some(isComplete))
      },
    ),
    { numRuns: 500 },
  )
})
