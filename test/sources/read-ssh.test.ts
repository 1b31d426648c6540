import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import type { Log } from '../../src/cli/messages.js'
import { readSsh } from '../../src/sources/read-ssh.js'
import { PATIENCE } from '../cli/shell.js'
import { buildPreload, planned } from '../faults/preload.js'
import {
  bytesAt,
  collect,
  type RunOptions,
  rangesOf,
  runSource,
  silent,
  type Transmission,
} from './collect.js'
import type { Connection } from './ssh/fake-ssh.js'
import { type FarHostOptions, farHost } from './ssh/far-host.js'
import { firstDifference, RAM, writeKcore } from './ssh/far-kcore.js'

const folder = fs.mkdtempSync(path.join(tmpdir(), 'pmem-ssh-'))
test.after.always(() => fs.rmSync(folder, { recursive: true }))
const { kcore, iomem } = writeKcore(folder)
const SIZE = RAM.reduce((sum, [start, end]) => sum + Number(end - start), 0)
const FILES = ['--kcore', kcore, '--iomem', iomem]

/** Runs the tool against a host that is this machine. */
function run(
  t: ExecutionContext,
  args: readonly string[],
  host: FarHostOptions = {},
  options: RunOptions = {},
): Promise<Transmission> {
  const { bin, sshOptions } = farHost(t, host)
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  return runSource('pmem-read-ssh', [...args, 'far', '--', ...sshOptions], { env, ...options })
}

interface Called {
  readonly retries?: number
  readonly silenceMs?: number
  readonly files?: { readonly kcore: string; readonly iomem: string | undefined }
  readonly log?: Log
}

/** Calls the source in this process, where a second is none. */
async function call(
  t: ExecutionContext,
  connections: readonly Connection[],
  { retries = 5, silenceMs = 60_000, files = { kcore, iomem }, log = silent }: Called = {},
) {
  const host = farHost(t, { connections })
  const before = process.env.PATH
  process.env.PATH = `${host.bin}:${before}`
  const frames = readSsh({
    session: {
      target: { host: 'far', sshOptions: host.sshOptions, sudo: false, password: async () => undefined },
      retries,
      log,
      interrupted: new AbortController().signal,
      firstPauseMs: 1,
      silenceMs,
    },
    ...files,
    collect: true,
  })
  const taken: { transmission?: Transmission; error?: Error } = {}
  const received = (async function* () {
    try {
      yield* frames
    } catch (error) {
      taken.error = error as Error
    }
  })()
  taken.transmission = await collect(received)
  process.env.PATH = before
  return { ...taken, host, memory: taken.transmission.streams[0] }
}

test('memory comes whole from a host that has a shell and dd', async (t) => {
  const sent = await run(t, [...FILES, '-v'])
  t.is(sent.status, 0, sent.stderr)
  t.is(sent.end?.status, 'complete')
  const [memory] = sent.streams
  t.is(sent.streams.length, 1, 'the files of this machine do not belong to that memory')
  t.is(memory!.body.name, 'PhysicalMemory')
  t.is(memory!.close?.bytes, SIZE)
  t.is(firstDifference(memory!), undefined)
  t.regex(memory!.turtle, /pmem:kernelRelease "6\.1\.0-56-amd64"/)
  t.regex(sent.stderr, /ranges of RAM from .*iomem\n/)
})

for (const shell of ['/bin/dash', '/bin/bash'])
  test(`memory comes whole through ${shell} and GNU's dd, whatever the login prints`, async (t) => {
    const sent = await run(t, FILES, {
      shell: [shell],
      programs: { sh: shell, dd: '/bin/dd' },
      connections: [{ greets: 'Last login: never\n\nready-\n' }],
    })
    t.is(sent.status, 0, sent.stderr)
    t.is(firstDifference(sent.streams[0]!), undefined)
  })

