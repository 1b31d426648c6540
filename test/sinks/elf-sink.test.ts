import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openElfCore } from '../../src/formats/elf/core-reader.js'
import { openElfImage } from '../../src/formats/elf/elf-image.js'
import { decodeNotes } from '../../src/formats/elf/notes.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import { createEncoder } from '../../src/frames/encode.js'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { bufferSource } from '../formats/buffer-source.js'
import { haltedGuest } from '../formats/image/qemu.js'
import { DIRECT_MAP, TINY_KERNEL_RUNS, tinyKernel } from '../formats/tiny-kernel.js'
import { anyMemory } from './memory-parts.js'
import {
  cut,
  data,
  fill,
  memory,
  meta,
  onceItBegins,
  ranges,
  runTool,
  scratch,
  stream,
  transmission,
} from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x1000n]) })
const frames: Frame[] = [data(0x1000n, Buffer.concat([A, B])), data(0x5000n, A)]

/** What readelf makes of a core; a warning of its fails the test. */
async function readelf(t: ExecutionContext, file: string): Promise<string> {
  const { stdout, stderr } = await run('readelf', ['-hlWn', file], { maxBuffer: 1 << 24 })
  t.is(stderr, '')
  return stdout
}

const loads = (listing: string): string[][] =>
  [...listing.matchAll(/^ +LOAD +(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) +(\S+)$/gm)].map((match) =>
    match.slice(1),
  )

const openCore = async (file: string) => openElfCore(bufferSource(await readFile(file)))

/** The JSON of our own note. */
async function pmemNote(file: string): Promise<Record<string, unknown>> {
  const { notes } = await openCore(file)
  return JSON.parse(Buffer.from(notes.find(({ name }) => name === 'PMEM')!.desc).toString())
}

test('announced ranges become segments that readelf and gdb read at their addresses', async (t) => {
  const out = path.join(await scratch(t), 'memory.core')
  const { status, stderr } = await runTool('elf-sink', [out], transmission(stream(body, frames)))
  t.is(status, 0, stderr)
  const listing = await readelf(t, out)
  t.regex(listing, /NOTE.*\n +LOAD/)
  // A note of type 1 is registers to crash, whatever its name.
  t.regex(listing, /PMEM .*Unknown note type: \(0x504d454d\)/)
  t.deepEqual(
    loads(listing).map(([, vaddr, paddr, filesz, memsz, , align]) => [vaddr, paddr, filesz, memsz, align]),
    [
      ['0x0000000000001000', '0x0000000000001000', '0x002000', '0x002000', '0'],
      ['0x0000000000005000', '0x0000000000005000', '0x001000', '0x001000', '0'],
    ],
  )
  for (const [offset] of loads(listing)) t.is(Number(offset) % PAGE, 0)
  const look = ['x/2c 0x1fff', 'x/s 0x5ffe'].flatMap((command) => ['-ex', command])
  const gdb = await run('gdb', ['-nx', '-batch', '-ex', `core-file ${out}`, ...look])
  t.regex(gdb.stdout, /0x1fff:\s+65 'A'\s+66 'B'/)
  t.regex(gdb.stdout, /0x5ffe:\s+"AA/)
  t.like(await pmemNote(out), { stream: 'PhysicalMemory', status: 'complete', host: 'test' })
  t.false(fs.existsSync(`${out}.map`))
})

test('a pipe is given the same core, headers first, and how it ended behind it', async (t) => {
  const folder = await scratch(t)
  const [file, piped] = [path.join(folder, 'file.core'), path.join(folder, 'piped.core')]
  const input = transmission(stream(body, frames))
  await runTool('elf-sink', [file], input)
  const { status, stdout } = await runTool('elf-sink', ['-'], input)
  t.is(status, 0)
  fs.writeFileSync(piped, stdout)
  t.deepEqual(loads(await readelf(t, piped)), loads(await readelf(t, file)))
  const core = await openCore(piped)
  t.false(core.incomplete)
  t.deepEqual(Buffer.from(await core.read(0x1000n, 2 * PAGE)), Buffer.concat([A, B]))
  t.is((await pmemNote(piped)).status, undefined)
})

test('a core from a pipe tells what could not be read, what never came, and whether it is whole', async (t) => {
  const some = [data(0x1000n, A), fill(0x2000n, 0x1000n, 'unreadable')]
  const bad = [...some, fill(0x5000n, 0x800n, 'unknown'), data(0x5800n, A.subarray(0x800))]
  const { stdout } = await runTool('elf-sink', ['-'], transmission(stream(body, bad)))
  const core = await openElfImage(bufferSource(stdout))
  t.deepEqual(core.holes, [
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x5000n, length: 0x800n, content: 'unknown' },
  ])
  t.is(core.incomplete, undefined)
  const less = await runTool('elf-sink', ['-'], transmission(stream(body, some)))
  const { holes, incomplete } = await openElfImage(bufferSource(less.stdout))
  t.deepEqual(holes, [
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x5000n, length: 0x1000n, content: 'unknown' },
  ])
  t.is(incomplete, undefined)
  const failed = await runTool('elf-sink', ['-'], transmission(stream(body, frames), 'failed'))
  t.regex((await openElfImage(bufferSource(failed.stdout))).incomplete!, /^its input was failed/)
  const stump = await runTool('elf-sink', ['-'], cut(body, [data(0x1000n, A), data(0x2000n, B)]))
  t.regex((await openElfImage(bufferSource(stump.stdout))).incomplete!, /past the end.*its end was cut off/)
  const note: Frame = {
    type: 'note',
    stream: 1,
    time: 0n,
    body: { level: 'info', program: 'test', message: 'the last one' },
  }
  const unended = await runTool('elf-sink', ['-'], cut(body, [...frames, note]))
  t.is(unended.status, 3)
  t.regex((await openElfImage(bufferSource(unended.stdout))).incomplete!, /^its input was truncated/)
})

