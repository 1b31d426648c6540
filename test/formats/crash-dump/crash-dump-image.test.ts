import { readFileSync } from 'node:fs'
import test from 'ava'
import { openCrashDump } from '../../../src/formats/crash-dump/crash-dump-image.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'

const format = FORMATS.find(({ name }) => name === 'crashdump')!
const PAGE = 0x1000
const FIXTURES = { full: 't-full.dmp', bitmap: 't-bmp.dmp', small: 't-32.dmp' } as const
const fixture = (name: keyof typeof FIXTURES) => readFileSync(`test/data/images/${FIXTURES[name]}`)
const surroundings = () => surroundingsOf('memory.dmp')

/** What all three hold: see test/data/images/README.md. */
const RUNS = [
  { start: 0x1000n, length: 0x2000n },
  { start: 0x5000n, length: 0x1000n },
]
const CONTENT = [
  Buffer.concat([Buffer.alloc(PAGE, 'A'), Buffer.alloc(PAGE, 'B')]),
  Buffer.from(Uint8Array.from({ length: PAGE }, (_, i) => i * 7 + (i >> 8))),
]

/** A copy of a fixture with a little-endian number at an offset. */
function patched(
  name: keyof typeof FIXTURES,
  ...changes: [offset: number, value: bigint, size?: 4][]
): Buffer {
  const bytes = Buffer.from(fixture(name))
  for (const [offset, value, size] of changes)
    if (size === 4) bytes.writeUInt32LE(Number(value), offset)
    else bytes.writeBigUInt64LE(value, offset)
  return bytes
}

for (const [name, variant] of [
  ['full', 'full, 64 bit'],
  ['bitmap', 'bitmap, 64 bit'],
  ['small', 'full, 32 bit'],
] as const)
  test(`a dump that is ${variant} gives its pages at their addresses`, async (t) => {
    const source = bufferSource(fixture(name))
    t.true(await format.recognises(fixture(name), source))
    const image = await format.open(source, surroundings())
    t.is(image.variant, variant)
    t.deepEqual(image.runs, RUNS)
    t.deepEqual(image.holes, [])
    t.is(image.size, 0x6000n)
    t.deepEqual(await readRuns(image), CONTENT)
    t.deepEqual(await readRuns(image, 0x123), CONTENT)
    t.is(image.incomplete, undefined)
    // Whoever made the bitmap dump did not count the bitmap.
    t.is(image.remarks.length, name === 'bitmap' ? 1 : 0)
  })

test('the header tells of the machine, and stays as it is', async (t) => {
  const { facts } = await openCrashDump(bufferSource(fixture('full')))
  const { crashDumpHeader, ...told } = facts
  t.deepEqual(told, {
    system: 'Windows',
    machine: 62n,
    processors: 2n,
    ntBuild: 19041n,
    pageTableRoot: 0x1ad000n,
    cr3: 0x1ad000n,
    kdDebuggerDataBlock: 0xfffff8022d478b20n,
    pfnDataBase: 0xffff8a8000000000n,
    psLoadedModuleList: 0xfffff8022d4a2150n,
    psActiveProcessHead: 0xfffff8022d498c90n,
    acquisitionTime: BigInt(Date.UTC(2022, 5, 18, 4, 26, 40)) * 1_000_000n,
    description: 'made by lab',
  })
  t.deepEqual(Buffer.from(crashDumpHeader!), fixture('full').subarray(0, 0x2000))
  const bitmap = await openCrashDump(bufferSource(fixture('bitmap')))
  t.deepEqual(Buffer.from(bitmap.facts.crashDumpHeader!), fixture('bitmap').subarray(0, 0x2038))
})

test('a 32-bit header tells of PAE, and what was never set is not known', async (t) => {
  const { facts } = await openCrashDump(bufferSource(fixture('small')))
  const { crashDumpHeader, ...told } = facts
  t.deepEqual(told, {
    system: 'Windows',
    machine: 3n,
    processors: 1n,
    ntBuild: 2600n,
    pageTableRoot: 0x39000n,
    cr3: 0x39000n,
    pagingLevels: 3n,
    kdDebuggerDataBlock: 0x8054cde0n,
    pfnDataBase: 0x81086000n,
    psLoadedModuleList: 0x8055a420n,
    psActiveProcessHead: 0x80560bd8n,
  })
  t.is(crashDumpHeader?.length, 0x1000)
  const filled = patched('full')
  for (const [start, end] of [
    [8, 0x88],
    [0xfa0, 0x1030],
  ] as const)
    filled.fill('PAGE', start, end)
  const image = await openCrashDump(bufferSource(filled))
  t.deepEqual(Object.keys(image.facts), ['crashDumpHeader'])
  t.is(image.incomplete, undefined)
})

