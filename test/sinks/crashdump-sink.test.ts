import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { openImageFile } from '../../src/formats/image/image-file.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { readRuns } from '../formats/image/surroundings.js'
import { anyMemory } from './memory-parts.js'
import { cut, data, fill, memory, meta, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const run = promisify(execFile)
const PAGE = 0x1000
const A = Buffer.alloc(PAGE, 'A')
const B = Buffer.alloc(PAGE, 'B')
const body = memory({ ranges: ranges([0x1000n, 0x2000n], [0x5000n, 0x1000n]) })
const frames: Frame[] = [data(0x1000n, Buffer.concat([A, B])), data(0x5000n, A)]

const I386 = meta('pmem:elfMachine "3"')

/** Every other page, from `first` on, each with its number all over. */
const everyOther = (count: number, first = 1): { about: StreamBody; sent: Frame[] } => {
  const pages = Array.from({ length: count }, (_, i) => first + 2 * i)
  const starts = pages.map((page) => BigInt(page) * 0x1000n)
  return {
    about: memory({ ranges: ranges(...starts.map((start): [bigint, bigint] => [start, 0x1000n])) }),
    sent: starts.map((start, i) => data(start, Buffer.alloc(PAGE, i + 1))),
  }
}

interface Listed {
  bits: number
  type: number
  required: number
  end: number
  runs: [start: number, length: number, sha256: string][]
}

/** What a reader that we share nothing with finds in dumps. */
async function listed(...files: string[]): Promise<Listed[]> {
  const { stdout } = await run('/usr/bin/python3', ['test/sinks/read-crash-dump.py', ...files])
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Listed)
}
const digest = (...pieces: Buffer[]) => createHash('sha256').update(Buffer.concat(pieces)).digest('hex')
const HELD = [
  [0x1000, 0x2000, digest(A, B)],
  [0x5000, 0x1000, digest(A)],
]

async function sink(out: string, about: StreamBody, sent: readonly Frame[]) {
  return runTool('crashdump-sink', ['-t', out], transmission(stream(about, sent)))
}

test('few ranges become a full dump, in a file and in a pipe alike', async (t) => {
  const folder = await scratch(t)
  const [out, piped] = [path.join(folder, 'memory.dmp'), path.join(folder, 'piped.dmp')]
  const { status, stderr } = await sink(out, body, frames)
  t.is(status, 0, stderr)
  const { stdout } = await sink('-', body, frames)
  fs.writeFileSync(piped, stdout)
  for (const found of await listed(out, piped))
    t.deepEqual(found, { bits: 64, type: 1, required: 0x5000, end: 0x5000, runs: HELD as Listed['runs'] })
  t.true(stdout.equals(await readFile(out)))
  t.regex((await run('file', [out])).stdout, /MS Windows 64bit crash dump, full dump, 3 pages/)
  t.false(fs.existsSync(`${out}.map`))
})

test('more ranges than the header holds become a bitmap dump', async (t) => {
  const folder = await scratch(t)
  const outs = ['42.dmp', '43.dmp', 'piped.dmp'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const [i, count] of [42, 43].entries()) {
    const { about, sent } = everyOther(count)
    t.is((await sink(outs[i]!, about, sent)).status, 0)
  }
  const { about, sent } = everyOther(43)
  fs.writeFileSync(outs[2], (await sink('-', about, sent)).stdout)
  const [few, many, piped] = await listed(...outs)
  t.like(few, { type: 1 })
  t.is(few!.runs.length, 42)
  t.like(many, { type: 5, required: many!.end })
  t.deepEqual(
    many!.runs,
    sent.map((_, i) => [(1 + 2 * i) * PAGE, PAGE, digest(Buffer.alloc(PAGE, i + 1))]),
  )
  t.deepEqual(piped, many)
})