test('makedumpfile takes a core with VMCOREINFO and a direct map from META for a kernel', async (t) => {
  const folder = await scratch(t)
  const { memory: physical, vmcoreinfo } = tinyKernel()
  const facts = meta(
    `pmem:vmcoreinfo """${vmcoreinfo}""" ; pmem:directMapBase "0x${DIRECT_MAP.toString(16)}"; pmem:elfMachine "62"`,
  )
  const pages = TINY_KERNEL_RUNS.map(({ start, length }) =>
    data(start, physical.subarray(Number(start), Number(start + length))),
  )
  const announced = { ranges: ranges(...TINY_KERNEL_RUNS.map((r): [bigint, bigint] => [r.start, r.length])) }
  for (const [name, about] of [
    ['announced', announced],
    ['unannounced', {}],
  ] as const) {
    const [core, dump] = [path.join(folder, `${name}.core`), path.join(folder, `${name}.dump`)]
    const input = transmission(stream(memory(about), [facts, ...pages]))
    t.is((await runTool('elf-sink', [core], input)).status, 0)
    t.is(loads(await readelf(t, core))[0]?.[1], '0xffff888000001000')
    await run('makedumpfile', ['-d', '0', core, dump])
    t.true((await readFile(dump)).includes(physical.subarray(0x7000, 0x8000)))
  }
})

