import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { encodeClosing } from '../../../src/formats/elf/closing-note.js'
import { elfCoreLayout } from '../../../src/formats/elf/core-layout.js'
import { openElfImage } from '../../../src/formats/elf/elf-image.js'
import { decodeNotes, type ElfNote, encodeNotes } from '../../../src/formats/elf/notes.js'
import { encodeOwnNote, type OwnNoteContent } from '../../../src/formats/elf/own-note.js'
import { MACHINE } from '../../../src/formats/elf/structs.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { parseIomem, ramRuns, systemRam } from '../../../src/platform/linux/iomem.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { BOOTS, fixture, iomemOf } from '../../platform/linux/fixture.js'
import { bufferSource } from '../buffer-source.js'
import { GUEST_SIZE, haltedGuest, PLANTED } from '../image/qemu.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { DIRECT_MAP, TINY_KERNEL_RUNS, tinyKernel, vmcoreinfoNote } from '../tiny-kernel.js'
import { coreFile, load } from './core-file.js'

const run = promisify(execFile)
const format = FORMATS.find(({ name }) => name === 'elf')!
const surroundings = () => surroundingsOf('memory.elf')
const open = (bytes: Uint8Array) => openElfImage(bufferSource(bytes))
const image = (name: string) => readFileSync(`test/data/images/${name}`)
const page = (fill: string | number) => Buffer.alloc(4096, fill)
const PATTERN = Buffer.from(Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))
const TINY_RUNS = [
  { start: 0x1000n, length: 0x2000n },
  { start: 0x5000n, length: 0x1000n },
]

async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-elf-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A core of these notes and one LOAD. */
function coreOf(notes: readonly ElfNote[], more: Parameters<typeof load>[0] = {}): Buffer {
  const bytes = encodeNotes(notes)
  const note = load({ type: 4, offset: 0x400n, filesz: BigInt(bytes.length) })
  const memory = load({ paddr: 0x1000n, offset: 0x10000n, filesz: 0x4000n, ...more })
  const file = coreFile([note, memory], 0x14000)
  file.set(bytes, 0x400)
  return file
}

for (const name of ['t.elf', 't-xnum.elf'])
  test(`${name} holds its three pages`, async (t) => {
    const core = await open(image(name))
    t.deepEqual(core.runs, TINY_RUNS)
    t.deepEqual(await readRuns(core), [Buffer.concat([page('A'), page('B')]), PATTERN])
    t.like(core, { variant: '64 bit', category: 'memory:physical', incomplete: undefined, size: 0x6000n })
    t.deepEqual(core.facts, { machine: 62n })
  })

