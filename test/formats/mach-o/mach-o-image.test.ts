import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { openMachCore } from '../../../src/formats/mach-o/mach-o-image.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'

const run = promisify(execFile)
const format = FORMATS.find(({ name }) => name === 'mach-o')!
const surroundings = () => surroundingsOf('kernel.core')
const sample = readFileSync('test/data/images/t.macho')
const open = (bytes: Uint8Array) => openMachCore(bufferSource(bytes))
const page = (fill: string) => Buffer.alloc(4096, fill)

interface Shape {
  readonly bits?: 32 | 64
  readonly littleEndian?: boolean
  readonly cpuType?: number
  /** Claimed instead of what is there. */
  readonly count?: number
  readonly size?: number
}

interface Segment {
  readonly vmaddr: bigint
  readonly vmsize?: bigint
  readonly fileoff: bigint
  readonly filesize: bigint
}

function integers({ littleEndian = true }: Shape, values: readonly (number | bigint)[]): Buffer {
  const parts = values.map((value) => {
    const bytes = Buffer.alloc(typeof value === 'bigint' ? 8 : 4)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    if (typeof value === 'bigint') view.setBigUint64(0, value, littleEndian)
    else view.setUint32(0, value, littleEndian)
    return bytes
  })
  return Buffer.concat(parts)
}

function segment(shape: Shape, { vmaddr, fileoff, filesize, vmsize = filesize }: Segment): Buffer {
  const wide = (shape.bits ?? 64) === 64
  const places = [vmaddr, vmsize, fileoff, filesize].map((value) => (wide ? value : Number(value)))
  const [type, size] = wide ? [0x19, 72] : [1, 56]
  return Buffer.concat([
    integers(shape, [type, size]),
    Buffer.alloc(16),
    integers(shape, places),
    integers(shape, [7, 7, 0, 0]),
  ])
}

/** A core of these commands; the bytes behind them are the number of their page, counted from 1. */
function core(shape: Shape, commands: readonly Buffer[], pages = 3): Buffer {
  const body = Buffer.concat(commands)
  const { bits = 64, cpuType = 0x01000007, count = commands.length, size = body.length } = shape
  const magic = bits === 64 ? 0xfeedfacf : 0xfeedface
  const header = integers(shape, [magic, cpuType, 3, 4, count, size, 0, ...(bits === 64 ? [0] : [])])
  const file = Buffer.alloc((pages + 1) * 4096)
  header.copy(file)
  body.copy(file, header.length)
  for (let i = 1; i <= pages; i++) file.fill(i, i * 4096, (i + 1) * 4096)
  return file
}

const FIRST: Segment = { vmaddr: 0x10000n, fileoff: 0x1000n, filesize: 0x2000n }
const SECOND: Segment = { vmaddr: 0x8000_0000n, fileoff: 0x3000n, filesize: 0x1000n }

test('a core of Mac Memory Reader holds its three pages', async (t) => {
  t.is((await detect(bufferSource(sample, 't.macho'))).name, 'mach-o')
  const image = await open(sample)
  t.like(image, {
    variant: '64 bit',
    category: 'memory:physical',
    incomplete: undefined,
    holes: [],
    remarks: [],
  })
  t.deepEqual(image.runs, [
    { start: 0x1000n, length: 0x2000n },
    { start: 0x5000n, length: 0x1000n },
  ])
  const pattern = Buffer.from(Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + (i >> 8)) & 0xff))
  t.deepEqual(await readRuns(image), [Buffer.concat([page('A'), page('B')]), pattern])
  t.deepEqual(image.facts, { system: 'macOS', machine: 62n })
})

for (const bits of [32, 64] as const)
  for (const littleEndian of [true, false])
    test(`${bits} bit, ${littleEndian ? 'little' : 'big'}-endian: llvm-readobj sees the same segments`, async (t) => {
      const shape = { bits, littleEndian, cpuType: bits === 64 ? 0x01000012 : 18 }
      const bytes = core(shape, [segment(shape, FIRST), segment(shape, SECOND)])
      const image = await open(bytes)
      t.is(image.variant, littleEndian ? `${bits} bit` : `${bits} bit, big-endian`)
      t.deepEqual(image.runs, [
        { start: 0x10000n, length: 0x2000n },
        { start: 0x8000_0000n, length: 0x1000n },
      ])
      t.deepEqual(
        (await readRuns(image)).map((bytes) => [bytes[0], bytes.at(-1)]),
        [
          [1, 2],
          [3, 3],
        ],
      )
      t.is(image.facts.machine, bits === 64 ? 21n : 20n)
      const folder = await mkdtemp(path.join(tmpdir(), 'pmem-macho-'))
      t.teardown(() => rm(folder, { recursive: true }))
      const file = path.join(folder, 'core')
      await writeFile(file, bytes)
      const { stdout } = await run('llvm-readobj', ['--macho-segment', file])
      t.deepEqual(
        [...stdout.matchAll(/vmaddr: (\w+)\s+vmsize: (\w+)\s+fileoff: (\d+)/g)].map((match) =>
          match.slice(1).map(Number),
        ),
        [
          [0x10000, 0x2000, 0x1000],
          [0x8000_0000, 0x1000, 0x3000],
        ],
      )
    })