test('gdb finds the kernel at its own addresses, readers of physical memory find it once', async (t) => {
  const folder = await scratch(t)
  const { memory: physical, vmcoreinfo } = tinyKernel()
  const facts = meta(
    `pmem:vmcoreinfo """${vmcoreinfo}""" ; pmem:directMapBase "0x${DIRECT_MAP.toString(16)}"; pmem:elfMachine "62"`,
  )
  const pages = TINY_KERNEL_RUNS.map(({ start, length }) =>
    data(start, physical.subarray(Number(start), Number(start + length))),
  )
  const announced = { ranges: ranges(...TINY_KERNEL_RUNS.map((r): [bigint, bigint] => [r.start, r.length])) }
  for (const about of [announced, {}]) {
    const core = path.join(folder, 'kernel.core')
    const input = transmission(stream(memory(about), [facts, ...pages]))
    t.is((await runTool('elf-sink', ['-t', core], input)).status, 0)
    const look = ['x/s 0xffffffff82006000', 'x/s 0xffff888000006041', 'x/xg 0xffffffff82001ff8'].flatMap(
      (command) => ['-ex', command],
    )
    const gdb = await run('gdb', ['-nx', '-batch', '-ex', `core-file ${core}`, ...look])
    t.regex(gdb.stdout, /0xffffffff82006000:\s+"Linux"\n0xffff888000006041:\s+"tiny"/)
    t.regex(gdb.stdout, /0xffffffff82001ff8:\s+0x0000000000002003/)
    const listed = loads(await readelf(t, core))
    t.is(listed.length, 4)
    // Volatility 3 and LeechCore take what is as large in the file as in memory, in its order.
    const taken = listed.filter(([, , , filesz, memsz]) => filesz === memsz)
    t.deepEqual(
      taken.map(([, , paddr]) => Number(paddr)),
      [0x1000, 0x5000],
    )
    const image = await openElfImage(bufferSource(await readFile(core)))
    t.deepEqual([image.runs, image.holes], [TINY_KERNEL_RUNS, []])
    t.is(image.facts.directMapBase, DIRECT_MAP)
  }
})

test('facts and notes of a dump by QEMU are in the core that is made of it', async (t) => {
  const folder = await scratch(t)
  const [dump, first, second] = ['dump.elf', 'first.core', 'second.core'].map((name) =>
    path.join(folder, name),
  ) as [string, string, string]
  await haltedGuest([`dump-guest-memory "${dump}"`])
  const images = [await openElfImage(bufferSource(await readFile(dump)))]
  for (const [from, to] of [
    [dump, first],
    [first, second],
  ] as const) {
    const sent = await runTool('image-cat', [from], Buffer.alloc(0))
    t.is(sent.status, 0, sent.stderr)
    t.is((await runTool('elf-sink', ['--deterministic', to], sent.stdout)).status, 0)
    images.push(await openElfImage(bufferSource(await readFile(to))))
  }
  const [original, ...copies] = images
  for (const copy of copies) {
    t.deepEqual(copy.facts, original!.facts)
    t.deepEqual(copy.runs, original!.runs)
    for (const { start, length } of copy.runs)
      t.true(
        Buffer.from(await copy.read(start, Number(length))).equals(
          await original!.read(start, Number(length)),
        ),
      )
  }
  t.true((await readFile(second)).equals(await readFile(first)))
  t.regex(await readelf(t, first), /CORE .*NT_PRSTATUS.*\n +QEMU /)
  t.deepEqual(
    decodeNotes(original!.facts.elfNotes!).map(({ name }) => name),
    ['CORE', 'QEMU'],
  )
})

test('gdb finds the registers of a process in a core that is made of its core', async (t) => {
  const folder = await scratch(t)
  const [dumped, made] = [path.join(folder, 'dumped'), path.join(folder, 'made')]
  const commands = ['set startup-with-shell off', 'starti', `generate-core-file ${dumped}`, 'kill']
  await run('gdb', ['-nx', '-batch', ...commands.flatMap((command) => ['-ex', command]), '/bin/true'])
  const sent = await runTool('image-cat', [dumped], Buffer.alloc(0))
  t.is((await runTool('elf-sink', [made], sent.stdout)).status, 0)
  const look = ['info registers', 'info auxv', 'x/4i $pc', 'x/2s *(char **)($sp + 8)']
  const [before, after] = await Promise.all(
    [dumped, made].map(async (core) => {
      const gdb = await run('gdb', [
        '-nx',
        '-batch',
        ...look.flatMap((command) => ['-ex', command]),
        '/bin/true',
        core,
      ])
      return gdb.stdout
    }),
  )
  t.regex(before!, /^rip +0x/m)
  t.is(after, before)
})

