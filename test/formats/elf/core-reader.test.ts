import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { elfCoreLayout, MAX_PROGRAM_HEADERS } from '../../../src/formats/elf/core-layout.js'
import { type ElfCore, isElfCore, openElfCore } from '../../../src/formats/elf/core-reader.js'
import { encodeNotes } from '../../../src/formats/elf/notes.js'
import { type Encoding, encodeEhdr, encodeShdr, PN_XNUM, SIZES } from '../../../src/formats/elf/structs.js'
import { FormatError } from '../../../src/formats/format-error.js'
import { bufferSource } from '../buffer-source.js'
import { haltedGuest } from '../image/qemu.js'
import { coreFile, EHDR, load } from './core-file.js'

const run = promisify(execFile)
const LSB64: Encoding = { bits: 64, littleEndian: true }
const TINY_RUNS = [
  { start: 0x1000n, length: 0x2000n },
  { start: 0x5000n, length: 0x1000n },
]

const open = (bytes: Buffer): Promise<ElfCore> => openElfCore(bufferSource(bytes))
const refused = async (t: ExecutionContext, bytes: Buffer, message: RegExp) =>
  t.throwsAsync(open(bytes), { instanceOf: FormatError, message })

async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-elf-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

test('a core as linpmem writes it: no notes, no virtual addresses', async (t) => {
  const core = await open(await readFile('test/data/linpmem-style.elf'))
  t.deepEqual(core.runs, TINY_RUNS)
  t.is(core.addresses, 'physical')
  t.false(core.incomplete)
  t.is(Buffer.from(await core.read(0x1ffen, 4)).toString(), 'AABB')
  t.deepEqual([...(await core.read(0x5000n, 3))], [0, 7, 14])
})

test('a dump by QEMU holds what its pmemsave holds', async (t) => {
  const folder = await scratch(t)
  const [dump, raw] = [join(folder, 'dump.elf'), join(folder, 'raw')]
  await haltedGuest([`dump-guest-memory "${dump}"`, `pmemsave 0xe0000 0x20000 "${raw}"`])
  const core = await open(await readFile(dump))
  t.is(core.header.ehsize, 8) // what QEMU 7.2 writes
  t.deepEqual(
    core.notes.map(({ name }) => name),
    ['CORE', 'QEMU'],
  )
  t.deepEqual(core.runs[0], { start: 0n, length: 0x100000n })
  t.deepEqual(Buffer.from(await core.read(0xe0000n, 0x20000)), await readFile(raw))
})

test('a core of a process by gdb is read at its virtual addresses', async (t) => {
  const path = join(await scratch(t), 'process.core')
  const planted = 'planted-in-the-environment'
  const commands = [
    'set startup-with-shell off',
    'starti',
    `generate-core-file ${path}`,
    'info proc',
    'kill',
  ].flatMap((c) => ['-ex', c])
  await run('gdb', ['-nx', '-batch', ...commands, '/bin/true'], { env: { ...process.env, PLANTED: planted } })
  const core = await open(await readFile(path))
  t.is(core.addresses, 'virtual')
  t.true(core.notes.some(({ name, type }) => name === 'CORE' && type === 1))
  const stack = core.runs.findLast(({ start }) => start < 1n << 47n)!
  const bytes = Buffer.from(await core.read(stack.start, Number(stack.length)))
  t.true(bytes.includes(`PLANTED=${planted}`))
})

for (const encoding of [LSB64, { bits: 64, littleEndian: false }, { bits: 32, littleEndian: true }] as const)
  test(`ELF${encoding.bits}, ${encoding.littleEndian ? 'little' : 'big'}-endian`, async (t) => {
    const bytes = coreFile(
      [load({ paddr: 0x1000n, offset: 0x200n, filesz: 0x100n })],
      0x300,
      { ehsize: 8, phentsize: SIZES[encoding.bits].phdr + 8 },
      encoding,
    )
    t.true(isElfCore(bytes.subarray(0, 18)))
    const core = await open(bytes)
    t.deepEqual(core.runs, [{ start: 0x1000n, length: 0x100n }])
    t.deepEqual([...(await core.read(0x10ffn, 1))], [2])
  })