test('a dump by QEMU tells of its processors, and that firmware is no RAM', async (t) => {
  const folder = await scratch(t)
  const [dump, raw, planted] = ['dump', 'raw', 'planted'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(planted, PATTERN)
  await haltedGuest([`dump-guest-memory "${dump}"`, `pmemsave 0 ${GUEST_SIZE} "${raw}"`], {
    planted,
    options: ['-smp', '2'],
  })
  const core = await open(await readFile(dump))
  t.is(core.variant, '64 bit, QEMU')
  t.like(core.facts, { machine: 3n, processors: 2n, hypervisor: 'QEMU', cr3: undefined })
  t.deepEqual(
    decodeNotes(core.facts.elfNotes!).map(({ name, desc }) => [name, desc.length]),
    [
      ['CORE', 144],
      ['CORE', 144],
      ['QEMU', 440],
      ['QEMU', 440],
    ],
  )
  t.regex(core.remarks.join(), /firmware.*no RAM: 0xfffc0000-0x100000000$/)
  const [memory] = await readRuns(core)
  t.true(memory!.equals(await readFile(raw)))
  t.true(memory!.subarray(PLANTED, PLANTED + 4096).equals(PATTERN))
})

test('CR3 is that of the first processor, if it translates addresses', async (t) => {
  const note = (cr0: bigint) => {
    const desc = Buffer.alloc(440)
    desc.writeUInt32LE(1, 0)
    desc.writeUInt32LE(440, 4)
    desc.writeBigUInt64LE(cr0, 0x188)
    desc.writeBigUInt64LE(0x1234_5801n, 0x1a0)
    return { name: 'QEMU', type: 0, desc }
  }
  t.is((await open(coreOf([note(0x8005_0033n)]))).facts.cr3, 0x1234_5801n)
  t.is((await open(coreOf([note(0x33n)]))).facts.cr3, undefined)
})

test('a dump by VirtualBox: ranges of devices are no memory', async (t) => {
  const desc = Buffer.alloc(24)
  for (const [i, value] of [0xc01ac0de, 0x00010000, 24, 0x0700000e, 161095, 4].entries())
    desc.writeUInt32LE(value, i * 4)
  const notes = encodeNotes([
    { name: 'VBCORE', type: 0xb00, desc },
    { name: 'VBCPU', type: 0xb01, desc: Buffer.alloc(8) },
  ])
  const phdrs = [
    load({ type: 4, offset: 0x400n, filesz: BigInt(notes.length) }),
    load({ paddr: 0n, offset: 0x1000n, filesz: 0x1000n }),
    load({ paddr: 0xfee0_0000n, offset: 0x2000n, filesz: 0n, memsz: 0x1000n }),
  ]
  const file = coreFile(phdrs, 0x2000)
  file[6] = 0 // as seen
  file.set(notes, 0x400)
  const core = await open(file)
  t.like(core, { variant: '64 bit, VirtualBox 7.0.14 r161095', category: 'memory:physical', holes: [] })
  t.like(core.facts, { hypervisor: 'VirtualBox', processors: 4n })
  t.deepEqual(core.runs, [{ start: 0n, length: 0x1000n }])
})

test('what makedumpfile leaves out is a hole', async (t) => {
  const folder = await scratch(t)
  const [whole, filtered] = [path.join(folder, 'whole'), path.join(folder, 'filtered')]
  const { memory: kernel, vmcoreinfo } = tinyKernel()
  const memory = Buffer.alloc(0x31_1000)
  kernel.copy(memory)
  memory.fill('x', 0x10_0000, 0x11_0000)
  memory.fill('z', 0x31_0000)
  const runs = [...TINY_KERNEL_RUNS, { start: 0x10_0000n, length: 0x21_1000n }]
  const segments = runs.map(({ start, length }) => ({ paddr: start, vaddr: start + DIRECT_MAP, length }))
  const notes = [vmcoreinfoNote(vmcoreinfo)]
  const layout = elfCoreLayout({ machine: MACHINE.x64!, flags: 0, notes }, segments)
  const file = Buffer.alloc(Number(layout.size))
  file.set(layout.header)
  for (const { paddr, length, offset } of layout.segments)
    file.set(memory.subarray(Number(paddr), Number(paddr + length)), Number(offset))
  await writeFile(whole, file)
  await run('makedumpfile', ['-E', '-d', '1', whole, filtered])

  const core = await open(await readFile(filtered))
  t.is(core.variant, '64 bit, makedumpfile')
  t.deepEqual(core.runs, [
    ...TINY_KERNEL_RUNS,
    { start: 0x10_0000n, length: 0x1_0000n },
    { start: 0x31_0000n, length: 0x1000n },
  ])
  t.deepEqual(core.holes, [{ start: 0x11_0000n, length: 0x20_0000n, content: 'unknown' }])
  for (const [i, bytes] of (await readRuns(core)).entries()) {
    const { start, length } = core.runs[i]!
    t.true(bytes.equals(memory.subarray(Number(start), Number(start + length))))
  }
  t.deepEqual(core.facts, {
    machine: 62n,
    system: 'Linux',
    pageSize: 4096n,
    pageTableRoot: 0x1000n,
    pagingLevels: 4n,
    kernelRelease: '6.1.0',
    kaslrShift: 0n,
    physBase: -0x200_0000n,
    directMapBase: DIRECT_MAP,
    vmcoreinfo,
  })
})

/** A whole kcore, sparse: its head, and page numbers of the file for content. */
function kcoreSource(head: Buffer): ByteSource {
  return {
    name: 'kcore',
    size: 1n << 62n,
    async read(offset, length) {
      const bytes = Buffer.alloc(length)
      bytes.writeBigUInt64LE(offset >> 12n, 0)
      if (offset < BigInt(head.length)) head.copy(bytes, 0, Number(offset))
      return bytes
    },
    async close() {},
  }
}

for (const boot of BOOTS)
  test(`a copy of /proc/kcore is the RAM that iomem lists: ${boot}`, async (t) => {
    const core = await openElfImage(kcoreSource(fixture(`${boot}.kcore`)))
    const ram = ramRuns(systemRam(parseIomem(iomemOf(boot))), 4096n)
    t.deepEqual(core.runs, ram)
    t.is(core.variant, '64 bit, /proc/kcore')
    t.is(core.facts.system, 'Linux')
    t.not(core.facts.pageTableRoot, undefined)
    t.is(core.facts.elfNotes, undefined)
    t.regex(
      core.remarks.join('\n'),
      /process that read .*left out\n.*read as zeros in \/proc\/kcore\n\d+ segments without a physical address/,
    )
    // Of the two places that show the kernel's image, it is read where the rest of RAM is.
    const base = core.facts.directMapBase!
    const place = async (at: bigint) => Buffer.from(await core.read(at, 4096)).readBigUInt64LE() - (at >> 12n)
    const first = await place(ram[0]!.start)
    for (const { start, length } of ram)
      for (const at of [start, start + ((length >> 13n) << 12n)])
        t.is(await place(at), first, `0x${base.toString(16)}`)
  })

test('the head of /proc/kcore alone is no image', async (t) => {
  await t.throwsAsync(open(fixture('l5.kcore')), { message: /no byte of any segment is in the file/ })
})

test('what the kernel image shows of RAM alone is read, what both show is read where RAM is', async (t) => {
  const text = 0xffff_ffff_8100_0000n
  const phdrs = [
    load({ vaddr: text, paddr: 0x2000n, offset: 0x8000n, filesz: 0x4000n }),
    load({ vaddr: DIRECT_MAP, paddr: 0n, offset: 0x1000n, filesz: 0x3000n }),
    load({ vaddr: DIRECT_MAP + 0x5000n, paddr: 0x5000n, offset: 0x4000n, filesz: 0x3000n }),
  ]
  const core = await open(coreFile(phdrs, 0xc000))
  t.deepEqual(core.runs, [{ start: 0n, length: 0x8000n }])
  const [bytes] = await readRuns(core)
  const pages = Array.from({ length: 8 }, (_, i) => bytes![i * 0x1000]! >> 4)
  t.deepEqual(pages, [1, 2, 3, 9, 0xa, 4, 5, 6])
})

const ASCTIME = 'Sat Nov 23 05:06:54 2013\n'
const METADATA = `# PMEM
---
acquisition_tool: 'WinPMEM 1.6.2'
acquisition_timestamp: ${ASCTIME}
CR3: 0x1aa002
NtBuildNumber: 0xf0001db1
NtBuildNumberAddr: 0xfffff80002a7a3e8
KernBase: 0xfffff80002a0f000
Arch: AMD64
...
`

/** A core as WinPmem 1.6 writes it. */
function winpmemCore(pageFile?: Buffer): Buffer {
  const phdrs = [
    load({ paddr: 0x1000n, offset: 0x200n, filesz: 0x1000n, align: 0x1000n }),
    load({ type: 0x6d656d70, offset: 0x1200n, filesz: BigInt(METADATA.length), memsz: 0n }),
  ]
  const at = 0x1200 + METADATA.length
  const hex = (value: number) => `0x${value.toString(16)}`
  const last = `# PMEM\n---\nPreviousHeader: 0x1200\nPagefileOffset: ${hex(at)}\nPagefileSize: ${hex(pageFile?.length ?? 0)}\n...\n`
  const file = coreFile(phdrs, 0x1200)
  return Buffer.concat([file, Buffer.from(METADATA), ...(pageFile ? [pageFile, Buffer.from(last)] : [])])
}

test('WinPmem 1.6 tells of Windows and brings its page file', async (t) => {
  const pageFile = Buffer.alloc(9000, 'page file ')
  const core = await open(winpmemCore(pageFile))
  t.is(core.variant, '64 bit, WinPmem 1.6.2')
  t.deepEqual(core.facts, {
    machine: 62n,
    system: 'Windows',
    pageTableRoot: 0x1aa000n,
    cr3: 0x1aa002n,
    ntBuild: 7601n,
    ntBuildNumberAddress: 0xfffff80002a7a3e8n,
    ntKernelBase: 0xfffff80002a0f000n,
    acquisitionTime: BigInt(Date.UTC(2013, 10, 23, 5, 6, 54)) * 1_000_000n,
    acquisitionTool: 'WinPMEM 1.6.2',
  })
  t.deepEqual(core.remarks, [])
  const [companion] = core.companions
  t.like(companion, { name: 'pagefile.sys', category: 'memory:pagefile' })
  t.deepEqual(Buffer.from(await companion!.source.read(0n, 10_000)), pageFile)
})

test('WinPmem 1.6 without a page file, and with one that was cut', async (t) => {
  const without = await open(winpmemCore())
  t.deepEqual([without.companions, without.remarks], [[], []])
  t.is(without.facts.ntBuild, 7601n)
  const cut = await open(winpmemCore(Buffer.alloc(9000)).subarray(0, -200))
  t.deepEqual(cut.companions, [])
  t.regex(cut.remarks.join(), /perhaps a page file that was cut off/)
})

const OWN: OwnNoteContent = {
  program: 'pmem elf-sink 1.2.3',
  category: 'memory:physical',
  origin: { host: 'evidence', programs: [{ name: 'pmem-read-kcore', version: '1.2.3' }] },
  facts: { machine: 183n, kernelRelease: '6.1.0', acquisitionTime: 1n, kimageVoffset: 0xffff_8000n },
  status: 'complete',
  error: undefined,
  holes: [
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x4000n, length: 0x1000n, content: 'unknown' },
  ],
  digests: [{ algorithm: 'md5', value: '0123456789abcdef0123456789abcdef', covers: 'ranges' }],
}

