import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../src/formats/format-error.js'
import type { Frame } from '../../src/frames/frame.js'
import {
  type ReadBytes,
  type Span,
  spansToFrames,
  type Tally,
} from '../../src/sources/address-space-frames.js'

const PAGE = 4096
const MIB = 0x100000n

/** The frames with payloads copied: they are valid for a short while only. */
async function collect(
  spans: Iterable<Span>,
  read: ReadBytes,
  pageSize = PAGE,
): Promise<{ frames: Frame[]; tally: Tally; batches: number }> {
  const frames: Frame[] = []
  const evidence = spansToFrames({ stream: 7, spans, read, pageSize, program: 'test' })
  for (let batches = 1; ; batches++) {
    const next = await evidence.next()
    if (next.done) return { frames, tally: next.value, batches }
    for (const frame of next.value)
      frames.push(frame.type === 'data' ? { ...frame, payload: Uint8Array.from(frame.payload) } : frame)
  }
}

/** What the frames say, with holes joined that only the clock put into two batches. */
function shape(frames: Frame[]): unknown[][] {
  const shapes: unknown[][] = []
  let last: Frame | undefined
  for (const frame of frames) {
    if (frame.type === 'note') shapes.push(['note', frame.body.message, frame.body.offset, frame.body.length])
    else if (frame.type === 'data') shapes.push(['data', frame.offset, frame.length])
    else if (frame.type === 'fill') {
      if (last?.type === 'fill' && last.fill === frame.fill && last.offset + last.length === frame.offset)
        shapes.pop()
      else last = undefined
      const start: bigint = last?.type === 'fill' ? last.offset : frame.offset
      const length = frame.offset + frame.length - start
      shapes.push([frame.fill, start, length])
      last = { ...frame, offset: start, length }
      continue
    }
    last = frame
  }
  return shapes
}

const eio = () => Object.assign(new Error('EIO: i/o error, read'), { errno: -5, code: 'EIO' })

/** A memory in which every byte is its page's number, with pages that fail. */
function memory(
  bad: ReadonlySet<bigint> = new Set(),
  how: 'throw' | 'short' | 'partial' = 'throw',
): ReadBytes {
  return (address, length, slab) => {
    let got = 0
    while (got < length) {
      const page = (address + BigInt(got)) / BigInt(PAGE)
      if (bad.has(page)) break
      const end = Math.min(length, got + PAGE - Number((address + BigInt(got)) % BigInt(PAGE)))
      slab.fill(Number(page % 255n) + 1, got, end)
      got = end
    }
    if (got < length && (how === 'throw' || (how === 'partial' && got === 0))) throw eio()
    return slab.subarray(0, got)
  }
}

test('reads end at multiples of 1 MiB, so that chunks need not straddle frames', async (t) => {
  const { frames, tally } = await collect([{ start: 0x1000n, length: 2n * MIB }], memory())
  t.deepEqual(shape(frames), [
    ['data', 0x1000n, MIB - 0x1000n],
    ['data', MIB, MIB],
    ['data', 2n * MIB, 0x1000n],
  ])
  t.deepEqual(tally, { covered: 2n * MIB, read: 2n * MIB, unreadable: 0n })
})

for (const how of ['throw', 'short', 'partial'] as const)
  test(`a bad page costs only itself and one note (${how})`, async (t) => {
    const bad = new Set([3n, 4n, 9n])
    const { frames, tally } = await collect([{ start: 0x1000n, length: 0xa000n }], memory(bad, how))
    const why = how === 'short' ? 'no bytes there' : 'input/output error'
    t.deepEqual(shape(frames), [
      ['data', 0x1000n, 0x2000n],
      ['unreadable', 0x3000n, 0x2000n],
      ['data', 0x5000n, 0x4000n],
      ['note', `unreadable: ${why}`, '0x3000', '0x2000'],
      ['unreadable', 0x9000n, 0x1000n],
      ['data', 0xa000n, 0x1000n],
      ['note', `unreadable: ${why}`, '0x9000', '0x1000'],
    ])
    t.is(tally.unreadable, 0x3000n)
    t.is(tally.read, 0x7000n)
  })

test('a bad range over many blocks is one note', async (t) => {
  const bad = new Set(Array.from({ length: 700 }, (_, i) => BigInt(i + 100)))
  const { frames } = await collect([{ start: 0n, length: 4n * MIB }], memory(bad))
  t.deepEqual(
    shape(frames).filter(([kind]) => kind === 'note'),
    [['note', 'unreadable: input/output error', '0x64000', '0x2bc000']],
  )
})

