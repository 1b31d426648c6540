import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import { Parser } from 'n3'
import { LOCAL_FILES } from '../../src/platform/system-files.js'
import { fileReader } from '../../src/sources/file-reader.js'
import { kcoreMemory } from '../../src/sources/kcore/memory.js'
import { placeIn, ramSpans } from '../../src/sources/kcore/ram-spans.js'
import { craftKcore, fixture, type Load, listOf } from '../platform/linux/fixture.js'
import { bytesAt, collect, rangesOf, runSource, silent } from './collect.js'

const BASE = 0xffff888000000000n
const NONE = 2n ** 64n - 1n
const RAM = [
  [0x1000n, 0x9f000n],
  [0x100000n, 0x900000n],
  [0x100000000n, 0x100240000n],
] as const

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-kcore-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))
const fileIn = (name: string) => path.join(folder, name)

/** Every page begins with its own address; one block is zeros. */
function pageOf(address: bigint): Buffer {
  const page = Buffer.alloc(4096)
  if (address >= 0x300000n && address < 0x500000n) return page
  page.writeBigUInt64LE(address, 0)
  page.writeBigUInt64LE(~address & NONE, 4088)
  return page
}

/** A kcore as a sparse file: the notes of a real one, and RAM of our own behind small offsets. */
function writeKcore(name: string, ram: readonly (readonly [bigint, bigint])[] = RAM): string {
  const real = fixture('l4.kcore')
  const notes = real.subarray(Number(real.readBigUInt64LE(64 + 8)))
  const offset = (physical: bigint) => physical + 0x5000n
  const loads: Load[] = [
    { type: 4, offset: 0x1000n, vaddr: 0n, paddr: 0n, length: BigInt(notes.length) },
    { offset: offset(0x200000n), vaddr: 0xffffffff81000000n, paddr: 0x200000n, length: 0x100000n },
    { offset: 0x200000000n, vaddr: 0xffffc90000000000n, paddr: NONE, length: 0x1fffffffffffn },
    ...ram.map(([start, end]) => ({
      offset: offset(start),
      vaddr: BASE + start,
      paddr: start,
      length: end - start,
    })),
  ]
  const fd = fs.openSync(fileIn(name), 'w')
  fs.writeSync(fd, craftKcore(loads), 0)
  fs.writeSync(fd, notes, 0, notes.length, 0x1000)
  for (const [start, end] of ram)
    for (let address = start; address < end; address += 4096n)
      fs.writeSync(fd, pageOf(address), 0, 4096, Number(offset(address)))
  fs.closeSync(fd)
  return fileIn(name)
}

function writeIomem(name: string, text: string): string {
  fs.writeFileSync(fileIn(name), text)
  return fileIn(name)
}

const IOMEM = `00000000-00000fff : Reserved
00001000-0009fbff : System RAM
000a0000-000bffff : PCI Bus 0000:00
00100000-008fffff : System RAM
  00200000-002fffff : Kernel code
c0000000-c0ffffff : PCI Bus 0000:00
  c0800000-c08fffff : System RAM (kmem)
100000000-10023ffff : System RAM
`