/** LC_NOTE `kern ver str`, whose text stands at an offset. */
const versionNote = (offset: bigint, size: bigint) =>
  Buffer.concat([integers({}, [0x31, 40]), Buffer.from('kern ver str\0\0\0\0'), integers({}, [offset, size])])

test('a core of a kernel has virtual addresses and says which kernel', async (t) => {
  const version = 'Darwin Kernel Version 19.6.0: Tue Jun 21; root:xnu-6153.141.66~1/RELEASE_X86_64'
  const thread = Buffer.concat([integers({}, [4, 24]), Buffer.alloc(16)])
  const kernel = { vmaddr: 0xffff_ff80_0000_0000n, fileoff: 0x1000n, filesize: 0x1000n }
  const commands = [versionNote(0x3000n, BigInt(version.length + 4)), segment({}, kernel), thread, thread]
  const bytes = core({}, commands)
  bytes.writeUInt32LE(1, 0x3000)
  bytes.write(version, 0x3004)
  const image = await open(bytes)
  t.is(image.category, 'memory:virtual')
  t.deepEqual(image.facts, { system: 'macOS', machine: 62n, kernelRelease: '19.6.0', kernelVersion: version })
  t.deepEqual(image.remarks, ['the registers of 2 threads stay in the core'])
  const ident = Buffer.concat([integers({}, [8, 24]), Buffer.from('Darwin\0\0\0\0\0\0\0\0\0\0')])
  t.is((await open(core({}, [ident, segment({}, FIRST)]))).facts.kernelVersion, 'Darwin')
  const lost = await open(core({}, [versionNote(1n << 63n, 1n << 63n), segment({}, FIRST)]))
  t.is(lost.facts.kernelVersion, undefined)
})

test('what a core leaves out of a segment is a hole, and so is what was cut off', async (t) => {
  const bytes = core({}, [segment({}, { ...FIRST, vmsize: 0x4000n }), segment({}, SECOND)])
  const image = await open(bytes)
  t.deepEqual(image.holes, [{ start: 0x12000n, length: 0x2000n, content: 'unknown' }])
  const cut = await open(bytes.subarray(0, 0x2800))
  t.deepEqual(cut.runs, [{ start: 0x10000n, length: 0x1800n }])
  t.deepEqual(cut.holes, [
    { start: 0x11800n, length: 0x800n, content: 'unknown' },
    { start: 0x12000n, length: 0x2000n, content: 'unknown' },
    { start: 0x8000_0000n, length: 0x1000n, content: 'unknown' },
  ])
  t.is(cut.incomplete, '6144 bytes of memory lie past the end of the file')
})

test('what is no core, or claims too much, is refused with the reason', async (t) => {
  const refused = (bytes: Buffer, message: RegExp) =>
    t.throwsAsync(open(bytes), { instanceOf: FormatError, message })
  const good = [segment({}, FIRST)]
  await refused(Buffer.alloc(4096), /not a Mach-O core/)
  await refused(core({}, []), /without memory/)
  await refused(core({ count: 2 ** 32 - 1 }, good), /load command 1 is cut off/)
  await refused(core({ size: 2 ** 32 - 1 }, good), /4294967295 bytes of load commands/)
  await refused(core({ size: 1 << 20 }, good), /load commands past the end of the file/)
  await refused(core({}, [integers({}, [0x19, 0])]), /load command 0 of 0 bytes/)
  await refused(core({}, [integers({}, [0x19, 8])]), /a segment command of 8 bytes/)
  const beyond = { vmaddr: (1n << 64n) - 1n, fileoff: 0n, filesize: 0x1000n }
  await refused(core({}, [segment({}, beyond)]), /leaves the address space/)
})

test('a damaged core is refused or read in part, in bounded memory', async (t) => {
  await fuzzImage(format, sample, surroundings, 500, 1)
  t.pass()
})

test('a core that is cut at any of its headers is refused or read in part', async (t) => {
  await cutImage(format, sample, surroundings, Array(0x200).keys())
  await cutImage(format, sample, surroundings, [0x1000, 0x1001, 0x3fff])
  t.pass()
})
