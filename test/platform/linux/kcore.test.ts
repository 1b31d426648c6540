import test from 'ava'
import fc from 'fast-check'
import type { Run } from '../../../src/formats/address-space.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { parseIomem, ramRuns, systemRam } from '../../../src/platform/linux/iomem.js'
import {
  directMap,
  imageBase,
  type KcoreSegment,
  kernelImage,
  locate,
  readKcoreHeaders,
  readKcoreNotes,
  segmentRuns,
} from '../../../src/platform/linux/kcore.js'
import { BOOTS, coverage, craftKcore, fixture, iomemOf, type Load, readerOf, run } from './fixture.js'

const NONE = 2n ** 64n - 1n
const kcoreOf = (boot: string) => readKcoreHeaders(readerOf(fixture(`${boot}.kcore`)))
const ramOf = (boot: string) => ramRuns(systemRam(parseIomem(iomemOf(boot))), 0x1000n)
const crafted = (loads: Load[], machine?: number) => readKcoreHeaders(readerOf(craftKcore(loads, machine)))

for (const boot of BOOTS)
  test(`every page of RAM has its place in a real kcore: ${boot}`, async (t) => {
    const kcore = await kcoreOf(boot)
    const segments = directMap(kcore, ramOf(boot))
    const { pieces, missing } = locate(ramOf(boot), segments)
    t.deepEqual(missing, [])
    t.deepEqual(coverage(pieces), coverage(ramOf(boot)))
    t.deepEqual(coverage(segmentRuns(segments)), coverage(ramOf(boot)), 'kcore alone tells the same')
  })

test('the kernel image, a second view of RAM, is left out', async (t) => {
  const kcore = await kcoreOf('l5')
  const image = kernelImage(kcore)!
  t.is(image.virtual, 0xffffffffade00000n)
  t.is(image.physical, 0xaa00000n)
  t.is(imageBase(image), -591396864n)
  t.false(directMap(kcore, []).includes(image))
  t.is(kernelImage({ ...kcore, machine: 183 }), undefined)
})

test('file offsets above 2^53 are exact', async (t) => {
  const { pieces } = locate([run(0x100000n, 0x101000n)], directMap(await kcoreOf('l5'), []))
  t.deepEqual(pieces, [{ start: 0x100000n, length: 0x1000n, fileOffset: 0x49dbdd40104000n }])
  t.true(pieces[0]!.fileOffset > BigInt(Number.MAX_SAFE_INTEGER))
})

test('an arm64 kcore needs no rule of its own', async (t) => {
  const kcore = await kcoreOf('arm64')
  t.is(kcore.machine, 183)
  t.deepEqual(
    directMap(kcore, []).map(({ virtual, physical }) => [virtual, physical]),
    [[0xffff000000000000n, 0x40000000n]],
  )
})

test('a kernel that leaves every p_paddr 0 is placed by the first range of RAM', async (t) => {
  const base = 0xffff880000000000n
  const at = (vaddr: bigint, length: bigint): Load => ({
    offset: (vaddr & 0x7fffffffffffn) + 0x3000n,
    vaddr,
    paddr: 0n,
    length,
  })
  const kcore = await crafted([
    at(0xffffffff81000000n, 0x1600000n),
    at(0xffffc90000000000n, 0x1fffffffffffn),
    at(0xffffffffa0000000n, 0x5f000000n),
    at(base + 0x100000n, 0xff00000n),
    at(base + 0x1000n, 0x9e000n),
    at(0xffffea0000000000n, 0x400000n),
    at(base + 0x100000000n, 0x8000000n),
  ])
  const ram = [run(0x1000n, 0x9f000n), run(0x100000n, 0x10000000n), run(0x100000000n, 0x108000000n)]
  const { pieces, missing } = locate(ram, directMap(kcore, ram))
  t.deepEqual(missing, [])
  t.deepEqual(coverage(pieces), coverage(ram))
  t.is(pieces[2]!.fileOffset, ((base + 0x100000000n) & 0x7fffffffffffn) + 0x3000n)
  t.is(kernelImage(kcore), undefined)
  t.throws(() => directMap(kcore, []), { message: /no physical addresses/ })
  t.throws(() => directMap({ ...kcore, machine: 183 }, ram), { message: /no physical addresses/ })
  const apart = [run(0x1000n, 0x2000n)]
  t.deepEqual(locate(apart, directMap(kcore, apart)).missing, [])
})

test('RAM without a segment is told, not dropped', async (t) => {
  const ram = ramOf('hole')
  const segments = directMap(await kcoreOf('hole'), ram).filter(({ physical }) => physical !== 0x100000n)
  const { pieces, missing } = locate(ram, segments)
  t.deepEqual(missing, [run(0x100000n, 0x4000000n)])
  t.deepEqual(coverage([...pieces, ...missing]), coverage(ram))
  t.deepEqual(locate(ram, []).missing, ram)
})