test.serial(
  'links that break off at any byte change none of the memory, and are told with both times',
  async (t) => {
    const seed = randomInt(2 ** 31)
    let state = seed
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
      return Math.floor((state / 0x80000000) * below)
    }
    for (let round = 0; round < 2; round++) {
      // The first link must have come so far that there is something to go on with.
      const cuts = Array.from({ length: 5 }, (_, n) => ({
        cutAfter: (n === 0 ? 100_000 : 0) + random(SIZE / 4),
      }))
      const { memory, error, host } = await call(t, [...cuts, {}])
      const about = `seed ${seed}, round ${round}: cut after ${cuts.map(({ cutAfter }) => cutAfter)}`
      t.is(error, undefined, about)
      t.is(firstDifference(memory!), undefined, about)
      t.is(host.connections(), 6, about)
      const told = memory!.notes.filter(({ message }) => message.startsWith('the link broke off'))
      t.is(memory!.turtle.match(/pmem:resumption/g)?.length ?? 0, told.length, about)
      t.true(told.length > 0, about)
      for (const { message, offset } of told) {
        t.regex(
          message,
          /broke off at \d{4}-\S+Z \(client_loop: .*Broken pipe\); reading went on( at 0x[0-9a-f]+)? at \d{4}-\S+Z$/,
        )
        if (offset) t.true(message.includes(` at ${offset} at `))
      }
    }
  },
)

test.serial('a link breaks off inside a range: reading goes on at the very byte', async (t) => {
  const { memory, error } = await call(t, [{ cutAfter: 20_000_001 }, {}])
  t.is(error, undefined)
  t.is(firstDifference(memory!), undefined)
  const [note] = memory!.notes
  t.truthy(note?.offset)
  t.regex(memory!.turtle, new RegExp(`pmem:resumption "address=${note!.offset} lost=\\S+Z resumed=\\S+Z"`))
})

test.serial(
  'when no attempt is left, what came is closed as failed, and ends where the link broke off',
  async (t) => {
    for (const retries of [0, 2]) {
      const { memory, error, host } = await call(
        t,
        [{ cutAfter: 20e6 }, { refuses: 'ssh: connect to host far port 22: Connection refused' }],
        { retries },
      )
      t.is(host.connections(), 1 + retries)
      t.regex(
        error!.message,
        retries === 0 ? /--retries is 0$/ : /Connection refused; 2 attempts to make it anew/,
      )
      t.is(memory!.close, undefined)
      t.deepEqual(rangesOf(memory!, 'unreadable'), [])
      const read = rangesOf(memory!, 'data')
      t.regex(read.at(-1)!, /^500000-/)
    }
  },
)

test.serial('what ssh has started outlives it: the link is made anew, and its end is told', async (t) => {
  const leaves = path.join(folder, 'stays')
  fs.writeFileSync(leaves, '')
  t.teardown(() => fs.rmSync(leaves))
  const { memory, error } = await call(t, [{ cutAfter: 20e6, leaves }, {}])
  t.is(error, undefined)
  t.is(firstDifference(memory!), undefined)
  const lost = await call(t, [{ cutAfter: 20e6, leaves }], { retries: 0 })
  t.regex(lost.error!.message, /the link broke off: .*Broken pipe; --retries is 0/)
})

test('a socket to ssh that fails is named', async (t) => {
  const object = buildPreload(folder)
  const struck = (at: number) => {
    const { bin, sshOptions } = farHost(t)
    const plan = { kind: `${constants.errno.EIO}`, calls: 'read', where: 'socket:', at, number: 0 } as const
    const fault = planned(object, plan, path.join(folder, 'log'))
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, ...fault }
    return runSource('pmem-read-ssh', [...FILES, '--retries', '0', 'far', '--', ...sshOptions], { env })
  }
  const late = await struck(20e6)
  t.is(late.status, 74)
  t.is(late.end?.status, 'failed')
  const why = 'what comes from ssh cannot be read: input/output error'
  t.true(
    late.stderr.includes(`pmem-read-ssh: far: the link broke off: ${why}; --retries is 0\n`),
    late.stderr,
  )
  const soon = await struck(10)
  t.is(soon.status, 74)
  t.true(soon.stderr.includes(`pmem-read-ssh: far: ${why}\n`), soon.stderr)
})