test('a bug check is told with its parameters', async (t) => {
  const crashed = patched('full', [0x38, 0xe2n, 4], [0x40, 0x1n], [0x48, 0xffff_f800_0000_0000n])
  const { facts } = await openCrashDump(bufferSource(crashed))
  t.is(facts.bugCheck, '0x000000e2 (0x1, 0xfffff80000000000, 0x0, 0x0)')
})

for (const type of [6n, 5n])
  test(`a bitmap dump of type ${type} of a 32-bit machine begins in the second page`, async (t) => {
    const small = patched('small', [0xf88, type, 4], [0xfa0, 0x5000n])
    const summary = fixture('bitmap').subarray(0x2000, 0x3000)
    summary.writeUInt32LE(0x2000, 0x20)
    const bytes = Buffer.concat([small.subarray(0, 0x1000), summary, ...CONTENT])
    const image = await openCrashDump(bufferSource(bytes))
    t.is(image.variant, `${type === 5n ? 'bitmap' : 'active memory'}, 32 bit`)
    t.deepEqual(await readRuns(image), CONTENT)
  })

test('a dump that was cut is a stump, whose rest is a hole', async (t) => {
  const { runs, holes, incomplete } = await openCrashDump(bufferSource(fixture('full').subarray(0, 0x3800)))
  t.deepEqual(runs, [{ start: 0x1000n, length: 0x1800n }])
  t.deepEqual(holes, [
    { start: 0x2800n, length: 0x800n, content: 'unknown' },
    { start: 0x5000n, length: 0x1000n, content: 'unknown' },
  ])
  t.regex(incomplete!, /14336 of the 20480 bytes/)
  const unsaid = patched('bitmap', [0xfa0, 0n]).subarray(0, 0x5000)
  t.regex((await openCrashDump(bufferSource(unsaid))).incomplete!, /ends at 0x5000, before the last/)
})

test('a dump of which nothing is missing but what its header demands is a stump, too', async (t) => {
  const image = await openCrashDump(bufferSource(patched('full', [0xfa0, 0x5001n])))
  t.deepEqual(image.runs, RUNS)
  t.regex(image.incomplete!, /20480 of the 20481 bytes/)
})

test('what does not fit together is told', async (t) => {
  const odd = patched('full', [0x90, 9n], [0xfa0, 0x4000n], [0xa8, 2n])
  const { remarks, runs } = await openCrashDump(bufferSource(Buffer.concat([odd, Buffer.alloc(100)])))
  t.deepEqual(runs, [{ start: 0x1000n, length: 0x2000n }])
  t.deepEqual(remarks, [
    'the header counts 9 pages where 3 are listed',
    'the header tells of a file of 16384 bytes where its pages take 20480',
    '100 bytes behind the last page are not read',
    'pages that are listed twice: 1; the first copy counts',
  ])
})

test('dumps of another kind are named, with what opens them', async (t) => {
  for (const [type, what] of [
    [2n, /kernel memory dump/],
    [3n, /without memory/],
    [4n, /minidump/],
    [7n, /of type 7/],
  ] as const) {
    const error = await t.throwsAsync(openCrashDump(bufferSource(patched('full', [0xf98, type, 4]))))
    t.regex(error.message, what)
    t.like(error, { name: 'FormatError', hint: 'WinDbg opens it' })
  }
})

test('a minidump of a process is no raw image', async (t) => {
  const bytes = Buffer.from('4d444d5093a70000'.padEnd(0x400, '0'), 'hex')
  t.is(await detect(bufferSource(bytes)), format)
  await t.throwsAsync(openCrashDump(bufferSource(bytes)), { message: /minidump of a process: not read/ })
})

