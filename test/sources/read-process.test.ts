import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { openElfCore } from '../../src/formats/elf/core-reader.js'
import { parseStat } from '../../src/platform/linux/threads.js'
import { LOCAL_FILES } from '../../src/platform/system-files.js'
import { processMemory } from '../../src/sources/process/memory.js'
import { bytesAt, collect, type Received, rangesOf, runSource, silent, type Transmission } from './collect.js'

const PAGE = 4096
const PROGRAM = path.resolve('test/sources/process-with-holes.py')

interface Child {
  readonly process: ChildProcessByStdio<Writable, Readable, null>
  readonly pid: number
  readonly places: Readonly<Record<string, readonly [number, number]>>
  /** Bytes that its untouched shared memory occupies. */
  allocated(): Promise<number>
}

const children: { kill(signal: 'SIGKILL'): boolean }[] = []
test.after.always(() => {
  for (const child of children) child.kill('SIGKILL')
})

async function startChild(...args: string[]): Promise<Child> {
  const child = spawn('/usr/bin/python3', [PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string)
  const places = (await next()) as Child['places']
  // Only of threads that wait the kernel tells what for.
  while (statesOf(child.pid!).some((state) => state !== 'S')) await sleep(10)
  return {
    process: child,
    pid: child.pid!,
    places,
    allocated() {
      child.stdin.write('\n')
      return next() as Promise<number>
    },
  }
}

const statesOf = (pid: number) =>
  fs
    .readdirSync(`/proc/${pid}/task`)
    .map((id) => parseStat(fs.readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1')).state)

/** A process that has ended and that nobody has asked for its status. */
async function startZombie(): Promise<string> {
  const script = `import os, sys
zombie = os.fork() or os._exit(0)
os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
print(zombie, flush=True)
sys.stdin.read()`
  const parent = spawn('/usr/bin/python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(parent)
  const [line] = (await once(parent.stdout.setEncoding('latin1'), 'data')) as [string]
  return line.trim()
}

let child: Child
let sent: Transmission
let memory: Received
test.before(async () => {
  child = await startChild()
  sent = await runSource('pmem-read-process', [String(child.pid)])
  memory = sent.streams[0]!
})

const textAt = (place: string, page: number): string | undefined => {
  const bytes = bytesAt(memory, BigInt(child.places[place]![0] + page * PAGE), 24)
  return bytes && Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '')
}

/** Kinds of content that a place consists of. */
const kindsOf = (place: string): string[] => {
  const [start, size] = child.places[place]!
  const inside = (offset: bigint, length: bigint) =>
    offset < BigInt(start + size) && BigInt(start) < offset + length
  const kinds = memory.fills.filter(({ offset, length }) => inside(offset, length)).map(({ fill }) => fill)
  if (memory.data.some(({ offset, bytes }) => inside(offset, BigInt(bytes.length)))) kinds.push('data')
  return [...new Set(kinds)].sort()
}

test('what a process has written is there, page by page', (t) => {
  for (let page = 0; page < 64; page++) t.is(textAt('pattern', page), `pattern page ${page}`)
  for (const page of [0, 1000, 262143]) t.is(textAt('sparse', page), `sparse page ${page}`)
  t.is(textAt('sparse', 5000), '')
})

test('memory that the process itself may not read any more is read', (t) => {
  t.is(textAt('hidden', 2), 'hidden page 2')
  t.is(textAt('hidden', 3), 'hidden page 3')
  t.is(textAt('hidden', 4), '')
})

test('a reservation of 256 GiB costs nothing', (t) => {
  t.deepEqual(kindsOf('reserved'), ['zero'])
  const bytes = memory.data.reduce((sum, { bytes }) => sum + bytes.length, 0)
  t.true(bytes < 200 << 20, `${bytes} bytes of data`)
})

test('pages past the end of a mapped file are unreadable and cost only themselves', (t) => {
  t.is(textAt('beyond', 0), 'three pages!!!!!!!!!!!!!')
  t.is(textAt('beyond', 2), '!!!!!!!!!!!!!!!!!!!!!!!!')
  t.is(textAt('beyond', 3), undefined)
  const [start] = child.places.beyond!
  const hex = (page: number) => (start + page * PAGE).toString(16)
  t.true(rangesOf(memory, 'unreadable').includes(`${hex(3)}-${hex(8)}`))
  t.is(sent.status, 2)
})

test('shared memory that only another process has touched is read', (t) => {
  t.is(textAt('from child', 1), "child's page 1")
  t.is(textAt('shared', 5), 'shared page 5')
})

test('reading shared memory does not allocate it', async (t) => {
  // Without CAP_SYS_ADMIN its file can't be opened, and reading through the process allocates.
  if (process.geteuid!() === 0) t.is(await child.allocated(), PAGE)
  else t.true((await child.allocated()) >= PAGE)
})

test('every mapping is accounted for, up to the last page of the address space', (t) => {
  const maps = execFileSync('cat', [`/proc/${child.pid}/maps`], { encoding: 'latin1' })
  const sizes = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) /gm)].map(
    ([, start, end]) => BigInt(`0x${end}`) - BigInt(`0x${start}`),
  )
  const total = sizes.reduce((sum, size) => sum + size, 0n)
  t.is(BigInt(memory.close!.bytes), total)
  t.is(
    memory.body.ranges!.reduce((sum, [, length]) => sum + BigInt(length), 0n),
    total,
  )
  if (maps.includes('[vsyscall]'))
    t.true(rangesOf(memory, 'unknown').includes('ffffffffff600000-ffffffffff601000'))
  t.true(memory.notes.some(({ message }) => message.startsWith('[vvar]')))
})