test('a source whose link is lost ends as failed, with its reason, and status 74', async (t) => {
  const sent = await run(t, [...FILES, '--retries', '0'], { connections: [{ cutAfter: 20e6 }] })
  t.is(sent.status, 74)
  t.is(sent.end?.status, 'failed')
  t.is(sent.streams[0]!.close?.status, 'failed')
  t.regex(sent.streams[0]!.close!.error!, /^far: the link broke off: client_loop: .*Broken pipe/)
  t.regex(sent.stderr, /pmem-read-ssh: far: the link broke off: .*Broken pipe; --retries is 0\n/)
})

test.serial('a host that has rebooted is not read on', async (t) => {
  const boot = path.join(folder, 'boot')
  fs.writeFileSync(boot, 'another one\n')
  const rebooted: Connection = { replaces: ['/proc/sys/kernel/random/boot_id', boot] }
  const { memory, error, host } = await call(t, [{ cutAfter: 20e6 }, rebooted])
  t.regex(error!.message, /the host has rebooted since/)
  t.is(host.connections(), 2)
  t.is(memory!.close, undefined)
  const silentHost: Connection = { replaces: ['/proc/sys/kernel/random/boot_id', '/nowhere'] }
  const unknown = await call(t, [{ ...silentHost, cutAfter: 20e6 }, silentHost])
  t.regex(unknown.error!.message, /whether the host has rebooted since cannot be told/)
})

test.serial('what a file lacks is unreadable, as it is for who reads it there', async (t) => {
  const cut = path.join(folder, 'cut')
  fs.copyFileSync(kcore, cut)
  fs.truncateSync(cut, 0x5000 + 0x100221800)
  const { memory, error } = await call(t, [{}], { files: { kcore: cut, iomem } })
  t.is(error, undefined)
  t.deepEqual(rangesOf(memory!, 'unreadable'), ['100221800-100243000'])
  t.is(rangesOf(memory!, 'data').at(-1), '100000000-100221800')
})

test.serial('a page that fails costs only itself', async (t) => {
  // The far dd, whose reads of kcore fail at one place.
  const bad = 0x1234000n
  const file = BigInt(0x5000) + bad
  const host = farHost(t, { shell: ['/bin/dash'], programs: { sh: '/bin/dash' } })
  const dd = path.join(host.folder, 'far', 'dd')
  // Blocks that touch the page end before it, with an error.
  fs.writeFileSync(
    dd,
    `#!/bin/busybox sh
case "$*" in *count=0) exec /bin/busybox dd "$@" ;; esac
exec 3<&0
read -r k at </proc/self/fdinfo/3
for word; do case $word in bs=*) bs=\${word#bs=} ;; count=*) count=\${word#count=} ;; esac; done
if [ "$at" -le ${file} ] && [ $((at + bs * count)) -gt ${file} ]; then
  whole=$(((${file} - at) / bs))
  [ $whole = 0 ] || /bin/busybox dd bs=$bs count=$whole
  echo "dd: read error: Input/output error" >&2
  exit 1
fi
exec /bin/busybox dd "$@"
`,
    { mode: 0o755 },
  )
  const env = { ...process.env, PATH: `${host.bin}:${process.env.PATH}` }
  const sent = await runSource('pmem-read-ssh', [...FILES, 'far', '--', ...host.sshOptions], { env })
  t.is(sent.status, 2, sent.stderr)
  const [memory] = sent.streams
  t.deepEqual(rangesOf(memory!, 'unreadable'), ['1234000-1235000'])
  t.deepEqual(rangesOf(memory!, 'data').slice(1, 4), ['100000-300000', '500000-1234000', '1235000-2900000'])
  t.is(memory!.notes[0]!.message, 'unreadable: input/output error')
})

