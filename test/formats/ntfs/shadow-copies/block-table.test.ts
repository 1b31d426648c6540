import test from 'ava'
import fc from 'fast-check'
import { createBlockTable, NO_BLOCK } from '../../../../src/formats/ntfs/shadow-copies/block-table.js'
import { createOverlays } from '../../../../src/formats/ntfs/shadow-copies/overlays.js'

const anyKey = fc.oneof(fc.nat(40), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2))

test('a table has the last value of each key, in whatever order it is asked', (t) => {
  const anyEntry = fc.tuple(anyKey, fc.oneof(fc.nat(1000), fc.constant(NO_BLOCK)))
  fc.assert(
    fc.property(
      fc.array(anyEntry, { maxLength: 60 }),
      fc.array(anyKey, { maxLength: 60 }),
      (entries, asked) => {
        const table = createBlockTable(
          Uint32Array.from(entries, ([key]) => key),
          Uint32Array.from(entries, ([, value]) => value),
        )
        const expected = new Map(entries)
        for (const key of [...asked, ...asked.sort((a, b) => a - b)])
          t.is(table.get(key), expected.get(key) ?? NO_BLOCK)
        t.is(table.size, [...expected.values()].filter((value) => value !== NO_BLOCK).length)
      },
    ),
  )
})

test('of each piece of a block the last overlay counts, and one block has 32 at most', (t) => {
  const anyEntry = fc.tuple(fc.nat(5), fc.nat(1000), fc.integer())
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 200 }), (entries) => {
      const overlays = createOverlays(
        Uint32Array.from(entries, ([key]) => key),
        Uint32Array.from(entries, ([, block]) => block),
        Uint32Array.from(entries, ([, , bits]) => bits >>> 0),
      )
      for (const key of [3, 0, 1, 2, 5, 4]) {
        const expected = new Map<number, number>()
        for (const [own, block, bits] of entries)
          if (own === key)
            for (let piece = 0; piece < 32; piece++) if ((bits >>> piece) & 1) expected.set(piece, block)
        const found: [number, number][] = []
        let calls = 0
        overlays.pieces(key, (block, bits) => {
          calls++
          for (let piece = 0; piece < 32; piece++) if ((bits >>> piece) & 1) found.push([piece, block])
        })
        t.true(calls <= 32)
        const inOrder = (pieces: Iterable<[number, number]>) => [...pieces].sort(([a], [b]) => a - b)
        t.deepEqual(inOrder(found), inOrder(expected))
      }
    }),
  )
})