test('a deterministic core has nothing of the machine that wrote it', async (t) => {
  const cores = ['here', 'there'].map(async (host) => {
    const program = { name: 'test-source', version: host, arguments: [host] }
    const start: Frame = {
      type: 'start',
      stream: 0,
      time: 0n,
      body: { format: 1, host, started: `2026-11-2${host.length}T00:00:00Z`, programs: [program] },
    }
    const end: Frame = { type: 'end', stream: 0, time: 0n, body: { status: 'complete', frames: 0, bytes: 0 } }
    const input = Buffer.concat(createEncoder().encode([start, ...stream(body, frames), end]))
    const { stdout } = await runTool('elf-sink', ['--deterministic', '-'], input)
    t.true((await runTool('elf-sink', ['-'], input)).stdout.includes(`"host":"${host}"`))
    return stdout
  })
  const [here, there] = await Promise.all(cores)
  t.true(here!.equals(there!))
  t.true(here!.includes('"stream":"PhysicalMemory"'))
})

test('more ranges than others read are told beforehand', async (t) => {
  const out = path.join(await scratch(t), 'memory.core')
  const runs = Array.from({ length: 145 }, (_, i): [bigint, bigint] => [BigInt(i) * 0x2000n, 0x1000n])
  const pages = runs.map(([start]) => data(start, A))
  for (const about of [{ ranges: ranges(...runs) }, {}]) {
    const { status, stderr } = await runTool(
      'elf-sink',
      ['-t', out],
      transmission(stream(memory(about), pages)),
    )
    t.is(status, 0)
    t.regex(stderr, /146 program headers: LeechCore and MemProcFS cannot read .*\nhint: aff4-sink/)
  }
  const fewer = transmission(stream(memory({ ranges: ranges(...runs.slice(1)) }), pages.slice(1)))
  t.is((await runTool('elf-sink', ['-t', out], fewer)).stderr, '')
})

test('ranges that nobody announced are found on the way into a file', async (t) => {
  const out = path.join(await scratch(t), 'memory.core')
  const input = transmission(
    stream(memory(), [...frames, fill(0x6000n, 0x4000_0000n, 'zero'), data(0x9000_0000n, B)]),
  )
  t.is((await runTool('elf-sink', [out], input)).status, 0)
  t.deepEqual(
    loads(await readelf(t, out)).map(([, , paddr, filesz]) => [Number(paddr), Number(filesz)]),
    [
      [0x1000, 0x2000],
      [0x5000, 0x4000_1000],
      [0x9000_0000, 0x1000],
    ],
  )
  t.true(fs.statSync(out).blocks * 512 < 1 << 20)
})

test('ranges that nobody announced are refused for a pipe, with the way out', async (t) => {
  const { status, stdout, stderr } = await runTool('elf-sink', ['-'], transmission(stream(memory(), frames)))
  t.is(status, 65)
  t.is(stdout.length, 0)
  t.regex(stderr, /standard output: the stream does not tell its ranges ahead\nhint: .*regular file/)
})

test('unreadable ranges are padded with the text and listed beside the core', async (t) => {
  const out = path.join(await scratch(t), 'memory.core')
  const bad = [
    data(0x1000n, A),
    fill(0x2000n, 0x1000n, 'unreadable'),
    fill(0x5000n, 0x800n, 'unknown'),
    fill(0x5800n, 0x400n, 'byte', 7),
    fill(0x5c00n, 0x400n, 'zero'),
  ]
  const { status } = await runTool('elf-sink', [out], transmission(stream(body, bad)))
  t.is(status, 2)
  await readelf(t, out)
  const core = await openCore(out)
  t.is(Buffer.from(await core.read(0x2000n, 14)).toString(), 'READABLEDATAUN')
  t.is(Buffer.from(await core.read(0x5000n, 7)).toString(), 'WNUNKNO')
  t.deepEqual([...(await core.read(0x5bffn, 2))], [7, 0])
  t.deepEqual(
    decodeMapfile(await readFile(`${out}.map`)).blocks.map(({ start, status }) => [Number(start), status]),
    [
      [0, '?'],
      [0x1000, '+'],
      [0x2000, '-'],
      [0x3000, '?'],
      [0x5800, '+'],
    ],
  )
  t.like(await pmemNote(out), {
    status: 'complete',
    holes: [
      ['0x2000', '0x1000', 'unreadable'],
      ['0x5000', '0x800', 'unknown'],
    ],
  })
  const image = await openElfImage(bufferSource(await readFile(out)))
  t.deepEqual(image.holes, [
    { start: 0x2000n, length: 0x1000n, content: 'unreadable' },
    { start: 0x5000n, length: 0x800n, content: 'unknown' },
  ])
  t.deepEqual(image.runs, [
    { start: 0x1000n, length: 0x1000n },
    { start: 0x5800n, length: 0x800n },
  ])
})