test('our own core tells its facts, and what could not be read', async (t) => {
  const core = await open(coreOf([encodeOwnNote(OWN)]))
  t.is(core.variant, '64 bit, pmem elf-sink 1.2.3')
  t.deepEqual(core.facts, { ...OWN.facts, hostName: 'evidence', acquisitionTool: 'pmem-read-kcore 1.2.3' })
  t.deepEqual(core.runs, [
    { start: 0x1000n, length: 0x1000n },
    { start: 0x3000n, length: 0x1000n },
  ])
  t.deepEqual(core.holes, OWN.holes)
  t.deepEqual(core.digests, OWN.digests)
  t.is(core.incomplete, undefined)
})

test('who converted a memory did not take it', async (t) => {
  const origin = { host: 'laboratory', programs: [{ name: 'image-cat', version: '1.2.3' }] }
  const { facts } = await open(coreOf([encodeOwnNote({ ...OWN, origin })]))
  t.deepEqual(facts, OWN.facts)
})

test('our own core says why it is a stump', async (t) => {
  const note = encodeOwnNote({ ...OWN, status: 'truncated', error: 'upstream ended before END' })
  const file = coreOf([note])
  t.is((await open(file)).incomplete, 'its input was truncated: upstream ended before END')
  t.is(
    (await open(file.subarray(0, 0x12000))).incomplete,
    'its input was truncated: upstream ended before END; 8192 bytes of memory lie past the end of the file',
  )
  file.writeUInt32LE(1, 48)
  t.regex((await open(file)).incomplete!, /^its input was truncated/)
  const unfinished = coreOf([encodeOwnNote({ ...OWN, status: undefined })])
  unfinished.writeUInt32LE(1, 48)
  t.regex((await open(unfinished)).incomplete!, /its writer did not finish it/)
})