function factsOf(turtle: string): Map<string, string> {
  const quads = new Parser({ baseIRI: 'aff4://x' }).parse(turtle)
  return new Map(quads.map(({ predicate, object }) => [predicate.value.replace(/^.*[#/]/, ''), object.value]))
}

test('RAM of iomem comes whole, what kcore does not show of it is told', async (t) => {
  const sent = await runSource('pmem-read-kcore', [
    '-v',
    '--kcore',
    writeKcore('whole'),
    '--iomem',
    writeIomem('iomem', IOMEM),
  ])
  const [memory] = sent.streams
  t.is(sent.status, 2)
  t.is(sent.end?.status, 'complete')
  t.is(sent.streams.length, 1, 'the files of this machine do not belong to that memory')
  t.is(memory!.body.name, 'PhysicalMemory')
  t.is(memory!.body.category, 'memory:physical')
  t.is(memory!.body.size, '0x100240000')
  t.deepEqual(memory!.body.ranges, [
    ['0x1000', '0x9e000'],
    ['0x100000', '0x800000'],
    ['0xc0800000', '0x100000'],
    ['0x100000000', '0x240000'],
  ])
  t.deepEqual(rangesOf(memory!, 'unreadable'), ['c0800000-c0900000'])
  t.deepEqual(rangesOf(memory!, 'zero'), ['300000-500000'])
  t.deepEqual(rangesOf(memory!, 'data'), [
    '1000-9f000',
    '100000-300000',
    '500000-900000',
    '100000000-100240000',
  ])
  t.deepEqual(
    memory!.notes.map(({ message, offset }) => [message, offset]),
    [['System RAM that no segment of kcore shows', '0xc0800000']],
  )
  for (const [start, end] of RAM)
    for (let address = start; address < end; address += 4096n)
      if (Buffer.compare(bytesAt(memory!, address, 4096)!, pageOf(address)) !== 0)
        t.fail(`page 0x${address.toString(16)}`)
  t.regex(sent.stderr, /ranges of RAM from .*iomem\n/)
  t.regex(sent.stderr, /1.0 MiB of RAM is shown by no segment of kcore/)
})

test('facts of the kernel come before its memory', async (t) => {
  const sent = await runSource('pmem-read-kcore', ['--kcore', writeKcore('facts')])
  const facts = factsOf(sent.streams[0]!.turtle)
  t.is(facts.get('kernelRelease'), '6.1.0-56-amd64')
  t.is(
    facts.get('memoryPageTableEntryOffset'),
    String(0xffffffff8c810000n - 0xffffffff8ae00000n + 0x15c00000n),
  )
  t.is(facts.get('kaslrShift'), String(0xffffffff8ae00000n - 0xffffffff81000000n))
  t.is(facts.get('OSXKALSRSlide'), facts.get('kaslrShift'))
  t.is(facts.get('pageSize'), '4096')
  t.is(facts.get('pagingLevels'), '4')
  t.is(facts.get('elfMachine'), '62')
  t.is(facts.get('directMapBase'), '0xffff888000000000')
  t.regex(facts.get('vmcoreinfo')!, /^OSRELEASE=6\.1\.0-56-amd64\nBUILD-ID=.*NUMBER\(sme_mask\)=0\n$/s)
})

test('an iomem without addresses: the ranges are those of kcore, and that is said', async (t) => {
  const hidden = IOMEM.replace(/[0-9a-f]+-[0-9a-f]+ :/g, '00000000-00000000 :')
  const sent = await runSource('pmem-read-kcore', [
    '--kcore',
    writeKcore('hidden'),
    '--iomem',
    writeIomem('zeroed', hidden),
  ])
  t.is(sent.status, 0)
  t.deepEqual(sent.streams[0]!.body.ranges, [
    ['0x1000', '0x9e000'],
    ['0x100000', '0x800000'],
    ['0x100000000', '0x240000'],
  ])
  t.regex(sent.stderr, /zeroed hides addresses; it shows them with CAP_SYS_ADMIN/)
  t.regex(sent.streams[0]!.notes[0]!.message, /ranges of RAM are its own/)
})

test('pages that fail are unreadable, one by one', async (t) => {
  const file = writeKcore('failing')
  // Six reads settle the plan; those that follow search for the page that fails.
  const inject = 'inject=pread64:error=EIO:when=7..24'
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', file, '-e', inject]
  const { status, streams } = await runSource('pmem-read-kcore', ['--kcore', file], { under })
  t.is(status, 2)
  const [bad] = rangesOf(streams[0]!, 'unreadable')
  const end = /^1000-([2-9a-f]000)$/.exec(bad ?? '')?.[1]
  t.truthy(end, bad)
  t.is(rangesOf(streams[0]!, 'data')[0], `${end}-9f000`)
  t.regex(streams[0]!.notes[0]!.message, /^unreadable: input\/output error/)
})

test('a read that the system interrupts is made again', async (t) => {
  const file = writeKcore('interrupted')
  const inject = 'inject=pread64:error=EINTR:when=2+3'
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', file, '-e', inject]
  const [whole, sent] = await Promise.all([
    runSource('pmem-read-kcore', ['--kcore', file]),
    runSource('pmem-read-kcore', ['--kcore', file], { under }),
  ])
  t.is(sent.status, whole.status, sent.stderr)
  for (const kind of ['data', 'unreadable'])
    t.deepEqual(rangesOf(sent.streams[0]!, kind), rangesOf(whole.streams[0]!, kind))
})

test('a kcore that is cut short leaves the rest unreadable', async (t) => {
  const file = writeKcore('cut')
  fs.truncateSync(file, 0x5000 + 0x182800)
  const sent = await runSource('pmem-read-kcore', ['--kcore', file])
  t.is(sent.status, 2)
  t.deepEqual(rangesOf(sent.streams[0]!, 'data'), ['1000-9f000', '100000-182800'])
  t.deepEqual(rangesOf(sent.streams[0]!, 'unreadable'), ['182800-900000', '100000000-100240000'])
  t.regex(sent.stderr, /9.7 MiB could not be read/)
})

test('a kcore that reads nothing at all is a failure, not an image', async (t) => {
  const file = writeKcore('nothing')
  fs.truncateSync(file, 0x5000)
  const sent = await runSource('pmem-read-kcore', ['--kcore', file])
  t.is(sent.status, 74)
  t.is(sent.end?.status, 'failed')
  t.regex(sent.stderr, /not one page could be read/)
})

test('refusals name the cause and the next step', async (t) => {
  const refusal = async (...args: string[]) => {
    const { status, stderr, end, streams } = await runSource('pmem-read-kcore', args)
    t.is(end?.status, 'failed')
    t.is(streams.length, 0)
    return `${status} ${stderr}`
  }
  t.regex(
    await refusal('--kcore', '/dev/null'),
    /^69 .*\/dev\/null: empty; a container .*\nhint: .*\/host\/proc\/kcore/,
  )
  t.regex(await refusal('--kcore', fileIn('absent')), /^66 .*absent: no such file/)
  t.regex(await refusal('--kcore', '/etc/passwd'), /^65 .*\/etc\/passwd: not an ELF file/)
  t.regex(
    await refusal('--kcore', writeKcore('a'), '--iomem', fileIn('absent')),
    /^66 .*absent: no such file/,
  )
  t.regex(
    await refusal('--kcore', writeKcore('b'), '--iomem', '/etc/passwd'),
    /^65 .*line 1 is not "start-end : name"/,
  )
  t.regex(
    await refusal(
      '--kcore',
      writeKcore('c'),
      '--iomem',
      writeIomem('noram', '0-fff : Reserved\n1000-1fff : ACPI\n'),
    ),
    /^65 .*noram: no System RAM/,
  )
  t.regex(
    await refusal(
      '--kcore',
      writeKcore('d'),
      '--iomem',
      writeIomem('elsewhere', '900000000-9ffffffff : System RAM\n'),
    ),
    /^65 .*shows none of the RAM/,
  )
})

test('a kcore that is not for this user', async (t) => {
  const file = writeKcore('private')
  fs.chmodSync(file, 0)
  // Who is nobody in a user namespace of his own still gets at a checkout that is root's alone.
  const under = process.geteuid!() === 0 ? ['unshare', '--user'] : []
  const { status, stderr } = await runSource('pmem-read-kcore', ['--kcore', file], { under })
  t.is(status, 77)
  t.regex(stderr, /private: user \d+ is not root\nhint: run it with sudo/)
})

test('memory that is plugged in while it is read is told', async (t) => {
  const kcore = writeKcore('growing')
  const iomem = writeIomem('growing.iomem', IOMEM)
  const options = { program: 'pmem-read-kcore', kcore, iomem, collect: true }
  const frames = kcoreMemory(LOCAL_FILES, silent, options)[Symbol.asyncIterator]()
  const first = await frames.next()
  fs.appendFileSync(iomem, '200000000-207ffffff : System RAM\n')
  const { streams } = await collect(
    (async function* () {
      yield first.value
      for (let next = await frames.next(); !next.done; next = await frames.next()) yield next.value
    })(),
  )
  t.is(
    streams[0]!.notes.at(-1)!.message,
    'RAM changed while it was read: gone [], new ["200000000-207ffffff : System RAM"]',
  )
})

test('offsets above 2^53 reach the reader exactly', async (t) => {
  const pieces = [
    { start: 0x1000n, length: 0x2000n, fileOffset: 0x49dbdd40005000n },
    { start: 0x100000n, length: 0x1000n, fileOffset: 0x49dbdd40104001n },
  ]
  const positions: bigint[] = []
  const file = {
    read(position: bigint, into: Uint8Array) {
      positions.push(position)
      return into.fill(1).length
    },
  }
  const read = fileReader(file, placeIn(pieces))
  for await (const { start, length } of ramSpans(pieces, [], () => []))
    await read(start, Number(length), Buffer.alloc(0x2000))
  await read(0x2000n, 16, Buffer.alloc(16))
  t.deepEqual(positions, [0x49dbdd40005000n, 0x49dbdd40104001n, 0x49dbdd40006000n])
})

test('pages that kcore only pretends to read are cut out', async (t) => {
  const piece = { start: 0n, length: 0x10000n, fileOffset: 0n }
  const spans = ramSpans([piece], [{ start: 0x20000n, length: 0x1000n }], () => [
    { fault: 'poisoned', start: 0n, length: 0x1000n },
    { fault: 'absent', start: 0x4000n, length: 0x2000n },
    { fault: 'offline', start: 0xf000n, length: 0x1000n },
  ])
  t.deepEqual(
    (await listOf(spans)).map(({ start, length, fill, zerosAreUnreadable }) => [
      start,
      length,
      fill ?? zerosAreUnreadable,
    ]),
    [
      [0n, 0x1000n, 'unreadable'],
      [0x1000n, 0x3000n, undefined],
      [0x4000n, 0x2000n, true],
      [0x6000n, 0x9000n, undefined],
      [0xf000n, 0x1000n, 'unreadable'],
      [0x20000n, 0x1000n, 'unreadable'],
    ],
  )
})