test('a block of zeros is a hole that reads as zeros; a few zeros are data', async (t) => {
  const read: ReadBytes = (address, length, slab) => {
    slab.fill(0)
    if (address >= 2n * MIB) slab[length - 1] = 1
    return slab.subarray(0, length)
  }
  const { frames, tally } = await collect([{ start: 0n, length: 3n * MIB }], read)
  t.deepEqual(shape(frames), [
    ['zero', 0n, 2n * MIB],
    ['data', 2n * MIB, MIB],
  ])
  t.is(tally.read, 3n * MIB)
})

test('zeros from a source that gives them instead of an error are unreadable', async (t) => {
  const read: ReadBytes = (address, length, slab) => slab.fill(address === 0n ? 0 : 5).subarray(0, length)
  const { frames, tally } = await collect([{ start: 0n, length: 2n * MIB, zerosAreUnreadable: true }], read)
  t.deepEqual(shape(frames), [
    ['unreadable', 0n, MIB],
    ['data', MIB, MIB],
  ])
  t.deepEqual([tally.read, tally.unreadable], [MIB, MIB])
})

test('what is known beforehand is not read', async (t) => {
  const spans: Span[] = [
    { start: 0n, length: 1n << 40n, fill: 'unknown', note: { level: 'info', message: 'a device' } },
    { start: 1n << 40n, length: 0x1000n, fill: 'unreadable' },
    { start: 0xffffffffff600000n, length: 0x1000n, fill: 'zero' },
  ]
  const { frames, tally } = await collect(spans, () => t.fail() as never)
  t.deepEqual(shape(frames), [
    ['unknown', 0n, 1n << 40n],
    ['note', 'a device', '0x0', '0x10000000000'],
    ['unreadable', 1n << 40n, 0x1000n],
    ['zero', 0xffffffffff600000n, 0x1000n],
  ])
  t.deepEqual(tally, { covered: (1n << 40n) + 0x2000n, read: 0n, unreadable: 0x1000n })
})

test('a source that is over does not cost a read for every page it lacks', async (t) => {
  let reads = 0
  const read: ReadBytes = (address, length, slab) => {
    reads++
    const left = 0x5800n - address
    return left <= 0n
      ? slab.subarray(0, 0)
      : slab.fill(1).subarray(0, left < BigInt(length) ? Number(left) : length)
  }
  const { frames, tally } = await collect([{ start: 0n, length: 1n << 50n }], read)
  t.deepEqual(shape(frames), [
    ['data', 0n, 0x5800n],
    ['unreadable', 0x5800n, (1n << 50n) - 0x5800n],
    ['note', 'unreadable: no bytes there', '0x5800', '0x3ffffffffa800'],
  ])
  t.is(tally.covered, 1n << 50n)
  t.true(reads < 1000)
})

test('a page without bytes at either end of a span does not condemn what lies between', async (t) => {
  const { frames } = await collect([{ start: 0n, length: 3n * MIB }], memory(new Set([0n, 767n]), 'short'))
  t.deepEqual(
    shape(frames).filter(([kind]) => kind === 'unreadable'),
    [
      ['unreadable', 0n, 0x1000n],
      ['unreadable', 0x2ff000n, 0x1000n],
    ],
  )
})

test('notes do not outgrow the evidence', async (t) => {
  const bad = new Set(Array.from({ length: 1500 }, (_, i) => BigInt(2 * i + 1)))
  const { frames, tally } = await collect([{ start: 0n, length: 0x1000n * 3001n }], memory(bad))
  const notes = frames.filter((frame) => frame.type === 'note')
  t.is(notes.length, 1000)
  t.regex(notes.at(-1)!.body.message, /further ranges stand only as FILL/)
  t.is(tally.unreadable, 1500n * 0x1000n)
})

test('small spans share a batch', async (t) => {
  const spans = Array.from({ length: 200 }, (_, i) => ({ start: BigInt(i) * 0x2000n, length: 0x1000n }))
  const { frames, batches } = await collect(spans, memory())
  t.is(frames.length, 200)
  t.true(batches < 20, `${batches} batches`)
})

