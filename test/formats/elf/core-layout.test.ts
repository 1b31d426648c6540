import { execFile } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import {
  type CoreSegment,
  elfCoreLayout,
  encodeCoreHeaders,
  MAX_PROGRAM_HEADERS,
} from '../../../src/formats/elf/core-layout.js'
import { openElfCore } from '../../../src/formats/elf/core-reader.js'
import { FLAG_INCOMPLETE, MACHINE } from '../../../src/formats/elf/structs.js'
import { bufferSource } from '../buffer-source.js'
import { DIRECT_MAP, TINY_KERNEL_RUNS, tinyKernel, vmcoreinfoNote } from '../tiny-kernel.js'

const run = promisify(execFile)
type Output = { stdout: string; stderr: string }
const machine = MACHINE.x64!

async function scratch(t: { teardown(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-elf-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A whole core in memory; `content` gives a segment's bytes. */
function build(
  segments: CoreSegment[],
  notes: Parameters<typeof elfCoreLayout>[0]['notes'],
  content: (segment: CoreSegment) => Uint8Array,
): Buffer {
  const layout = elfCoreLayout({ machine, flags: 0, notes }, segments)
  const file = Buffer.alloc(Number(layout.size))
  file.set(layout.header)
  for (const segment of layout.segments) file.set(content(segment), Number(segment.offset))
  return file
}

const tinyPages = (segment: CoreSegment): Uint8Array =>
  segment.paddr === 0x1000n
    ? Buffer.concat([Buffer.alloc(4096, 'A'), Buffer.alloc(4096, 'B')])
    : Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + (i >> 8)) & 0xff)

const TINY: CoreSegment[] = [
  { paddr: 0x1000n, vaddr: 0x1000n, length: 0x2000n },
  { paddr: 0x5000n, vaddr: 0x5000n, length: 0x1000n },
]

test('readelf lists the tiny example without a warning', async (t) => {
  const path = join(await scratch(t), 'tiny.core')
  const note = { name: 'PMEM', type: 1, desc: Buffer.from('{"status":"complete"}') }
  await writeFile(path, build(TINY, [note], tinyPages))
  const { stdout, stderr } = await run('readelf', ['-hlWn', path])
  t.is(stderr, '')
  t.regex(stdout, /Type: +CORE/)
  t.regex(stdout, /Machine: +Advanced Micro Devices X86-64/)
  t.regex(stdout, /Number of program headers: +3\n/)
  t.regex(stdout, /NOTE .*\n +LOAD +0x001000 0x0+1000 0x0+1000 0x002000 0x002000 RWE 0/)
  t.regex(stdout, /LOAD +0x003000 0x0+5000 0x0+5000 0x001000 0x001000 RWE 0/)
  t.regex(stdout, /PMEM +0x00000015/)
})

test('gdb reads the tiny example at its addresses', async (t) => {
  const path = join(await scratch(t), 'tiny.core')
  await writeFile(path, build(TINY, [], tinyPages))
  const look = ['x/2c 0x1fff', 'x/4xb 0x5000', 'x/xb 0x4000'].flatMap((command) => ['-ex', command])
  const gdb = run('gdb', ['-nx', '-batch', '-ex', `core-file ${path}`, ...look])
  const { stdout, stderr }: Output = await gdb.catch((error) => error) // status 1: the last command must fail
  t.regex(stdout, /0x1fff:\s+65 'A'\s+66 'B'/)
  t.regex(stdout, /0x5000:\s+0x00\s+0x07\s+0x0e\s+0x15/)
  t.regex(stderr, /Cannot access memory at address 0x4000/)
})

test('makedumpfile takes a core with VMCOREINFO for a kernel and keeps its pages', async (t) => {
  const folder = await scratch(t)
  const { memory, vmcoreinfo } = tinyKernel()
  const bytes = ({ paddr, length }: CoreSegment) => memory.subarray(Number(paddr), Number(paddr + length))
  for (const directMap of [DIRECT_MAP, 0n]) {
    const [path, dump] = [join(folder, `kernel-${directMap}`), join(folder, `dump-${directMap}`)]
    const segments = TINY_KERNEL_RUNS.map(({ start, length }) => ({
      paddr: start,
      vaddr: start + directMap,
      length,
    }))
    await writeFile(path, build(segments, [vmcoreinfoNote(vmcoreinfo)], bytes))
    await run('makedumpfile', ['-d', '0', path, dump])
    const kdump = await readFile(dump)
    t.is(kdump.toString('latin1', 0, 8), 'KDUMP   ')
    t.true(kdump.includes(memory.subarray(0x7000, 0x8000)))
  }
})

test('readelf and our reader count more segments than e_phnum can', async (t) => {
  const path = join(await scratch(t), 'many.core')
  const segments = Array.from({ length: 70_000 }, (_, i) => {
    const start = BigInt(i) * 0x2000n
    return { paddr: start + 0x1000n, vaddr: start + 0x1000n, length: 0x1000n }
  })
  const layout = elfCoreLayout({ machine, flags: 0, notes: [vmcoreinfoNote('OSRELEASE=6.1.0\n')] }, segments)
  const file = await open(path, 'w')
  await file.write(layout.header)
  await file.truncate(Number(layout.size))
  await file.close()
  const { stdout, stderr } = await run('readelf', ['-hlWn', path], { maxBuffer: 1 << 24 })
  t.is(stderr, '')
  t.regex(stdout, /Number of program headers: +65535 \(70001\)/)
  t.is(stdout.match(/^ +LOAD /gm)?.length, 70_000)
  t.regex(stdout, /VMCOREINFO/)

  const core = await openElfCore(bufferSource(Buffer.concat([layout.header, Buffer.alloc(70_000 * 4096)])))
  t.is(core.runs.length, 70_000)
  t.is(core.runs[69_999]?.start, 69_999n * 0x2000n + 0x1000n)
})

for (const [headers, shown] of [
  [0xfffe, '65534'],
  [0xffff, '65535 (65535)'],
] as const)
  test(`a core of ${headers} program headers is counted as ${shown}`, async (t) => {
    const path = join(await scratch(t), 'edge.core')
    const segments = Array.from({ length: headers - 1 }, (_, i) => ({
      paddr: BigInt(i) * 0x2000n,
      vaddr: 0n,
      length: 1n,
    }))
    const { header } = elfCoreLayout({ machine, flags: 0, notes: [] }, segments)
    await writeFile(path, header)
    const { stdout } = await run('readelf', ['-hW', path])
    t.true(stdout.includes(`Number of program headers:         ${shown}\n`))
  })

test('what the layout says is what the reader finds', async (t) => {
  const gapsAndLengths = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 0x4000 }), fc.integer({ min: 1, max: 9000 })),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  await fc.assert(
    fc.asyncProperty(gapsAndLengths, fc.bigInt({ min: 0n, max: 1n << 62n }), async (pairs, base) => {
      let next = base
      const segments = pairs.map(([gap, length]) => {
        const paddr = next + BigInt(gap)
        next = paddr + BigInt(length)
        return { paddr, vaddr: paddr, length: BigInt(length) }
      })
      const bytes = (segment: CoreSegment) =>
        new Uint8Array(Number(segment.length)).fill(Number(segment.paddr % 251n))
      const core = await openElfCore(bufferSource(build(segments, [], bytes)))
      t.deepEqual(
        core.runs,
        segments.map(({ paddr, length }) => ({ start: paddr, length })),
      )
      for (const segment of segments)
        t.deepEqual(
          Buffer.from(await core.read(segment.paddr, Number(segment.length))),
          Buffer.from(bytes(segment)),
        )
    }),
  )
})

