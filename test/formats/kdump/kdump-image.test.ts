import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { FormatError } from '../../../src/formats/format-error.js'
import { FORMATS } from '../../../src/formats/image/formats.js'
import type { Image } from '../../../src/formats/image/image.js'
import { detect } from '../../../src/formats/image/image-file.js'
import { cutImage, fuzzImage } from '../../fuzz/images.js'
import { bufferSource } from '../buffer-source.js'
import { GUEST_SIZE, haltedGuest } from '../image/qemu.js'
import { readRuns, surroundingsOf } from '../image/surroundings.js'
import { TINY_KERNEL_RUNS, tinyKernel } from '../tiny-kernel.js'
import { makedumpfile, tinyCore, tinyRuns } from './makedumpfile.js'

const format = FORMATS.find(({ name }) => name === 'kdump')!
const surroundings = () => surroundingsOf('dump')

const SPLIT = ['-c', '-d', '0', '--split', '--splitblock-size', '4']

async function open(bytes: Buffer, around = surroundings()): Promise<Image> {
  const source = bufferSource(bytes)
  return (await detect(source)).open(source, around)
}

for (const [options, variant, name] of [
  [['-d', '0'], 'version 6, 64 bit, not compressed', 'kdump'],
  [['-c', '-d', '0'], 'version 6, 64 bit, zlib', 'kdump'],
  [['-l', '-d', '0'], 'version 6, 64 bit, lzo', 'kdump'],
  [['-F', '-c', '-d', '0'], 'version 1, kdump version 6, 64 bit, zlib', 'flat'],
] as const)
  test(`what makedumpfile ${options.join(' ')} writes is read: bytes, ranges, facts`, async (t) => {
    const [dump] = await makedumpfile(tinyCore(), options)
    const image = await open(dump!)
    t.is(image.format, name)
    t.is(image.variant, variant)
    t.is(image.incomplete, undefined)
    t.deepEqual([...image.runs], TINY_KERNEL_RUNS)
    t.deepEqual(image.holes, [])
    t.deepEqual(await readRuns(image), tinyRuns())
    t.deepEqual(await readRuns(image, 0x1000), tinyRuns())
    const { acquisitionTime, elfNotes, ...facts } = image.facts
    t.is(facts.vmcoreinfo, tinyKernel().vmcoreinfo)
    t.like(facts, {
      system: 'Linux',
      kernelRelease: '6.1.0',
      machine: 62n,
      pageSize: 4096n,
      physBase: -33554432n,
      kaslrShift: 0n,
      pagingLevels: 4n,
      pageTableRoot: 0x1000n,
    })
  })

test('the parts of a dump are one image, in whatever order they are named', async (t) => {
  const [one, two] = (await makedumpfile(tinyCore(), SPLIT)) as [Buffer, Buffer]
  for (const [first, second] of [
    [one, two],
    [two, one],
  ] as const) {
    const parts = ['other', 'second']
    const other = Buffer.from(one)
    other.write('elsewhere', 77)
    const image = await open(first, surroundingsOf('dump', { second, other }, parts))
    t.deepEqual([...image.runs], TINY_KERNEL_RUNS)
    t.deepEqual(await readRuns(image), tinyRuns())
    t.is(image.incomplete, undefined)
    t.deepEqual(parts, ['other'])
  }
})

test('a part that is missing is a hole, and named', async (t) => {
  const parts = (await makedumpfile(tinyCore(), SPLIT)) as [Buffer, Buffer]
  const pages: bigint[] = []
  for (const part of parts) {
    const image = await open(part)
    t.regex(image.incomplete!, /^a part is missing: pages 0x\d to 0x\d$/)
    t.true(image.holes.every(({ content }) => content === 'unknown'))
    const all = [...image.runs, ...image.holes].reduce((sum, { length }) => sum + length, 0n)
    t.is(all, 0x6000n)
    pages.push(image.runs.reduce((sum, { length }) => sum + length, 0n))
  }
  t.is(pages[0]! + pages[1]!, 0x6000n)
})

test('one part twice is refused', async (t) => {
  const [one] = (await makedumpfile(tinyCore(), SPLIT)) as [Buffer]
  await t.throwsAsync(open(one, surroundingsOf('dump', { one }, ['one'])), {
    instanceOf: FormatError,
    message: /two parts of one dump hold pages/,
  })
})

test('what QEMU dumps of a guest, compressed in a flat container, is its memory', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-kdump-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [dump, raw] = [path.join(folder, 'dump'), path.join(folder, 'raw')]
  await haltedGuest([`dump-guest-memory -z "${dump}"`, `pmemsave 0 ${GUEST_SIZE} "${raw}"`])
  const image = await open(await readFile(dump))
  t.is(image.variant, 'version 1, kdump version 6, 64 bit, zlib')
  t.is(image.incomplete, undefined)
  const [first] = await readRuns(image, 1 << 20)
  t.deepEqual(first!.subarray(0, GUEST_SIZE), await readFile(raw))
})

test('a dump that was cut holds the pages before the cut, and says how many it lost', async (t) => {
  const [dump] = (await makedumpfile(tinyCore(), ['-d', '0'])) as [Buffer]
  const image = await open(dump.subarray(0, dump.length - 0x1001))
  t.regex(image.incomplete!, /^2 pages that it lists are not in it$/)
  t.deepEqual(
    image.holes.map(({ start, length }) => [start, length]),
    [[0x6000n, 0x2000n]],
  )
  t.deepEqual(Buffer.concat(await readRuns(image)), Buffer.concat(tinyRuns()).subarray(0, 0x4000))
})

test('damaged dumps are refused or read in part, in bounded memory', async (t) => {
  for (const options of [['-c'], ['-l']]) {
    const [dump] = (await makedumpfile(tinyCore(), [...options, '-d', '0'])) as [Buffer]
    await fuzzImage(format, dump, surroundings, 500, 1)
  }
  t.pass()
})

test('a dump that is cut at any of its fields is refused or read in part', async (t) => {
  const [dump] = (await makedumpfile(tinyCore(), ['-c', '-d', '0'])) as [Buffer]
  const interesting = [...Array(0x260).keys(), ...Array(0x100).keys()].map((at, i) =>
    i < 0x260 ? at : 0x1000 + at,
  )
  const tables = Array.from({ length: 0x100 }, (_, i) => dump.length - 1 - i * 7)
  await cutImage(
    format,
    dump,
    surroundings,
    [...interesting, ...tables].filter((at) => at > 0),
  )
  t.pass()
})