test.serial('hosts that are none fail, and soon', async (t) => {
  const failing = async (connections: readonly Connection[], silenceMs = 60_000) => {
    const { error, memory } = await call(t, connections, { retries: 1, silenceMs })
    t.is(memory?.close, undefined)
    return error!.message
  }
  const bytes = Buffer.alloc(70_000, 'garbage\n').toString()
  t.regex(await failing([{ says: bytes, forever: true }]), /talks instead of a shell/)
  t.regex(await failing([{ says: 'no\n' }]), /the host closed the connection/)
  t.regex(await failing([{ refuses: 'ssh: Could not resolve hostname far' }]), /^far: ssh: Could not resolve/)
  // The shell runs, and what answers is none.
  const talks: Connection = { replaces: ['dd bs=$5', 'while echo more >&4; do :; done; dd bs=$5'] }
  t.regex(await failing([talks]), /more bytes than were asked for/)
  const dumb: Connection = { replaces: ['dd bs=$5', 'while read x; do :; done; dd bs=$5'] }
  t.regex(await failing([dumb], 500), /nothing came for 0.5 s/)
})

test('refusals name the cause and the next step', async (t) => {
  const refusal = async (args: readonly string[], host: FarHostOptions = {}) => {
    const { status, stderr, end, streams } = await run(t, args, host)
    t.is(end?.status, 'failed')
    t.is(streams.length, 0)
    return `${status} ${stderr}`
  }
  const absent = path.join(folder, 'absent')
  t.regex(await refusal(['--kcore', absent]), /^66 pmem-read-ssh: far: .*absent: no such file/)
  t.regex(await refusal([...FILES.slice(0, 3), absent]), /^66 .*absent: no such file/)
  t.regex(await refusal(['--kcore', '/dev/null']), /^69 .*far: \/dev\/null: empty; a container/)
  t.regex(await refusal(['--kcore', '/etc/passwd']), /^65 .*far: \/etc\/passwd: not an ELF file/)
  t.regex(
    await refusal(FILES, { shell: ['/bin/dash'], programs: { sh: '/bin/dash' } }),
    /^69 .*far: dd can't be run there: .*dd: not found\nhint: /,
  )
  t.regex(await refusal(FILES, { shell: ['/bin/dash'], programs: {} }), /^66 .*far: .*sh.*not found/)
  const denied = 'root@far: Permission denied (publickey).'
  t.regex(
    await refusal(FILES, { connections: [{ refuses: denied }] }),
    /^77 .*far: root@far: Permission denied/,
  )
})

test('a kcore that is not for this user: the hint is one for a far host', async (t) => {
  const file = path.join(folder, 'private')
  fs.copyFileSync(kcore, file)
  fs.chmodSync(file, 0)
  const shell = [...(process.geteuid!() === 0 ? ['/usr/bin/unshare', '--user'] : []), '/bin/busybox', 'sh']
  const { status, stderr } = await run(t, ['--kcore', file], { shell })
  t.is(status, 77)
  t.regex(stderr, /far: .*private: user \d+ is not root\nhint: --sudo reads as root/)
})

const SUDO = `#!/bin/sh
# -S -p PROMPT COMMAND…
prompt=$3
shift 3
for try in 1 2 3; do
  printf %s "$prompt" >&2
  read -r given
  [ "$given" = secret ] && exec "$@"
  echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2
exit 1
`

test('sudo gets its password when it asks, and only then', async (t) => {
  const sudo = (script: string, password: string) => {
    const host = farHost(t)
    fs.writeFileSync(path.join(host.folder, 'far/sudo'), script, { mode: 0o755 })
    fs.writeFileSync(path.join(host.folder, 'password'), `${password}\nnot this\n`)
    const env = { ...process.env, PATH: `${host.bin}:${process.env.PATH}` }
    const under = ['bash', '-c', `exec "$@" 9<'${host.folder}/password'`, '-']
    const args = ['--sudo', '--password-fd', '9', ...FILES, 'far', '--', ...host.sshOptions]
    return runSource('pmem-read-ssh', args, { env, under })
  }
  const right = await sudo(SUDO, 'secret')
  t.is(right.status, 0, right.stderr)
  t.is(firstDifference(right.streams[0]!), undefined)
  const none = await sudo('#!/bin/sh\nshift 3\nexec "$@"\n', 'secret')
  t.is(none.status, 0, none.stderr)
  const wrong = await sudo(SUDO, 'wrong')
  t.is(wrong.status, 77)
  t.regex(wrong.stderr, /pmem-read-ssh: far: sudo does not take the password\n/)
  const missing = await run(t, ['--sudo', ...FILES])
  t.is(missing.status, 69)
  t.regex(missing.stderr, /far: .*sudo.*not found/)
})