test('an input that was cut leaves a core of what came, marked as incomplete', async (t) => {
  const folder = await scratch(t)
  const partial = path.join(folder, 'memory.partial.core')
  for (const about of [body, memory()]) {
    const input = cut(about, [...frames, fill(0x6000n, 0x1000n, 'zero')].slice(0, about === body ? 2 : 3))
    const { status } = await runTool('elf-sink', ['-t', path.join(folder, 'memory.core')], input)
    t.is(status, 3)
    const listing = await readelf(t, partial)
    t.regex(listing, /Flags: +0x1/)
    const kept = about === body ? 1 : 2
    t.is(loads(listing).length, kept)
    const core = await openCore(partial)
    t.true(core.incomplete)
    t.deepEqual(core.missing, [])
    t.deepEqual(Buffer.from(await core.read(0x1000n, 2 * PAGE)), Buffer.concat([A, B]))
    t.like(await pmemNote(partial), { status: 'truncated' })
    t.is(decodeMapfile(await readFile(`${partial}.map`)).status, '?')
  }
})

test('a pipe that was cut is a core whose rest is missing', async (t) => {
  const { status, stdout } = await runTool('elf-sink', ['-'], cut(body, frames))
  t.is(status, 3)
  const core = await openElfCore(bufferSource(stdout))
  t.true(core.incomplete)
  t.deepEqual(core.missing, [{ start: 0x5000n, length: 0x1000n }])
})

test('a core that is not finished yet is already marked as incomplete', async (t) => {
  const out = path.join(await scratch(t), 'memory.core')
  let seen: Buffer | undefined
  const large = Buffer.alloc(0x400000, 'x')
  const whole = transmission(
    stream(memory({ ranges: ranges([0n, 0x800000n]) }), [data(0n, large), data(0x400000n, large)]),
  )
  async function* slowly() {
    yield whole.subarray(0, 0x600000)
    seen = await onceItBegins(out.replace('.core', '.partial.core'), '\x7fELF')
    yield whole.subarray(0x600000)
  }
  t.is((await runTool('elf-sink', [out], slowly())).status, 0)
  t.is(seen?.readUInt32LE(48), 1)
  t.is(fs.readFileSync(out).readUInt32LE(48), 0)
})

for (const announced of [true, false])
  test(`70,000 ranges, ${announced ? 'announced' : 'found on the way'}`, async (t) => {
    const out = path.join(await scratch(t), 'memory.core')
    const starts = Array.from({ length: 70_000 }, (_, i) => BigInt(i) * 0x2000n)
    const about = memory(
      announced ? { ranges: ranges(...starts.map((start): [bigint, bigint] => [start, 16n])) } : {},
    )
    const sent = starts.map((start, i) => data(start, Buffer.from(`range ${i}`.padEnd(16))))
    t.is((await runTool('elf-sink', [out], transmission(stream(about, sent)))).status, 0)
    const listing = await readelf(t, out)
    t.regex(listing, /Number of program headers: +65535 \(70001\)/)
    t.is(loads(listing).length, 70_000)
    const core = await openCore(out)
    t.is(Buffer.from(await core.read(69_999n * 0x2000n, 16)).toString(), 'range 69999     ')
  })

