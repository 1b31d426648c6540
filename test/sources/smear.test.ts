import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import test from 'ava'
import { transmission } from '../../src/cli/labelled.js'
import type { Log } from '../../src/cli/messages.js'
import type { Run } from '../../src/formats/address-space.js'
import { parseTurtle } from '../../src/formats/aff4/turtle.js'
import type { Frames } from '../../src/frames/frame.js'
import { LOCAL_FILES } from '../../src/platform/system-files.js'
import { kcoreMemory } from '../../src/sources/kcore/memory.js'
import { processMemory } from '../../src/sources/process/memory.js'
import { drawPages } from '../../src/sources/smear/draw.js'
import type { Resampling } from '../../src/sources/smear/options.js'
import { craftKcore } from '../platform/linux/fixture.js'
import { collect, type Received, runSource, silent } from './collect.js'

const PAGE = 4096n
const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-smear-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))

const RAM: readonly Run[] = [
  { start: 0x1000n, length: 0x9e000n },
  { start: 0x100000n, length: 0x800000n },
]
const IOMEM = '00001000-0009efff : System RAM\n00100000-008fffff : System RAM\n'
/** Where an address stands in a kcore of ours. */
const placeOf = (address: bigint) => Number(0x10000n + address)

interface Memory {
  readonly kcore: string
  readonly iomem: string
  /** Makes pages other than they ever were. */
  change(pages: Iterable<bigint>): void
}

/** A copy of kcore that a test may change while it is read. */
function memory(name: string): Memory {
  const file = path.join(folder, name)
  const fd = fs.openSync(file, 'w+')
  const loads = RAM.map(({ start, length }) => ({
    offset: BigInt(placeOf(start)),
    vaddr: 0xffff888000000000n + start,
    paddr: start,
    length,
  }))
  fs.writeSync(fd, craftKcore(loads), 0)
  // One half of it is zeros, which flow as holes.
  for (const { start, length } of RAM)
    for (let page = start; page < start + length; page += PAGE)
      fs.writeSync(fd, Buffer.alloc(4096, page < 0x500000n ? 0xaa : 0), 0, 4096, placeOf(page))
  fs.closeSync(fd)
  fs.writeFileSync(`${file}.iomem`, IOMEM)
  let times = 0
  return {
    kcore: file,
    iomem: `${file}.iomem`,
    change(pages) {
      times++
      const fd = fs.openSync(file, 'r+')
      for (const page of pages) fs.writeSync(fd, Buffer.from([times]), 0, 1, placeOf(page) + 4095)
      fs.closeSync(fd)
    },
  }
}

const resampling = (pages: number | undefined, seed = 1): Resampling => ({
  pages,
  seed,
  interrupted: new AbortController().signal,
})

const reading = ({ kcore, iomem }: Memory, resample: Resampling, log = silent) =>
  kcoreMemory(LOCAL_FILES, log, { program: 'pmem-read-kcore', kcore, iomem, collect: false, resample })

/**
 * Lets something happen each time that a batch with evidence has come, which is before anything is read again.
 * @param happen given where the evidence has come to
 */
async function* meanwhile(frames: Frames, happen: (end: bigint) => void | Promise<void>): Frames {
  for await (const batch of frames) {
    yield batch
    const last = batch.findLast((frame) => frame.type === 'data' || frame.type === 'fill')
    if (last) await happen(last.offset + last.length)
  }
}