test('pieces and missing ranges always make up the RAM, and pieces stay inside segments', (t) => {
  const runs = fc.array(fc.tuple(fc.bigInt(1n, 50n), fc.bigInt(1n, 50n)), { maxLength: 12 }).map((steps) => {
    let at = 0n
    return steps.map(([gap, length]): Run => {
      const start = at + gap
      at = start + length
      return { start, length }
    })
  })
  const segments = fc
    .array(
      fc.record({
        physical: fc.bigInt(0n, 600n),
        length: fc.bigInt(1n, 100n),
        fileOffset: fc.bigInt(0n, 2n ** 60n),
      }),
      {
        maxLength: 12,
      },
    )
    .map((list) =>
      list
        .map((segment): KcoreSegment => ({ ...segment, virtual: 0n }))
        .sort((a, b) => Number(a.physical - b.physical)),
    )
  fc.assert(
    fc.property(runs, segments, (ram, segments) => {
      const { pieces, missing } = locate(ram, segments)
      t.deepEqual(coverage([...pieces, ...missing]), coverage(ram))
      for (const { start, length, fileOffset } of pieces)
        t.true(
          segments.some(
            (segment) =>
              fileOffset - segment.fileOffset === start - segment.physical &&
              start >= segment.physical &&
              start + length <= segment.physical + segment.length,
          ),
        )
      for (const { start, length } of missing)
        t.false(
          segments.some(({ physical, length: size }) => physical < start + length && start < physical + size),
        )
    }),
  )
})

test('the notes of a real kcore hold VMCOREINFO', async (t) => {
  for (const boot of BOOTS) {
    const read = readerOf(fixture(`${boot}.kcore`))
    t.deepEqual(
      (await readKcoreNotes(read, await readKcoreHeaders(read))).map(({ name, type }) => [name, type]),
      [
        ['CORE', 1],
        ['CORE', 3],
        ['CORE', 4],
        ['VMCOREINFO', 0],
      ],
    )
  }
  t.deepEqual(
    await readKcoreNotes(readerOf(Buffer.alloc(0)), { machine: 62, segments: [], notes: undefined }),
    [],
  )
})

test('notes of a size that is not there are refused before they are read', async (t) => {
  const head = craftKcore([{ type: 4, offset: 0x200n, vaddr: 0n, paddr: 0n, length: 2n ** 40n }])
  await t.throwsAsync(readKcoreHeaders(readerOf(head)), {
    message: /1099511627776 bytes of notes \(at 0x40\)/,
  })
  const note = Buffer.alloc(0x20)
  note.writeUInt32LE(5, 0)
  note.writeUInt32LE(0xfffffff0, 4)
  const kcore = { machine: 62, segments: [], notes: { fileOffset: 0n, length: note.length } }
  await t.throwsAsync(readKcoreNotes(readerOf(note), kcore), { instanceOf: FormatError })
})

test('headers that are not of a 64-bit kcore are refused by name', async (t) => {
  const good = craftKcore([{ offset: 0x1000n, vaddr: 0n, paddr: 0n, length: 0x1000n }])
  const spoiled = (change: (head: Buffer) => void) => {
    const head = Buffer.from(good)
    change(head)
    return readKcoreHeaders(readerOf(head))
  }
  await t.throwsAsync(readKcoreHeaders(readerOf(Buffer.alloc(0))), { message: /not an ELF file/ })
  await t.throwsAsync(
    spoiled((head) => head.write('GARBAGE')),
    { message: /not an ELF file/ },
  )
  await t.throwsAsync(
    spoiled((head) => (head[4] = 1)),
    { message: /64-bit/ },
  )
  await t.throwsAsync(
    spoiled((head) => (head[5] = 2)),
    { message: /64-bit little-endian/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeUInt16LE(2, 16)),
    { message: /type 2, not a core/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeUInt16LE(0, 56)),
    { message: /^0 program headers/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeUInt16LE(0xffff, 56)),
    { message: /^65535 program headers/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeUInt16LE(0xfffe, 56)),
    { message: /cut short/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeUInt16LE(32, 54)),
    { message: /program headers of 32 bytes/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeBigUInt64LE(2n ** 63n, 32)),
    { message: /outside the file/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeBigUInt64LE(2n ** 63n - 1n, 64 + 8)),
    { message: /a segment outside the file/ },
  )
  await t.throwsAsync(
    spoiled((head) => head.writeBigUInt64LE(NONE - 1n, 64 + 24)),
    { message: /leaves the physical address space/ },
  )
})

test('a kcore of vmalloc alone has no RAM', async (t) => {
  const kcore = await crafted([{ offset: 0x1000n, vaddr: 0xffffc90000000000n, paddr: NONE, length: 0x1000n }])
  t.throws(() => directMap(kcore, []), { message: 'no segment has a physical address' })
})

test('damage anywhere in the head gives a FormatError or a layout, never anything else', async (t) => {
  const good = fixture('l4.kcore').subarray(0, 0x200)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(0x1ff), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(0x200),
      async (changes, end) => {
        const head = Buffer.from(good)
        for (const [at, value] of changes) head[at] = value
        const read = readerOf(head.subarray(0, end))
        try {
          const kcore = await readKcoreHeaders(read)
          await readKcoreNotes(read, kcore)
          const ram = ramOf('l4')
          const { pieces, missing } = locate(ram, directMap(kcore, ram))
          t.deepEqual(coverage([...pieces, ...missing]), coverage(ram))
        } catch (error) {
          if (!(error instanceof FormatError)) throw error
        }
      },
    ),
  )
  t.pass()
})