test('the list of mappings comes along as the kernel gave it', (t) => {
  const [, maps] = sent.streams
  t.is(maps!.body.name, `process/${child.pid}/maps`)
  const text = Buffer.concat(maps!.data.map(({ bytes }) => bytes)).toString('latin1')
  t.is(text, execFileSync('cat', [`/proc/${child.pid}/maps`], { encoding: 'latin1' }))
})

test('what the process is and what its threads wait for is told', (t) => {
  t.is(memory.body.name, `process/${child.pid}/memory`)
  t.is(memory.body.category, 'memory:virtual')
  t.regex(memory.turtle, new RegExp(`pmem:processId "${child.pid}"`))
  t.regex(memory.turtle, /pmem:elfMachine "\d+"/)
  t.regex(memory.turtle, /pmem:commandLine "\/usr\/bin\/python3 .*process-with-holes\.py"/)
  t.regex(memory.turtle, /pmem:executable "\/usr\/bin\/python3/)
  t.regex(memory.turtle, new RegExp(`pmem:uid "${process.getuid!()}"`))
  const pointers = [
    ...memory.turtle.matchAll(/"id=(\d+) .*?stackPointer=(0x[0-9a-f]+) instructionPointer=(0x[0-9a-f]+)/g),
  ]
  t.is(pointers.length, 2)
  for (const [, , stack, code] of pointers)
    for (const pointer of [stack!, code!]) t.truthy(bytesAt(memory, BigInt(pointer), 8), pointer)
})

test('gdb sees the same bytes', async (t) => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-gcore-'))
  try {
    const other = await startChild('small')
    const mine = (await collect(processMemory(LOCAL_FILES, silent, { program: 'test', pid: other.pid })))
      .streams[0]!
    const core = path.join(folder, 'core')
    execFileSync('gdb', ['-batch', '-nx', '-p', String(other.pid), '-ex', `gcore ${core}`], {
      stdio: 'ignore',
    })
    const fd = fs.openSync(core, 'r')
    const theirs = await openElfCore({
      name: core,
      size: fs.fstatSync(fd, { bigint: true }).size,
      read: async (offset, length) => {
        const bytes = Buffer.alloc(length)
        return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, offset))
      },
      close: async () => fs.closeSync(fd),
    })
    let compared = 0
    const differing: string[] = []
    for (const { start, length } of theirs.runs) {
      for (let at = start; at < start + length; at += 4096n) {
        const ours = bytesAt(mine, at, PAGE)
        if (!ours) continue
        compared++
        if (Buffer.compare(ours, await theirs.read(at, PAGE)) !== 0) differing.push(at.toString(16))
      }
    }
    fs.closeSync(fd)
    t.true(compared > 1000)
    // gdb gives up a mapping of which it can't read all: it has zeros for the whole file cut short.
    const [beyond] = other.places.beyond!
    t.deepEqual(
      differing,
      [0, 1, 2].map((page) => (beyond + page * PAGE).toString(16)),
    )
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
})

test('self: a process of many reservations gives little more than it uses', async (t) => {
  const { status, streams, end } = await runSource('pmem-read-process', ['self'])
  t.true(status === 0 || status === 2)
  t.is(end?.status, 'complete')
  const bytes = streams[0]!.data.reduce((sum, { bytes }) => sum + bytes.length, 0)
  t.true(bytes > 1 << 20 && bytes < 400 << 20, `${bytes} bytes`)
  t.regex(streams[0]!.turtle, /pmem:processName "(?:node|MainThread)"/)
})

test('a process that ends while it is read is not taken for a complete one', async (t) => {
  const other = await startChild()
  const frames = processMemory(LOCAL_FILES, silent, { program: 'test', pid: other.pid })[
    Symbol.asyncIterator
  ]()
  await frames.next()
  other.process.kill('SIGKILL')
  await once(other.process, 'exit')
  const error = await t.throwsAsync(async () => {
    while (!(await frames.next()).done);
  })
  t.regex(error!.message, /not one page could be read: no bytes there/)
})

test('refusals name the cause and the next step', async (t) => {
  const refusal = async (pid: string, under: string[] = []) => {
    const { status, stderr, streams } = await runSource('pmem-read-process', [pid], { under })
    t.is(streams.length, 0)
    return `${status} ${stderr}`
  }
  t.regex(await refusal('4194305'), /^66 .*process 4194305: no such process\nhint: /)
  t.regex(await refusal('abc'), /^64 .*abc: neither the number of a process nor self\nhint: usage/)
  t.regex(await refusal('0x10'), /^64 /)
  t.regex(await refusal(await startZombie()), /^66 .*process \d+: has no memory of its own/)
  // Who is nobody in a user namespace of his own still gets at a checkout that is root's alone.
  const nobody = process.geteuid!() === 0 ? ['unshare', '--user'] : []
  t.regex(await refusal('1', nobody), /^77 .*process 1: the process .*\nhint: run it with sudo/)
})
