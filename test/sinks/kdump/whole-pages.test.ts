import test from 'ava'
import fc from 'fast-check'
import { fillSymbolic, type SymbolicContent } from '../../../src/formats/aff4/symbolic.js'
import { FormatError } from '../../../src/formats/format-error.js'
import type { PageJobs } from '../../../src/sinks/kdump/page-jobs.js'
import { wholePages } from '../../../src/sinks/kdump/whole-pages.js'

const PAGE = 64
const ROOM = 4

/** Takes pages as jobs do, with room for few of them. */
function collectPages(): PageJobs & { readonly pages: Map<number, Buffer>; readonly order: number[] } {
  const slab = Buffer.alloc(ROOM * PAGE, 0xee)
  const pages = new Map<number, Buffer>()
  const order: number[] = []
  let used = 0
  const take = (page: number, bytes: Buffer) => {
    if (pages.has(page)) throw new Error(`page ${page} twice`)
    pages.set(page, bytes)
    order.push(page)
  }
  return {
    pages,
    order,
    page: () => slab.subarray(used * PAGE),
    get room() {
      return ROOM - used
    },
    async add(first, count) {
      for (let i = 0; i < count; i++)
        take(first + i, Buffer.from(slab.subarray((used + i) * PAGE, (used + i + 1) * PAGE)))
      used = (used + count) % ROOM
      if (used === 0) slab.fill(0xee)
    },
    addZeros(first, count) {
      for (let i = 0; i < count; i++) take(first + i, Buffer.alloc(PAGE))
    },
    async settle() {},
    async close() {},
  }
}

interface Piece {
  readonly gap: number
  readonly length: number
  readonly content: 'data' | SymbolicContent
}

const length = fc.oneof(fc.nat(3 * PAGE), fc.constantFrom(PAGE, 2 * PAGE, 7 * PAGE, PAGE / 2))
const pieces: fc.Arbitrary<Piece[]> = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(0), length),
    length: length.map((size) => size + 1),
    content: fc.constantFrom<Piece['content'][]>('data', 'data', 'zero', 'unreadable', 'unknown', 7),
  }),
  { minLength: 1, maxLength: 12 },
)

test('pages of which something came are whole, the rest of them told; the others are left out', async (t) => {
  await fc.assert(
    fc.asyncProperty(pieces, async (made) => {
      const memory = Buffer.alloc(12 * 12 * PAGE)
      const came = new Uint8Array(memory.length)
      const jobs = collectPages()
      const whole = wholePages(jobs, PAGE)
      let at = 0
      for (const [i, { gap, length, content }] of made.entries()) {
        at += gap
        const place = memory.subarray(at, at + length)
        if (content === 'data') place.fill(i + 100)
        else fillSymbolic(content, BigInt(at), place)
        came.fill(content === 'unreadable' || content === 'unknown' ? 2 : 1, at, at + length)
        if (content === 'data') await whole.put(BigInt(at), Buffer.from(place))
        else await whole.fill(BigInt(at), BigInt(length), content)
        at += length
      }
      await whole.end()
      let padded = false
      for (let page = 0; page * PAGE < memory.length; page++) {
        const states = came.subarray(page * PAGE, (page + 1) * PAGE)
        const found = jobs.pages.get(page)
        t.is(found !== undefined, states.includes(1), `page ${page}`)
        if (found) t.deepEqual(found, memory.subarray(page * PAGE, (page + 1) * PAGE), `page ${page}`)
        padded ||= found !== undefined && states.includes(0)
      }
      t.is(whole.padded, padded)
      t.deepEqual(
        jobs.order,
        jobs.order.toSorted((a, b) => a - b),
      )
    }),
    { numRuns: 500 },
  )
})

test('whole pages may come in any order, but not the parts of one', async (t) => {
  const jobs = collectPages()
  const whole = wholePages(jobs, PAGE)
  await whole.put(256n, Buffer.alloc(3 * PAGE, 'b'))
  await whole.put(0n, Buffer.alloc(PAGE + 10, 'a'))
  await whole.put(512n, Buffer.alloc(PAGE, 'c'))
  t.deepEqual(jobs.order, [4, 5, 6, 0, 1, 8])
  await t.throwsAsync(async () => whole.put(100n, Buffer.alloc(10)), {
    instanceOf: FormatError,
    message: /parts of page 0x40/,
  })
})