test('a reader with memory of its own is not copied from', async (t) => {
  const own = Buffer.alloc(0x3000, 9)
  const evidence = spansToFrames({
    stream: 1,
    spans: [{ start: 0n, length: 0x3000n }],
    read: async (address, length) => own.subarray(Number(address), Number(address) + length),
    pageSize: PAGE,
    program: 'test',
  })
  const { value } = await evidence.next()
  const [frame] = value as Frame[]
  t.true(
    frame?.type === 'data' &&
      frame.payload.buffer === own.buffer &&
      frame.payload.byteOffset === own.byteOffset,
  )
})

test('damage that a format finds is unreadable, a fault of the program is not', async (t) => {
  const damaged: ReadBytes = (address, length, slab) => {
    if (address + BigInt(length) > 0x1000n) throw new FormatError('chunk 1 is damaged')
    return slab.fill(1).subarray(0, length)
  }
  const { frames } = await collect([{ start: 0n, length: 0x2000n }], damaged)
  t.deepEqual(shape(frames), [
    ['data', 0n, 0x1000n],
    ['unreadable', 0x1000n, 0x1000n],
    ['note', 'unreadable: chunk 1 is damaged', '0x1000', '0x1000'],
  ])
  await t.throwsAsync(
    collect([{ start: 0n, length: 1n }], () => {
      throw new TypeError('a mistake')
    }),
    { instanceOf: TypeError },
  )
})

test('payloads stay whole while two more batches are made', async (t) => {
  const evidence = spansToFrames({
    stream: 1,
    spans: [{ start: 0n, length: 12n * MIB }],
    read: memory(),
    pageSize: PAGE,
    program: 'test',
  })
  const alive: { frames: Frame[]; first: number }[] = []
  for (;;) {
    const { value, done } = await evidence.next()
    if (done) break
    for (const { frames, first } of alive)
      t.is(frames[0]?.type === 'data' ? frames[0].payload[0] : undefined, first)
    alive.push({ frames: value, first: value[0]?.type === 'data' ? value[0].payload[0]! : -1 })
    if (alive.length > 2) alive.shift()
  }
})

test.serial('a long reading gives signals their turn', async (t) => {
  let turns = 0
  const timer = setInterval(() => turns++, 5)
  const slow: ReadBytes = (_address, length, slab) => {
    const until = performance.now() + 10
    while (performance.now() < until);
    return slab.fill(1).subarray(0, length)
  }
  await collect([{ start: 0n, length: 30n * MIB }], slow)
  clearInterval(timer)
  t.true(turns >= 4, `${turns} turns`)
})

test('whatever fails, frames cover the spans in order and hold the right bytes', async (t) => {
  const span = fc.record({
    gap: fc.nat(5),
    pages: fc.integer({ min: 1, max: 700 }),
    fill: fc.constantFrom(undefined, 'unknown' as const),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(span, { maxLength: 4 }),
      fc.uniqueArray(fc.bigInt(0n, 1500n), { maxLength: 30 }),
      fc.constantFrom('throw' as const, 'short' as const, 'partial' as const),
      async (shapes, badPages, how) => {
        let at = 0n
        const spans = shapes.map(({ gap, pages, fill }): Span => {
          const start = at + BigInt(gap * PAGE)
          at = start + BigInt(pages * PAGE)
          return { start, length: at - start, ...(fill && { fill }) }
        })
        const bad = new Set(badPages)
        const { frames, tally } = await collect(spans, memory(bad, how))
        let next = 0n
        let covered = 0n
        for (const frame of frames) {
          if (frame.type === 'note') continue
          if (frame.type !== 'data' && frame.type !== 'fill') return t.fail()
          t.true(frame.offset >= next)
          next = frame.offset + frame.length
          covered += frame.length
          for (let page = frame.offset / BigInt(PAGE); page * BigInt(PAGE) < next; page++) {
            const inside = Number(page * BigInt(PAGE) - frame.offset)
            if (frame.type === 'data') {
              t.false(bad.has(page))
              t.is(frame.payload[inside], Number(page % 255n) + 1)
              t.is(frame.payload[inside + PAGE - 1], Number(page % 255n) + 1)
            } else if (frame.fill === 'unreadable') t.true(bad.has(page))
          }
        }
        t.is(
          covered,
          spans.reduce((sum, { length }) => sum + length, 0n),
        )
        t.is(tally.covered, covered)
      },
    ),
    { numRuns: 50 },
  )
})