test('a core that was written in sequence is closed by a second note behind memory', async (t) => {
  const front = coreOf([encodeOwnNote({ ...OWN, status: undefined, holes: [], isClosed: true })])
  const closed = Buffer.concat([front, encodeClosing(OWN)])
  const core = await open(closed)
  t.deepEqual(
    [core.holes, core.incomplete, core.variant],
    [OWN.holes, undefined, '64 bit, pmem elf-sink 1.2.3'],
  )
  t.is(core.facts.kernelRelease, '6.1.0')
  const truncated = Buffer.concat([front, encodeClosing({ ...OWN, status: 'truncated', error: 'why' })])
  t.is((await open(truncated)).incomplete, 'its input was truncated: why')
  for (const cut of [
    front,
    Buffer.concat([front, Buffer.alloc(4096)]),
    closed.subarray(0, front.length + 20),
  ])
    t.is((await open(cut)).incomplete, 'its end was cut off, which tells what could not be read')
})

test('a closing note of most holes with a long error fits its block', async (t) => {
  const holes = Array.from({ length: 5000 }, (_, i) => ({
    start: (1n << 63n) + BigInt(i) * 0x2000n,
    length: 0x1000n,
    content: 'unreadable' as const,
  }))
  const block = encodeClosing({ ...OWN, holes, error: '\u0001'.repeat(500) })
  t.is(block.length, 256 << 10)
  const [note] = decodeNotes(block)
  t.like(JSON.parse(Buffer.from(note!.desc).toString()), { holesLeftOut: 904 })
})