const HOSTILE: Record<string, readonly [bytes: Buffer, message: RegExp]> = {
  'more runs than the header has room for': [
    patched('full', [0x88, 43n, 4]),
    /43 runs.*room for 42 \(at 0x88\)/,
  ],
  'runs of 32 bit without end': [patched('small', [0x64, 0xffff_ffffn, 4]), /4294967295 runs.*room for 86/],
  'runs that nobody set': [patched('full', [0x88, 0x4547_4150n, 4]), /does not tell which memory/],
  'no run': [patched('full', [0x88, 0n, 4]), /without memory/],
  'a run beyond the address space': [
    patched('full', [0x98, 2n ** 52n - 1n]),
    /run of 2 pages from page 4503599627370495 on leaves the address space \(at 0x98\)/,
  ],
  'a run of all pages': [patched('full', [0xa0, 2n ** 64n - 1n]), /leaves the address space/],
  'no bitmap': [patched('bitmap', [0x2000, 0n]), /no bitmap follows the header \(at 0x2000\)/],
  'a bitmap of 2^63 pages': [patched('bitmap', [0x2030, 2n ** 63n]), /bitmap of 9223372036854775808 pages/],
  'a bitmap beyond the first page': [
    patched('bitmap', [0x2030, 0x8000n]),
    /stand in the bitmap \(at 0x2020\)/,
  ],
  'a bitmap beyond the file': [
    patched('bitmap', [0x2030, 0x100_0000n], [0x2020, 2n ** 40n]),
    /the bitmap lies past the end of the file/,
  ],
  'an empty bitmap': [patched('bitmap', [0x2038, 0n]), /without memory/],
  'pages beyond the file': [patched('bitmap', [0x2020, 2n ** 63n]), /no page of its memory is in the file/],
  'a header that is cut': [fixture('full').subarray(0, 0x1fff), /the header is cut off \(at 0x1fff\)/],
}
for (const [what, [bytes, message]] of Object.entries(HOSTILE))
  test(`${what}: refused`, async (t) => {
    await t.throwsAsync(openCrashDump(bufferSource(bytes)), { name: 'FormatError', message })
  })

test('a bitmap of more than a million runs is refused before they fill the memory', async (t) => {
  const bytes = Buffer.concat([
    patched('bitmap', [0x2030, 2n ** 24n], [0x2020, 0x30_0000n]),
    Buffer.alloc(4 << 20),
  ])
  bytes.fill(0x55, 0x2038, 0x2038 + (2 << 20))
  await t.throwsAsync(openCrashDump(bufferSource(bytes)), { message: /more than 1048576 runs/ })
})

test('a bitmap is read in steps, and runs go on from one to the next', async (t) => {
  const bits = 3n << 23n
  const bytes = Buffer.alloc(0x60_0000)
  patched('bitmap', [0x2030, bits - 3n], [0x2020, 0x50_0000n], [0x2038, 0n]).copy(bytes, 0, 0, 0x2040)
  // From page 2^23 - 1 to 2^23, and what stands behind the last bit.
  bytes[0x2038 + (1 << 20) - 1] = 0x80
  bytes[0x2038 + (1 << 20)] = 0x01
  bytes[0x2038 + (3 << 20) - 1] = 0xf0
  const { runs } = await openCrashDump(bufferSource(bytes))
  t.deepEqual(runs, [
    { start: ((1n << 23n) - 1n) << 12n, length: 0x2000n },
    { start: (bits - 4n) << 12n, length: 0x1000n },
  ])
})

for (const name of ['full', 'bitmap', 'small'] as const) {
  test(`a damaged ${FIXTURES[name]} is refused or read in part, in bounded memory`, async (t) => {
    await fuzzImage(format, fixture(name), surroundings, 500, 1)
    t.pass()
  })

  test(`${FIXTURES[name]} cut at any field is refused or read in part`, async (t) => {
    const bytes = fixture(name)
    const offsets = [...Array(0x140).keys()].flatMap((at) => [at, 0xf80 + at, 0x2000 + at])
    await cutImage(format, bytes, surroundings, [
      ...offsets,
      ...[...Array(bytes.length / 0x400).keys()].map((i) => i * 0x400),
    ])
    t.pass()
  })
}