test('headers written at the end of the file serve as well', async (t) => {
  const path = join(await scratch(t), 'late.core')
  const placed = TINY.map((segment, i) => ({ ...segment, offset: [0x1000n, 0x3000n][i]! }))
  const note = { name: 'PMEM', type: 1, desc: Buffer.from('{}') }
  const { ehdr, table } = encodeCoreHeaders(
    { machine, flags: FLAG_INCOMPLETE, notes: [note] },
    placed,
    0x4000n,
  )
  const file = Buffer.alloc(0x4000 + table.length)
  file.set(ehdr)
  for (const segment of placed) file.set(tinyPages(segment), Number(segment.offset))
  file.set(table, 0x4000)
  await writeFile(path, file)
  const { stdout, stderr } = await run('readelf', ['-hlWn', path])
  t.is(stderr, '')
  t.regex(stdout, /PMEM/)
  const core = await openElfCore(bufferSource(file))
  t.true(core.incomplete)
  t.is(Buffer.from(await core.read(0x2fffn, 1)).toString(), 'B')
})

test('a core of more segments than anyone reads is not written', (t) => {
  const segment = { paddr: 0n, vaddr: 0n, length: 1n, offset: 0n }
  const segments = new Array(MAX_PROGRAM_HEADERS).fill(segment)
  t.throws(() => encodeCoreHeaders({ machine, flags: 0, notes: [] }, segments), { instanceOf: RangeError })
})