test('more than a file can hold is refused before a byte, and leaves no file', async (t) => {
  const folder = await scratch(t)
  const vast = memory({ ranges: ranges([0n, 1n << 62n]) })
  const { status, stderr } = await runTool(
    'elf-sink',
    ['--ignore-space', path.join(folder, 'x.core')],
    transmission(stream(vast, [data(0n, A)])),
  )
  t.is(status, 73)
  t.regex(stderr, /no files of 4.0 EiB.*\nhint: aff4-sink/)
  t.deepEqual(fs.readdirSync(folder), [])
})

test('data outside the announced ranges is refused at its address', async (t) => {
  const { status, stderr } = await runTool('elf-sink', ['-'], transmission(stream(body, [data(0x4000n, A)])))
  t.is(status, 65)
  t.regex(stderr, /address 0x4000 is in none of the ranges/)
})

test('ranges in no order end up ascending', async (t) => {
  const folder = await scratch(t)
  const backwards = [data(0x5000n, A), data(0x2000n, B), data(0x1000n, A)]
  for (const about of [{}, { ranges: body.ranges! }]) {
    const out = path.join(folder, `${Object.keys(about).length}.core`)
    const input = transmission(stream(memory({ ...about, ordered: false }), backwards))
    t.is((await runTool('elf-sink', [out], input)).status, 0)
    await readelf(t, out)
    const core = await openCore(out)
    t.deepEqual(core.runs, [
      { start: 0x1000n, length: 0x2000n },
      { start: 0x5000n, length: 0x1000n },
    ])
    t.deepEqual(Buffer.from(await core.read(0x1000n, 2 * PAGE)), Buffer.concat([A, B]))
  }
})

test('the core of a process is read at its virtual addresses', async (t) => {
  const out = path.join(await scratch(t), 'process.core')
  const [code, vsyscall] = [0x5555_5555_4000n, 0xffff_ffff_ff60_0000n]
  const about: StreamBody = memory({
    category: 'memory:virtual',
    ranges: ranges([code, 0x1000n], [vsyscall, 0x1000n]),
  })
  t.is(
    (await runTool('elf-sink', [out], transmission(stream(about, [data(code, A), data(vsyscall, B)]))))
      .status,
    0,
  )
  t.deepEqual(
    loads(await readelf(t, out)).map(([, vaddr, paddr]) => [BigInt(vaddr!), BigInt(paddr!)]),
    [
      [code, 0n],
      [vsyscall, 0n],
    ],
  )
  t.is((await openCore(out)).addresses, 'virtual')
  const look = [`x/c ${code}`, `x/c ${vsyscall}`].flatMap((command) => ['-ex', command])
  const { stdout } = await run('gdb', ['-nx', '-batch', '-ex', `core-file ${out}`, ...look])
  t.regex(stdout, /0x555555554000:\s+65 'A'/)
  t.regex(stdout, /0xffffffffff600000:\s+66 'B'/)
})

test('whatever comes reads back, to a file and to a pipe', async (t) => {
  const folder = await scratch(t)
  await fc.assert(
    fc.asyncProperty(anyMemory(52), async ({ frames: sent, runs, contents }) => {
      const announced = transmission(stream(memory({ ranges: ranges(...runs) }), sent))
      const out = path.join(folder, 'out.core')
      const cores = [(await runTool('elf-sink', ['-'], announced)).stdout]
      for (const input of [announced, transmission(stream(memory(), sent))]) {
        t.is((await runTool('elf-sink', ['-t', out], input)).status, 0)
        cores.push(await readFile(out))
      }
      for (const bytes of cores) {
        const core = await openElfCore(bufferSource(bytes))
        t.false(core.incomplete)
        for (const [i, [start, length]] of runs.entries())
          t.true(contents[i]!.equals(await core.read(start, Number(length))))
      }
    }),
    { numRuns: 10 },
  )
})