test('who waits for another prompt than that of the password sees it', async (t) => {
  const host = farHost(t)
  fs.writeFileSync(
    path.join(host.folder, 'far/sudo'),
    '#!/bin/sh\nprintf "Verification code: " >&2\nread -r given\n',
    { mode: 0o755 },
  )
  const env = { ...process.env, PATH: `${host.bin}:${process.env.PATH}` }
  const child = spawn(
    process.execPath,
    ['bin/pmem-read-ssh', '--sudo', ...FILES, 'far', '--', ...host.sshOptions],
    { ...PATIENCE, env, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]()
  const { value } = await lines.next()
  t.is(value, 'pmem-read-ssh: far: there is no shell yet, but: Verification code:')
})

test('a process comes as it would there: its pages, its threads, and what cannot be read of it', async (t) => {
  const program = path.resolve('test/sources/process-with-holes.py')
  const child = spawn('/usr/bin/python3', [program, 'small'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const places = JSON.parse((await lines.next()).value as string) as Record<string, [number, number]>
  const sent = await run(t, ['--process', String(child.pid)])
  const [memory, maps] = sent.streams
  t.is(sent.status, 2, sent.stderr)
  const textAt = (place: string, page: number) =>
    Buffer.from(bytesAt(memory!, BigInt(places[place]![0] + page * 4096), 24) ?? []).toString('latin1')
  t.regex(textAt('pattern', 5), /^pattern page 5\0/)
  t.regex(textAt('hidden', 2), /^hidden page 2\0/)
  const hex = (page: number) => (places.beyond![0] + page * 4096).toString(16)
  t.true(rangesOf(memory!, 'unreadable').includes(`${hex(3)}-${hex(8)}`))
  const here = await runSource('pmem-read-process', [String(child.pid)])
  const kinds = ['data', 'zero', 'unreadable', 'unknown']
  for (const kind of kinds) t.deepEqual(rangesOf(memory!, kind), rangesOf(here.streams[0]!, kind))
  const facts = (turtle: string) => turtle.split('\n').filter((line) => !line.includes('pmem:executable'))
  t.deepEqual(facts(memory!.turtle), facts(here.streams[0]!.turtle))
  t.is(maps!.body.name, `process/${child.pid}/maps`)
})

test('words that are not understood are refused before anything is connected', async (t) => {
  const usage = async (...args: string[]) => {
    const { status, stderr } = await runSource('pmem-read-ssh', args)
    return `${status} ${stderr}`
  }
  t.regex(await usage('--', '-oProxyCommand=false'), /^64 .*-oProxyCommand=false: not a host/)
  t.regex(await usage('far', 'more'), /^64 .*more: one operand too many/)
  t.regex(await usage('far', '--retries', '-1'), /^64 /)
  t.regex(await usage('far', '--retries', 'x'), /^64 .*--retries x: not a number/)
  t.regex(await usage('far', '--process', 'self'), /^64 .*self: not the number of a process/)
  t.regex(await usage('far', '--process', '7', '--no-collect'), /^64 .*--no-collect: not of the memory/)
  t.regex(await usage('far', '--password-fd', '3'), /^64 .*no password without --sudo/)
})

test('Ctrl-C ends the transmission as interrupted, and the process by the signal', async (t) => {
  const { bin, sshOptions } = farHost(t)
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const child = spawn(process.execPath, ['bin/pmem-read-ssh', ...FILES, 'far', '--', ...sshOptions], {
    ...PATIENCE,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'close')
  await once(child.stdout, 'readable')
  // As a terminal does, to all of them.
  process.kill(-child.pid!, 'SIGINT')
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  t.deepEqual(await exited, [null, 'SIGINT'])
  t.regex(Buffer.concat(chunks).subarray(-200).toString('latin1'), /"status":"interrupted"/)
})