test('segments in any order, some empty, some of unknown type', async (t) => {
  const core = await open(
    coreFile(
      [
        load({ paddr: 0x5000n, offset: 0x300n, filesz: 0x100n }),
        load({ type: 0x6d656d70, offset: 0xffff_ffff_ffffn, filesz: 1n << 60n }),
        load({ paddr: 0xfee0_0000n, filesz: 0n, memsz: 0x1000n }),
        load({ paddr: 0xffff_ffff_ffff_ffffn, offset: 0x100n, filesz: 0x100n }),
        load({ paddr: 0x1000n, offset: 0x200n, filesz: 0x100n, memsz: 0x1000n }),
      ],
      0x400,
    ),
  )
  t.deepEqual(core.runs, [
    { start: 0x1000n, length: 0x100n },
    { start: 0x5000n, length: 0x100n },
  ])
  t.deepEqual([(await core.read(0x1000n, 1))[0], (await core.read(0x5000n, 1))[0]], [2, 3])
})

test('of overlapping segments the first wins', async (t) => {
  const core = await open(
    coreFile(
      [
        load({ paddr: 0x1180n, offset: 0x800n, filesz: 0x40n }),
        load({ paddr: 0x1000n, offset: 0x400n, filesz: 0x200n }),
        load({ paddr: 0x1000n, offset: 0x700n, filesz: 0x100n }),
        load({ paddr: 0x1100n, offset: 0x900n, filesz: 0x200n }),
      ],
      0xc00,
    ),
  )
  t.deepEqual(core.runs, [{ start: 0x1000n, length: 0x300n }])
  t.deepEqual([...(await core.read(0x1000n, 1))], [4])
  t.deepEqual([...(await core.read(0x11ffn, 2))], [5, 10])
})

test('a run of segments that stand apart in the file reads as one', async (t) => {
  const core = await open(
    coreFile(
      [
        load({ paddr: 0x1100n, offset: 0x200n, filesz: 0x100n }),
        load({ paddr: 0x1000n, offset: 0x400n, filesz: 0x100n }),
        load({ paddr: 0x1200n, offset: 0x300n, filesz: 0x100n }),
      ],
      0x500,
    ),
  )
  t.deepEqual(core.runs, [{ start: 0x1000n, length: 0x300n }])
  const bytes = await core.read(0x10ffn, 0x102)
  t.deepEqual([bytes[0], bytes[1], bytes[0x100], bytes[0x101]], [4, 2, 2, 3])
  await t.throwsAsync(core.read(0x12ffn, 2), {
    instanceOf: FormatError,
    message: /0x1300 is not in the image/,
  })
  await t.throwsAsync(core.read(0xfffn, 2), { instanceOf: FormatError, message: /0xfff is not in the image/ })
})

test('a kernel core with one run at physical 0 is not taken for a process', async (t) => {
  const segment = { paddr: 0n, vaddr: 0xffff_8880_0000_0000n, length: 16n }
  const notes = [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from('OSRELEASE=6.1.0\n') }]
  const { header } = elfCoreLayout({ machine: 183, flags: 0, notes }, [segment])
  const core = await open(Buffer.concat([header, Buffer.alloc(16)]))
  t.is(core.addresses, 'physical')
  t.deepEqual(core.runs, [{ start: 0n, length: 16n }])
})

test('a core that is cut keeps what it holds and names what is missing', async (t) => {
  const whole = await readFile('test/data/linpmem-style.elf')
  const core = await open(whole.subarray(0, 0x2800))
  t.true(core.incomplete)
  t.deepEqual(core.runs, [{ start: 0x1000n, length: 0x1800n }])
  t.deepEqual(core.missing, [
    { start: 0x2800n, length: 0x800n },
    { start: 0x5000n, length: 0x1000n },
  ])
  await t.throwsAsync(core.read(0x2000n, 0x1000), { instanceOf: FormatError, message: /0x2800/ })
})

test('a core that makedumpfile could not finish is incomplete', async (t) => {
  const phdr = load({ paddr: 0x1000n, offset: 0x200n, filesz: 0x100n })
  t.true((await open(coreFile([phdr], 0x300, { flags: 1 }))).incomplete)
})

test('what is no core is refused with the reason', async (t) => {
  const phdr = load({ paddr: 0x1000n, offset: 0x200n, filesz: 0x100n })
  await refused(t, Buffer.alloc(0), /not an ELF file/)
  await refused(t, Buffer.alloc(4096), /not an ELF file/)
  await refused(t, coreFile([phdr], 0x300).subarray(0, 63), /header is cut off/)
  await refused(t, coreFile([phdr], 0x300, { type: 2 }), /type 2, not a core/)
  await refused(t, coreFile([], 0x300), /without memory/)
  await refused(t, coreFile([phdr], 0x300, { phentsize: 0 }), /0 bytes are too short/)
  await refused(t, coreFile([phdr], 0x300).subarray(0, 100), /1 program headers past the end of the file/)
  await refused(t, coreFile([phdr], 0x300).subarray(0, 0x200), /no byte of any segment/)
})