test('our own core of physical memory that starts at 0 is none of a process', async (t) => {
  const own = coreOf([encodeOwnNote({ ...OWN, facts: {}, holes: [] })], { paddr: 0n, vaddr: DIRECT_MAP })
  t.is((await open(own)).category, 'memory:physical')
  const virtual = coreOf([encodeOwnNote({ ...OWN, category: 'memory:virtual' })], {
    paddr: 0n,
    vaddr: 0x1000n,
  })
  t.is((await open(virtual)).category, 'memory:virtual')
})

test('more holes than the note lists are told', async (t) => {
  const holes = Array.from({ length: 65_540 }, (_, i) => ({
    start: BigInt(i) * 0x2000n,
    length: 0x1000n,
    content: 'unreadable' as const,
  }))
  const note = encodeOwnNote({ ...OWN, holes })
  const bytes = encodeNotes([note])
  const at = 0x20000
  const file = Buffer.concat([
    coreFile(
      [
        load({ type: 4, offset: BigInt(at), filesz: BigInt(bytes.length) }),
        load({ paddr: 1n, offset: 0n, filesz: 1n }),
      ],
      at,
    ),
    bytes,
  ])
  t.regex((await open(file)).remarks.join(), /^4 more ranges are filled/)
})

test('notes that are no JSON, or claim nonsense, are no harm', async (t) => {
  for (const json of [
    '',
    '{',
    'null',
    '[]',
    '{"holes":7,"facts":[],"status":{}}',
    '{"holes":[[1],["0x1","0x0","zero"],["0x2000","0x1000","nothing"],["-1","0x1","zero"],["0xffffffffffffffff","0x2","unknown"]]}',
  ]) {
    const core = await open(coreOf([{ name: 'PMEM', type: 1, desc: Buffer.from(json) }]))
    t.deepEqual(core.runs, [{ start: 0x1000n, length: 0x4000n }])
    t.deepEqual([core.holes, core.incomplete], [[], undefined])
  }
})

test('a memory size beyond the address space is no hole beyond it', async (t) => {
  const core = await open(coreOf([], { memsz: (1n << 64n) - 1n }))
  t.deepEqual(core.holes, [{ start: 0x5000n, length: (1n << 64n) - 0x5000n, content: 'unknown' }])
})

test('notes that are too many to go along stay behind, and that is told', async (t) => {
  const bytes = encodeNotes([{ name: 'CORE', type: 1, desc: new Uint8Array(9 << 20) }])
  const phdrs = [
    load({ type: 4, offset: 0x1000n, filesz: BigInt(bytes.length) }),
    load({ vaddr: 0x1000n, filesz: 0x1000n }),
  ]
  const core = await open(Buffer.concat([coreFile(phdrs, 0x1000), bytes]))
  t.is(core.facts.elfNotes, undefined)
  t.regex(core.remarks.join(), /9437184 bytes of notes are too many/)
})

const DAMAGED: Record<string, () => Buffer> = {
  linpmem: () => readFileSync('test/data/linpmem-style.elf'),
  't-xnum.elf': () => image('t-xnum.elf'),
  WinPmem: () => winpmemCore(Buffer.alloc(100)),
  'our own': () => coreOf([vmcoreinfoNote(tinyKernel().vmcoreinfo), encodeOwnNote(OWN)]),
}

for (const [name, make] of Object.entries(DAMAGED)) {
  test(`a damaged core of ${name} is refused or read in part, in bounded memory`, async (t) => {
    await fuzzImage(format, make(), surroundings, 500, 1)
    t.pass()
  })

  test(`a core of ${name} that is cut at any of its headers is refused or read in part`, async (t) => {
    await cutImage(format, make(), surroundings, Array(0x400).keys())
    t.pass()
  })
}