test('a 32-bit machine below 4 GiB has a 32-bit dump, with room for 86 ranges', async (t) => {
  const folder = await scratch(t)
  const outs = ['86.dmp', '87.dmp', 'high.dmp'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const [i, { about, sent }] of [everyOther(86), everyOther(87), everyOther(2, 1 << 20)].entries())
    t.is((await sink(outs[i]!, about, [I386, ...sent])).status, 0)
  const [few, many, high] = await listed(...outs)
  t.like(few, { bits: 32, type: 1 })
  t.is(few!.runs.length, 86)
  t.like(many, { bits: 32, type: 5 })
  t.is(many!.runs.length, 87)
  t.like(high, { bits: 64, type: 1 })
})

test('the header tells what is known, and what WinDbg lacks is said', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const told =
    meta(`pmem:operatingSystem "Windows" ; pmem:elfMachine "62" ; pmem:processors "4" ; pmem:cr3 "1757186" ;
    aff4:memoryPageTableEntryOffset "1757184" ; aff4:NTBuilderNumber "19041" ; aff4:NTKDBG "18446735286966127392" ;
    pmem:acquisitionTime "2022-06-18T04:26:40.1234567Z" ; pmem:description "made by lab"`)
  const { stderr } = await sink(out, body, [told, ...frames])
  t.regex(
    stderr,
    /memory\.dmp: WinDbg needs what is not known: PsLoadedModuleList, PsActiveProcessHead\nhint: Vol/,
  )
  const { facts } = await openImageFile(out)
  t.deepEqual(
    { ...facts, crashDumpHeader: undefined },
    {
      system: 'Windows',
      machine: 62n,
      processors: 4n,
      cr3: 1757186n,
      pageTableRoot: 1757184n,
      ntBuild: 19041n,
      kdDebuggerDataBlock: 0xfffff8022d478b20n,
      acquisitionTime: BigInt(Date.UTC(2022, 5, 18, 4, 26, 40)) * 1_000_000n + 123_456_700n,
      description: 'made by lab',
      crashDumpHeader: undefined,
    },
  )
})

test('what a header cannot say is named, and nothing stands for it', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const told = meta(
    `pmem:operatingSystem "Linux" ; pmem:elfMachine "243" ; pmem:pagingLevels "4" ; pmem:description "${'long'.repeat(40)}" ;
    pmem:kernelRelease "6.1"`,
  )
  const { status, stderr } = await sink(out, body, [told, ...frames])
  t.is(status, 0)
  t.regex(stderr, /no place for: kernel release\nhint: aff4-sink/)
  t.regex(stderr, /no place for: machine, paging levels, description\nhint: aff4-sink/)
  t.regex(stderr, /no debugger of Windows opens a dump of Linux/)
  t.deepEqual(Object.keys((await openImageFile(out)).facts), ['crashDumpHeader'])
})