test('counts are believed only as far as the file goes', async (t) => {
  const shoff = 0x200n
  const xnum = { phnum: PN_XNUM, shoff, shnum: 1, shentsize: 64 }
  const section = { name: 0, type: 0, flags: 0n, addr: 0n, offset: 0n, size: 0n, link: 0, addralign: 0n }
  for (const [info, message] of [
    [0xffff_ffff, /4294967295 program headers; at most/],
    [MAX_PROGRAM_HEADERS, /past the end of the file/],
  ] as const) {
    const bytes = coreFile([], 0x300)
    bytes.set(encodeEhdr({ ...EHDR, ...xnum }))
    encodeShdr({ ...section, info, entsize: 0n }, bytes, Number(shoff))
    const source = bufferSource(bytes)
    await t.throwsAsync(openElfCore(source), { instanceOf: FormatError, message })
    t.true(source.largestRead <= 64)
  }
  await refused(t, coreFile([], 0x300, { phnum: PN_XNUM }), /section header that is not there/)
  await refused(t, coreFile([], 0x300, { ...xnum, shoff: 1n << 63n }), /a section header past the end/)
  await refused(t, coreFile([], 0x300, { phnum: 0xfffe }), /65534 program headers past/)
  await refused(t, coreFile([], 0x300, { phnum: 1, phoff: (1n << 64n) - 1n }), /past the end of the file/)
})

test('segments and notes outside the address space or the file are refused', async (t) => {
  const whole = { offset: 0x200n, filesz: 0x100n }
  await refused(
    t,
    coreFile([load({ ...whole, paddr: (1n << 64n) - 0x80n })], 0x300),
    /leaves the address space/,
  )
  await refused(
    t,
    coreFile([load({ paddr: 1n, filesz: 1n << 63n, offset: 1n << 63n })], 0x300),
    /no byte of any/,
  )
  await refused(t, coreFile([load({ ...whole, type: 4, filesz: 1n << 62n })], 0x300), /bytes of notes/)
  await refused(t, coreFile([load({ ...whole, type: 4, filesz: 0x101n })], 0x300), /notes past the end/)
})

test('any header over a small file opens or is refused, without a large read', async (t) => {
  const addr = fc.oneof(fc.bigInt({ min: 0n, max: 0x500n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }))
  const phdr = fc.record({
    type: fc.constantFrom(1, 1, 1, 4, 0x6d656d70),
    flags: fc.nat(7),
    offset: addr,
    vaddr: addr,
    paddr: addr,
    filesz: addr,
    memsz: addr,
    align: fc.constantFrom(0n, 4n, 8n, 4096n),
  })
  const notes = encodeNotes([{ name: 'CORE', type: 1, desc: new Uint8Array(8) }])
  await fc.assert(
    fc.asyncProperty(fc.array(phdr, { maxLength: 8 }), fc.nat(0x500), async (phdrs, cut) => {
      const bytes = coreFile(phdrs, 0x500)
      bytes.set(notes, 0x400)
      const source = bufferSource(bytes.subarray(0, cut))
      try {
        const core = await openElfCore(source)
        for (const { start, length } of core.runs) {
          t.true(length > 0n && length <= BigInt(cut) * 8n)
          t.is((await core.read(start, Number(length))).length, Number(length))
        }
      } catch (error) {
        t.true(error instanceof FormatError, String(error))
      }
      t.true(source.largestRead <= 0x500)
    }),
    { numRuns: 500 },
  )
})

test('flipped bytes in a good core never do worse than a refusal', async (t) => {
  const good = await readFile('test/data/linpmem-style.elf')
  const flips = fc.array(fc.tuple(fc.nat(0xb0 - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(flips, async (changes) => {
      const bytes = Buffer.from(good)
      for (const [at, value] of changes) bytes[at] = value
      const source = bufferSource(bytes)
      await openElfCore(source).catch((error) => t.true(error instanceof FormatError, String(error)))
      t.true(source.largestRead <= 1 << 20)
    }),
    { numRuns: 500 },
  )
})
