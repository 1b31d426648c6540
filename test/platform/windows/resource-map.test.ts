import test from 'ava'
import fc from 'fast-check'
import { FormatError } from '../../../src/formats/format-error.js'
import { decodePhysicalMemory } from '../../../src/platform/windows/resource-map.js'
import { type Resource, resourceList } from './resources.js'

const MEMORY = 3

for (const size of [20, 16] as const) {
  test(`descriptors of ${size} bytes: memory, large memory, and what is no memory`, (t) => {
    const resources: Resource[] = [
      { type: MEMORY, flags: 0, start: 0x1000n, length: 0x9e000 },
      { type: 1, flags: 0, start: 0x3f8n, length: 8 },
      { type: 7, flags: 0x200, start: 0x100000000n, length: 0x02000000 },
      { type: 7, flags: 0x400, start: 0x1000000000n, length: 0x00200000 },
      { type: 7, flags: 0x800, start: 0x100000000000n, length: 2 },
    ]
    t.deepEqual(decodePhysicalMemory(resourceList([resources], size)), [
      { start: 0x1000n, length: 0x9e000n },
      { start: 0x100000000n, length: 0x2_0000_0000n },
      { start: 0x1000000000n, length: 0x20_0000_0000n },
      { start: 0x100000000000n, length: 0x2_0000_0000n },
    ])
  })

  test(`lists of ${size} bytes a descriptor: several buses, unsorted, touching, parts of pages`, (t) => {
    const memory = (start: bigint, length: number): Resource => ({ type: MEMORY, flags: 0, start, length })
    const lists = [[memory(0x200000n, 0x100000)], [], [memory(0x100000n, 0x100000), memory(0x1800n, 0x1900)]]
    t.deepEqual(decodePhysicalMemory(resourceList(lists, size)), [
      { start: 0x2000n, length: 0x1000n },
      { start: 0x100000n, length: 0x200000n },
    ])
  })
}

test('what is no list, has no memory, or overlaps is refused', (t) => {
  const one = resourceList([[{ type: MEMORY, flags: 0, start: 0x1000n, length: 0x1000 }]], 20)
  const refused = (bytes: Buffer, words: RegExp) =>
    t.throws(() => decodePhysicalMemory(bytes), { instanceOf: FormatError, message: words })
  refused(Buffer.alloc(0), /cut/)
  refused(one.subarray(0, 30), /cut/)
  refused(Buffer.concat([one, Buffer.alloc(1)]), /cut/)
  refused(resourceList([[]], 20), /no memory/)
  refused(resourceList([[{ type: 7, flags: 0, start: 0n, length: 1 }]], 20), /without its unit/)
  const twice: Resource = { type: MEMORY, flags: 0, start: 0x1000n, length: 0x2000 }
  refused(resourceList([[twice, twice]], 20), /overlap at 0x1000/)
})

test('any bytes end in ranges or in words', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, likely) => {
      if (likely && bytes.length >= 20) bytes.set([1, 0, 0, 0], 0)
      try {
        t.true(decodePhysicalMemory(bytes).length > 0)
      } catch (error) {
        t.true(error instanceof FormatError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})