for (const name of ['t-full.dmp', 't-bmp.dmp', 't-32.dmp'])
  test(`${name} comes back byte for byte, through an ELF core and an AFF4 volume, too`, async (t) => {
    const folder = await scratch(t)
    const fixture = path.resolve('test/data/images', name)
    const script = `image-cat ${fixture} | elf-sink a.core; image-cat a.core | aff4-sink b.aff4
      image-cat b.aff4 | crashdump-sink c.dmp; image-cat ${fixture} | crashdump-sink - > d.dmp`
    const env = { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` }
    await run('sh', ['-c', script], { cwd: folder, env })
    for (const copy of ['c.dmp', 'd.dmp'])
      t.true((await readFile(path.join(folder, copy))).equals(await readFile(fixture)), copy)
  })

test('the header of a dump stays with memory of which a part is left', async (t) => {
  const folder = await scratch(t)
  const { facts } = await openImageFile('test/data/images/t-full.dmp')
  const header = meta(`pmem:crashDumpHeader "${Buffer.from(facts.crashDumpHeader!).toString('base64')}"`)
  const outs = [path.join(folder, 'part.dmp'), path.join(folder, 'more.dmp')] as const
  const part = memory({ ranges: ranges([0x2000n, 0x1000n]) })
  await sink(outs[0], part, [header, data(0x2000n, B)])
  const { about, sent } = everyOther(50)
  await sink(outs[1], about, [header, ...sent])
  const [left, more] = await listed(...outs)
  t.deepEqual(left, { bits: 64, type: 1, required: 0x3000, end: 0x3000, runs: [[0x2000, 0x1000, digest(B)]] })
  t.like(more, { bits: 64, type: 5, required: more!.end })
  for (const out of outs)
    t.like((await openImageFile(out)).facts, {
      ...facts,
      crashDumpHeader: (await openImageFile(out)).facts.crashDumpHeader,
    })
})

test('unreadable pages are filled in a full dump, left out of a bitmap, and known again from the map', async (t) => {
  const folder = await scratch(t)
  const outs = [path.join(folder, 'full.dmp'), path.join(folder, 'bitmap.dmp')] as const
  const bad = [data(0x1000n, A), fill(0x2000n, 0x1000n, 'unreadable'), fill(0x5000n, 0x1000n, 'unknown')]
  const { about, sent } = everyOther(42, 7)
  const more = memory({ ranges: [...body.ranges!, ...about.ranges!] })
  t.is((await sink(outs[0], body, bad)).status, 2)
  t.is((await sink(outs[1], more, [...bad, ...sent])).status, 2)
  const [full, bitmap] = await listed(...outs)
  t.is(full!.runs[0]![1], 0x2000)
  t.is((await readFile(outs[0])).subarray(0x3000, 0x300e).toString(), 'READABLEDATAUN')
  t.deepEqual(bitmap!.runs.slice(0, 2), [
    [0x1000, 0x1000, digest(A)],
    [0x7000, 0x1000, digest(Buffer.alloc(PAGE, 1))],
  ])
  for (const out of outs) {
    t.deepEqual(
      decodeMapfile(await readFile(`${out}.map`))
        .blocks.slice(0, 4)
        .map(({ start, status }) => [Number(start), status]),
      [
        [0, '?'],
        [0x1000, '+'],
        [0x2000, '-'],
        [0x3000, '?'],
      ],
    )
    const image = await openImageFile(out)
    t.deepEqual(image.runs[0], { start: 0x1000n, length: 0x1000n })
    t.deepEqual(image.holes[0], { start: 0x2000n, length: 0x1000n, content: 'unreadable' })
  }
})

test('a pipe is told its pages ahead, so those that cannot be read are filled there', async (t) => {
  const { about, sent } = everyOther(43)
  const bad = sent.map((frame, i) => (i === 1 ? fill(0x3000n, 0x1000n, 'unreadable') : frame))
  const { status, stdout, stderr } = await sink('-', about, bad)
  t.is(status, 2)
  t.regex(stderr, /no map beside it lists what could not be read/)
  const whole = (await sink('-', about, sent)).stdout
  t.is(stdout.length, whole.length)
  t.is(stdout.toString('latin1', 0x4000, 0x400e), 'DATAUNREADABLE')
})

test('a page of which a part could not be read stays, with the text in that part', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const { about, sent } = everyOther(43, 7)
  const more = memory({ ranges: [['0x1000', '0x4000'], ...about.ranges!] })
  const bad = [
    data(0x1000n, A.subarray(0x800)),
    fill(0x1800n, 0x2400n, 'unreadable'),
    data(0x3c00n, A.subarray(0xc00)),
  ]
  t.is((await sink(out, more, [...bad, ...sent])).status, 2)
  const image = await openImageFile(out)
  t.deepEqual(
    image.runs.slice(0, 2).map(({ start, length }) => [start, length]),
    [
      [0x1000n, 0x800n],
      [0x3c00n, 0x400n],
    ],
  )
  t.deepEqual(image.holes[0], { start: 0x1800n, length: 0x2400n, content: 'unreadable' })
  t.is((await listed(out))[0]!.runs[0]![1], 0x1000)
})

test('ranges that nobody announced become a bitmap dump in a file', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const far = [...frames, fill(0x6000n, 0x4000_0000n, 'zero'), data(0x9000_0000n, B)]
  t.is((await sink(out, memory(), far)).status, 0)
  const image = await openImageFile(out)
  t.is(image.variant, 'bitmap, 64 bit')
  t.deepEqual(image.runs, [
    { start: 0x1000n, length: 0x2000n },
    { start: 0x5000n, length: 0x4000_1000n },
    { start: 0x9000_0000n, length: 0x1000n },
  ])
  t.deepEqual(Buffer.from(await image.read(0x9000_0000n, PAGE)), B)
  t.deepEqual(image.remarks, [])
  t.true(fs.statSync(out).blocks * 512 < 2 << 20)
})

test('memory up to 8 TiB takes no more than its pages and a bitmap in steps', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const starts = Array.from({ length: 50 }, (_, i) => BigInt(i) << 37n)
  const about = memory({ ranges: ranges(...starts.map((start): [bigint, bigint] => [start, 0x1000n])) })
  const { status, stderr } = await sink(
    out,
    about,
    starts.map((start, i) => data(start, Buffer.alloc(PAGE, i + 1))),
  )
  t.is(status, 0, stderr)
  const image = await openImageFile(out)
  t.deepEqual(
    image.runs.map(({ start }) => start),
    starts,
  )
  t.deepEqual(Buffer.from(await image.read(starts[49]!, PAGE)), Buffer.alloc(PAGE, 50))
  t.true(fs.statSync(out).blocks * 512 < 100 << 20)
})

test('ranges that end inside of pages are filled up with zeros, and the map tells', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const low = Buffer.alloc(0x9fc00, 'L')
  for (const [about, type] of [
    [memory({ ranges: ranges([0n, 0x9fc00n], [0x10_0000n, 0x1000n]) }), 1],
    [memory(), 5],
  ] as const) {
    const { status, stderr } = await sink(out, about, [data(0n, low), data(0x10_0000n, A)])
    t.is(status, 0)
    if (about.ranges) t.regex(stderr, /holds whole pages: .*\nhint: .*\.map tells which/)
    const [found] = await listed(out)
    t.is(found!.type, type)
    t.deepEqual(found!.runs[0], [0, 0xa0000, digest(low, Buffer.alloc(0x400))])
    const image = await openImageFile(out)
    t.deepEqual(image.runs[0], { start: 0n, length: 0x9fc00n })
    t.deepEqual(image.holes, [{ start: 0x9fc00n, length: 0x400n, content: 'unknown' }])
  }
})

test('what was announced and did not come reads as zeros in a full dump, and the map tells', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  t.is((await sink(out, body, [data(0x1000n, A)])).status, 0)
  const [found] = await listed(out)
  t.deepEqual(found!.runs, [
    [0x1000, 0x2000, digest(A, Buffer.alloc(PAGE))],
    [0x5000, 0x1000, digest(Buffer.alloc(PAGE))],
  ])
  t.deepEqual((await openImageFile(out)).runs, [{ start: 0x1000n, length: 0x1000n }])
})

test('an input that was cut leaves a stump that says so', async (t) => {
  const folder = await scratch(t)
  const partial = path.join(folder, 'memory.partial.dmp')
  for (const about of [body, memory()]) {
    const input = cut(about, [...frames, fill(0x6000n, 0x1000n, 'zero')].slice(0, about === body ? 2 : 3))
    t.is((await runTool('crashdump-sink', ['-t', path.join(folder, 'memory.dmp')], input)).status, 3)
    const image = await openImageFile(partial)
    t.regex(image.incomplete!, /bytes that its header demands/)
    t.is(image.facts.description, 'INCOMPLETE (truncated)')
    t.deepEqual(Buffer.from(await image.read(0x1000n, 2 * PAGE)), Buffer.concat([A, B]))
    t.is(decodeMapfile(await readFile(`${partial}.map`)).status, '?')
  }
  const { status, stdout } = await runTool('crashdump-sink', ['-'], cut(body, frames))
  t.is(status, 3)
  const piped = path.join(folder, 'piped.dmp')
  fs.writeFileSync(piped, stdout)
  t.regex((await openImageFile(piped)).incomplete!, /bytes that its header demands/)
})

test('a stream that its source calls failed makes no dump that looks whole', async (t) => {
  const out = path.join(await scratch(t), 'memory.dmp')
  const failed = stream(body, frames).map(
    (frame): Frame => (frame.type === 'close' ? { ...frame, body: { status: 'failed', bytes: 0 } } : frame),
  )
  t.is((await runTool('crashdump-sink', [out], transmission(failed))).status, 2)
  const image = await openImageFile(out)
  t.truthy(image.incomplete)
  t.is(image.facts.description, 'INCOMPLETE (failed)')
})

const REFUSED: Record<string, readonly [about: StreamBody, out: string, message: RegExp]> = {
  'ranges that nobody announced, to a pipe': [
    memory(),
    '-',
    /does not tell its ranges ahead\nhint: .*regular file/,
  ],
  'ranges in no order': [
    { ...body, ordered: false },
    'x.dmp',
    /not come in the order of its addresses\nhint: aff4-sink/,
  ],
  'the memory of a process': [
    { ...body, category: 'memory:virtual' },
    'x.dmp',
    /no physical addresses\nhint: elf-sink/,
  ],
  'addresses beyond 2^52': [
    memory({ ranges: ranges([0x1000n, 0x1000n], [1n << 52n, 0x1000n]) }),
    'x.dmp',
    /address 0x10000000000fff is higher than a crash dump of 64 bit can say\nhint: aff4-sink/,
  ],
  'a bitmap of more than 1 GiB': [
    memory({ ranges: [...everyOther(50).about.ranges!, ['0x200000000000', '0x1000']] }),
    'x.dmp',
    /bitmap of all pages up to address 0x200000000fff is larger than 1 GiB\nhint: aff4-sink/,
  ],
}
for (const [what, [about, out, message]] of Object.entries(REFUSED))
  test(`${what}: refused before a byte`, async (t) => {
    const folder = await scratch(t)
    const { status, stdout, stderr } = await sink(out === '-' ? out : path.join(folder, out), about, frames)
    t.is(status, 65)
    t.regex(stderr, message)
    t.is(stdout.length, 0)
    t.deepEqual(fs.readdirSync(folder), [])
  })

test('data outside the announced ranges is refused at its address', async (t) => {
  for (const address of [0x4000n, 0x6000n]) {
    const { status, stderr } = await sink('-', body, [data(0x1000n, A), data(address, A)])
    t.is(status, 65)
    t.regex(stderr, new RegExp(`address 0x${address.toString(16)} is in none of the ranges`))
  }
})

test('whatever comes reads back, from a file and from a pipe', async (t) => {
  const folder = await scratch(t)
  await fc.assert(
    fc.asyncProperty(anyMemory(36), async ({ frames: sent, runs, contents }) => {
      const out = path.join(folder, 'out.dmp')
      const about = memory({ ranges: ranges(...runs) })
      const files = [out, out, path.join(folder, 'piped.dmp')] as const
      for (const [i, told] of [about, memory(), about].entries()) {
        const { status, stdout } = await sink(i < 2 ? out : '-', told, sent)
        t.is(status, 0)
        if (i === 2) fs.writeFileSync(files[i]!, stdout)
        const image = await openImageFile(files[i]!)
        t.is(image.incomplete, undefined)
        for (const [n, [start, length]] of runs.entries())
          t.true(contents[n]!.equals(await image.read(start, Number(length))))
        t.true((await readRuns(image)).length > 0)
        await image.close()
      }
    }),
    { numRuns: 5 },
  )
})