/** What is said of smear, by the last part of each predicate. */
function smearOf({ turtle }: Received): Record<string, string> {
  const facts = [...parseTurtle(turtle, 'here')].map(({ predicate, object }) => [
    predicate.replace(/^.*#/, ''),
    object.value,
  ])
  return Object.fromEntries(facts.filter(([name]) => name?.startsWith('smear')))
}

/** Of each range or age, how many pages changed of how many. */
const sharesOf = (text: string | undefined) =>
  new Map(
    (text ?? '').split(' ').map((entry) => {
      const [, name, changed, compared] = /^(.*)=(\d+)\/(\d+)$/.exec(entry)!
      return [name!, { changed: Number(changed), compared: Number(compared) }]
    }),
  )

const inside =
  ({ start, length }: Run) =>
  (page: bigint) =>
    page >= start && page < start + length
const nameOf = ({ start, length }: Run) => `0x${start.toString(16)}-0x${(start + length).toString(16)}`

test('exactly the pages of the sample that changed are counted, range by range', async (t) => {
  const here = memory('changing')
  const changing = new Set<bigint>()
  for (const { start, length } of RAM)
    for (let page = start; page < start + length; page += 3n * PAGE) changing.add(page)
  const frames = meanwhile(reading(here, resampling(500, 99)), () => here.change(changing))
  const [stream] = (await collect(frames)).streams
  const drawn = [...(await drawPages(() => RAM, 4096, 500, 99))]
  const expected = RAM.map((range) => {
    const pages = drawn.filter(inside(range))
    const changed = pages.filter((page) => changing.has(page)).length
    return [nameOf(range), { changed, compared: pages.length }] as const
  })
  t.deepEqual([...sharesOf(smearOf(stream!).smearByRange)], expected)
  const changed = drawn.filter((page) => changing.has(page)).length
  t.true(changed > 100)
  t.regex(smearOf(stream!).smear!, new RegExp(`^changed=${changed} compared=500 unreadable=0 .* seed=99$`))
})

test('the same seed of the same memory gives the same facts, another one another sample', async (t) => {
  const here = memory('seeded')
  const told = async (seed: number) =>
    (await collect(reading(here, resampling(200, seed)))).streams[0]!.turtle
  const withoutAge = (turtle: string) => turtle.replace(/pmem:smearByAge.*/, '')
  t.is(withoutAge(await told(5)), withoutAge(await told(5)))
  t.not(withoutAge(await told(5)), withoutAge(await told(6)))
})

test('memory that does not change is said not to have', async (t) => {
  const [stream] = (await collect(reading(memory('still'), resampling(300)))).streams
  t.regex(smearOf(stream!).smear!, /^changed=0 compared=300 unreadable=0 share=0.00% from=0.00% to=1.26% /)
})

test('pages that cannot be read again are counted apart', async (t) => {
  const here = memory('cut')
  const cut = () => fs.truncateSync(here.kcore, placeOf(0x700000n))
  const frames = meanwhile(reading(here, resampling(400, 3)), (read) => {
    if (read === 0x900000n) cut()
  })
  const { streams } = await collect(frames)
  const lost = [...(await drawPages(() => RAM, 4096, 400, 3))].filter((page) => page >= 0x700000n).length
  t.true(lost > 50)
  t.regex(smearOf(streams[0]!).smear!, new RegExp(`^changed=0 compared=${400 - lost} unreadable=${lost} `))
})

test('after an interruption nothing is read again, and that is said', async (t) => {
  const here = memory('interrupted')
  const controller = new AbortController()
  const warnings: string[] = []
  const log: Log = { ...silent, warn: (message) => warnings.push(message) }
  const evidence = meanwhile(reading(here, { ...resampling(100), interrupted: controller.signal }, log), () =>
    controller.abort('SIGINT'),
  )
  const program = { name: 'test', version: '1', arguments: [] }
  const { streams, end } = await collect(transmission(evidence, program, controller.signal).frames)
  t.is(end!.status, 'interrupted')
  t.deepEqual(smearOf(streams[0]!), {})
  t.deepEqual(warnings.slice(1), ['interrupted: how many pages changed meanwhile is not measured'])
})

test('a copy of a memory is read again only when that is asked for, and standard error says what came out', async (t) => {
  const { kcore, iomem } = memory('copy')
  const run = (...words: string[]) =>
    runSource('pmem-read-kcore', ['--kcore', kcore, '--iomem', iomem, ...words])
  for (const words of [[], ['--resample', '0'], ['--seed', '7']]) {
    const { stderr, streams } = await run(...words)
    t.notRegex(stderr, /smear/)
    t.deepEqual(smearOf(streams[0]!), {})
  }
  const { stderr, streams } = await run('--resample', '64', '--seed', '7', '-v')
  t.regex(
    stderr,
    /^pmem-read-kcore: smear: 0 of 64 pages changed before they were read again: 0.00 % \(95 % confidence: 0.00 % to 5.66 %; seed 7\)$/m,
  )
  t.regex(stderr, /^pmem-read-kcore: smear by time between the reads: .* of \d+$/m)
  t.regex(stderr, /^pmem-read-kcore: smear of 0x100000-0x900000: 0 of \d+$/m)
  t.regex(smearOf(streams[0]!).smear!, / seed=7$/)
})

test('what is no number of pages is refused', async (t) => {
  const { kcore } = memory('refused')
  for (const [option, value] of [
    ['--resample', '16385'],
    ['--resample', '-1'],
    ['--resample', '1k'],
    ['--seed', '4294967296'],
    ['--seed', '0x10'],
  ] as const) {
    const { status, stderr } = await runSource('pmem-read-kcore', ['--kcore', kcore, `${option}=${value}`])
    t.is(status, 64)
    t.true(stderr.startsWith(`pmem-read-kcore: ${option} ${value}: not a number from 0 to `), stderr)
  }
})

const PROGRAM = path.resolve('test/sources/smear/changing-pages.py')
const PLANTED = { pages: 4096, changing: 1024 }

test('of a process that rewrites a known share of its pages, that share is found', async (t) => {
  const child = spawn('/usr/bin/python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const start = BigInt((await lines.next()).value as string)
  const planted: Run = { start, length: BigInt(PLANTED.pages) * PAGE }
  const rewrite = async () => {
    child.stdin.write('\n')
    await lines.next()
  }
  const shareWith = async (pages: number) => {
    const options = { program: 'test', pid: child.pid!, resample: resampling(pages, 11) }
    const frames = meanwhile(processMemory(LOCAL_FILES, silent, options), rewrite)
    const [stream] = (await collect(frames)).streams
    const shares = sharesOf(smearOf(stream!).smearByRange)
    // Neighbours of a mapping may be one range with it.
    const [, share] = [...shares].find(([name]) => {
      const [from, to] = name.split('-').map(BigInt)
      return from! <= planted.start && planted.start + planted.length <= to!
    })!
    return { ...share, all: smearOf(stream!).smear! }
  }
  const every = await shareWith(16384)
  t.true(every.compared >= PLANTED.pages, every.all)
  // The interpreter changes pages of its own beside them.
  t.true(every.changed >= PLANTED.changing && every.changed < PLANTED.changing + 200, every.all)

  const some = await shareWith(1500)
  const truth = every.changed / every.compared
  const deviation = Math.sqrt((truth * (1 - truth)) / some.compared)
  t.true(some.compared > 200, some.all)
  t.true(Math.abs(some.changed / some.compared - truth) < 5 * deviation, `${truth}: ${some.all}`)
})
