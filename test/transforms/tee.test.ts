import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { bytesAt } from '../cli/sample/bytes.js'
import { openShell, type Shell, STATUSES } from '../cli/shell.js'

const MIB = 1 << 20

const read = ({ folder }: Shell, name: string): Buffer => fs.readFileSync(path.join(folder, name))

function isBegun(t: ExecutionContext, evidence: Buffer): void {
  t.true(evidence.length > 0)
  t.true(evidence.equals(bytesAt(0, evidence.length)))
}

test('one acquisition goes whole into a volume, an image, a digest and a file of frames', async (t) => {
  const shell = openShell(t)
  const { status, stdout, stderr } = await shell.run(
    `sample-source --size 40M | pmem-tee --crc sent.frames 'pmem-compress snappy | aff4-sink out.aff4' 'raw-sink - | sha256sum' 'raw-sink out.raw'
     echo $?; pmem-frames --json < sent.frames | grep -o '"name":"pmem-tee"'; aff4-cat out.aff4 | raw-sink - | sha256sum; sha256sum < out.raw; raw-sink - < sent.frames | sha256sum; aff4-verify out.aff4`,
  )
  t.is(stderr, '')
  t.is(status, 0)
  const [first, ...others] = stdout.toString().match(/[0-9a-f]{64}/g)!
  t.deepEqual(others.slice(0, 3), [first, first, first])
  t.regex(stdout.toString(), /^0\n"name":"pmem-tee"\n/m)
  t.true(read(shell, 'out.raw').equals(bytesAt(0, 40 * MIB)))
})

test('an input that was cut is a stump in every branch', async (t) => {
  const shell = openShell(t)
  const { status, stderr } = await shell.run(
    `sample-source --size 8M 2>/dev/null | head -c 5M | pmem-tee sent.frames 'aff4-sink out.aff4' 'raw-sink out.raw'`,
  )
  t.is(status, 3)
  t.deepEqual(fs.readdirSync(shell.folder).sort(), [
    'out.partial.aff4',
    'out.partial.raw',
    'out.partial.raw.map',
    'sent.partial.frames',
  ])
  t.regex(stderr, /^pmem-tee: input ended at 0x500000 before END\n/m)
  t.regex(stderr, /^pmem-tee: sent\.frames: exit status 3 \(what came is in sent\.partial\.frames\)\n/m)
  t.regex(stderr, /^pmem-tee: 'raw-sink out\.raw': exit status 3\n/m)
  const { stdout } = await shell.run('pmem-frames < sent.partial.frames | tail -n 1')
  t.regex(stdout.toString(), /^END .*"truncated"/)
})

for (const [failing, exit, told] of [
  ['raw-sink /dev/full', 74, /^pmem-tee: 'raw-sink \/dev\/full': exit status 74 after .* of frames$/m],
  ['/dev/full', 74, /^pmem-tee: \/dev\/full: no space left on device after .* of frames$/m],
  ['no-such-sink out', 127, /^pmem-tee: 'no-such-sink out': exit status 127 after .* of frames$/m],
  ['exit 5', 5, /^pmem-tee: 'exit 5': exit status 5 after .* of frames$/m],
  [
    'head -c 100 >/dev/null',
    141,
    /^pmem-tee: 'head -c 100 >\/dev\/null': exit status 0 after .* of frames$/m,
  ],
  ['head -c 1M >/dev/null; exit 3', 3, /exit 3': exit status 3 after .* of frames$/m],
  [
    'head -c 1M >/dev/null; kill -KILL $$',
    137,
    /kill -KILL \$\$': exit status 137 \(SIGKILL\) after .* of frames$/m,
  ],
] as const)
  test(`a branch that fails is told and left out, the others are whole: ${failing}`, async (t) => {
    const shell = openShell(t)
    const { stdout, stderr } = await shell.run(
      `sample-source --size 24M | pmem-tee 'raw-sink out.raw' '${failing}' sent.frames; ${STATUSES}`,
    )
    t.is(stdout.toString(), `0 ${exit}\n`)
    t.regex(stderr, told)
    t.is(stderr.match(/^pmem-tee: /gm)?.length, 1, 'one line a branch')
    t.true(read(shell, 'out.raw').equals(bytesAt(0, 24 * MIB)))
    t.true(fs.existsSync(path.join(shell.folder, 'sent.frames')))
  })

test('the failure is told at once, not when the others are done', async (t) => {
  const shell = openShell(t)
  const { status } = await shell.run(
    `mkfifo p; sample-source --stall 2M >p & source=$!
     pmem-tee 'raw-sink out.raw' 'exit 9' <p 2>told & tee=$!
     until grep -q "'exit 9': exit status 9" told; do sleep 0.05; done; kill -0 $tee && kill -INT $source; wait $tee`,
  )
  t.is(status, 9)
})

test('a sink that is killed and a sink that is full do not take a third one with them', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `sample-source --size 64M --pause 1 | pmem-tee 'echo $$ >pid; exec raw-sink killed.raw' 'raw-sink /dev/full' 'aff4-sink out.aff4' & tee=$!
     until [ -s pid ] && [ -e killed.partial.raw ]; do sleep 0.05; done; kill -KILL $(cat pid); wait $tee; echo $?
     aff4-cat out.aff4 | raw-sink out.raw; ls`,
  )
  t.is(stdout.toString(), '137\nkilled.partial.raw\nout.aff4\nout.raw\npid\n', stderr)
  t.true(read(shell, 'out.raw').equals(bytesAt(0, 64 * MIB)))
})

test('with no branch left it ends, and so does the source', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 1g | pmem-tee 'head -c 1M >/dev/null' 'raw-sink /dev/full'; ${STATUSES}
     sample-source --size 1g | pmem-tee 'raw-sink /dev/full' /dev/full; ${STATUSES}`,
  )
  t.is(stdout.toString(), '141 141\n141 74\n')
  t.is(stderr.match(/^pmem-tee: /gm)?.length, 4)
})

test('a file that is there is kept, and nothing runs; -t replaces it', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `echo old > sent.frames; sample-source | pmem-tee sent.frames 'touch ran' 2>refused; ${STATUSES}; ls; cat sent.frames
     sample-source | pmem-tee -t sent.frames 'raw-sink -t out.raw'; ${STATUSES}; pmem-frames < sent.frames | tail -n 1`,
  )
  t.regex(stdout.toString(), /^\d+ 73\nrefused\nsent\.frames\nold\n0 0\nEND .*complete/)
  t.is(stderr, '')
  t.is(read(shell, 'refused').toString(), 'pmem-tee: sent.frames: file exists\nhint: -t replaces it\n')
})

test('one file twice, and a time that is none, are usage errors', async (t) => {
  const { run } = openShell(t)
  for (const [words, message] of [
    ['a.frames ./a.frames', './a.frames: given twice'],
    ['--drop-slow 0 a.frames', '--drop-slow 0: not a number of seconds'],
    ['--drop-slow soon a.frames', '--drop-slow soon: not a number of seconds'],
  ]) {
    const { status, stderr } = await run(`sample-source 2>/dev/null | pmem-tee ${words}; ls >&2`)
    t.is(status, 0)
    t.true(stderr.startsWith(`pmem-tee: ${message}\nhint: usage: `), stderr)
    t.notRegex(stderr, /frames\n$/)
  }
})

test('what names no file is a command, though it has no arguments', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(`sample-source | pmem-tee 'pmem-frames ' | tail -n 1; ls`)
  t.regex(stdout.toString(), /^END .*complete.*\n$/)
})

test('the slowest sets the pace, and memory stays flat', async (t) => {
  const shell = openShell(t)
  const { status, stderr } = await shell.run(
    `sample-source --size 200M --chunk 1M | pmem-tee 'sleep 1; exec raw-sink slow.raw' 'raw-sink out.raw' 'cat >/dev/null; grep VmHWM /proc/$PPID/status >peak'
     status=$?; cmp out.raw slow.raw && exit $status`,
  )
  t.is(status, 0, stderr)
  const [, kibibytes] = /(\d+) kB/.exec(read(shell, 'peak').toString())!
  t.true(Number(kibibytes) < 150 << 10, `${kibibytes} KiB`)
})

test('--drop-slow: who keeps the others waiting is cut off and labelled, and nothing of it stays behind', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `mkfifo p; raw-sink slow.raw <p & sink=$!
     sample-source --size 64M | pmem-tee --drop-slow 1 'echo $$ >stalled; sleep 600; :' 'while head -c 64k >piece; [ -s piece ]; do cat piece; sleep 0.05; done >p' sent.frames; ${STATUSES}
     wait $sink; echo $?; ls *.raw *.frames; ps -o pid= --ppid $(cat stalled) -p $(cat stalled); raw-sink out.raw < sent.frames`,
  )
  t.is(stdout.toString(), '0 3\n3\nsent.frames\nslow.partial.raw\n', stderr)
  t.regex(stderr, /^pmem-tee: 'echo .*': cut off after .* of frames: the others have waited for it$/m)
  t.regex(stderr, /^pmem-tee: 'while .*': cut off after .* of frames: the others have waited for it$/m)
  t.regex(stderr, /^raw-sink: input ended at .* kept in slow\.partial\.raw$/m)
  isBegun(t, read(shell, 'slow.partial.raw'))
  t.true(read(shell, 'out.raw').equals(bytesAt(0, 64 * MIB)))
})

test('--drop-slow: who takes nothing in the end is cut off, too', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `sample-source --size 512k | pmem-tee --drop-slow 1 'sleep 600; :' sent.frames; ${STATUSES}; raw-sink out.raw < sent.frames`,
  )
  t.is(stdout.toString(), '0 3\n')
  t.regex(stderr, /^pmem-tee: 'sleep 600; :': cut off after .* of frames: the others have waited for it$/m)
  t.true(read(shell, 'out.raw').equals(bytesAt(0, MIB / 2)))
})

test('--drop-slow: a source that is slow costs no branch its place', async (t) => {
  const shell = openShell(t)
  const { stdout, stderr } = await shell.run(
    `sample-source --size 4M --pause 40 | pmem-tee --drop-slow 5 'cat >out.frames' 'cat >other.frames'; ${STATUSES}`,
  )
  t.is(stdout.toString(), '0 0\n')
  t.is(stderr, '')
})

/** Processes of a group that still run. */
function running(group: number): string[] {
  return fs.readdirSync('/proc').filter((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false
    try {
      const [state, , pgrp] = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
      return Number(pgrp) === group && state !== 'Z'
    } catch {
      return false
    }
  })
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 10_000) throw new Error('waited too long')
    await sleep(20)
  }
}

test('Ctrl-C: the source says so, every branch goes on until END, what stands between included', async (t) => {
  const shell = openShell(t)
  const { group, ended } = shell.start(
    `sample-source --size 1g --pause 5 --mark 4M | pmem-tee 'aff4-sink out.aff4' 'cat | cat > sent.frames' sent.frames.2; ${STATUSES}`,
  )
  const there = ['out.partial.aff4', 'marked', 'sent.frames']
  await until(() => there.every((file) => fs.existsSync(path.join(shell.folder, file))))
  process.kill(-group, 'SIGINT')
  const { stdout, stderr } = await ended
  t.is(stdout.toString(), '130 3\n')
  t.regex(stderr, /^aff4-sink: interrupted by SIGINT; .* kept in out\.partial\.aff4$/m)
  t.regex(stderr, /^pmem-tee: 'aff4-sink out\.aff4': exit status 3$/m)
  const kept = await shell.run(
    'cmp sent.frames sent.partial.frames.2 || cmp sent.frames sent.frames.partial.2; pmem-frames < sent.frames | tail -n 1',
  )
  t.regex(kept.stdout.toString(), /^END .*"interrupted".*\n$/)
  t.deepEqual(running(group), [])
})

test('Ctrl-C twice ends all of it, stalled branches too', async (t) => {
  const shell = openShell(t)
  const { group, ended } = shell.start(
    `sample-source --size 1g | pmem-tee 'aff4-sink out.aff4' '{ sleep 600; :; } | cat' 'sleep 600'`,
  )
  const isStalled = (pid: string) => commandOf(pid).startsWith('sleep\0')
  await until(() => fs.existsSync(path.join(shell.folder, 'out.partial.aff4')))
  await until(() => running(group).filter(isStalled).length === 2)
  process.kill(-group, 'SIGINT')
  // What is still pending would count for both.
  await until(() => !running(group).some(hasPending))
  t.is(running(group).filter(isStalled).length, 2, 'the first has ended nobody')
  process.kill(-group, 'SIGINT')
  const { status } = await ended
  t.is(status, 130)
  t.deepEqual(running(group), [])
  t.true(fs.existsSync(path.join(shell.folder, 'out.partial.aff4')))
})

/** Whether a signal has been sent to a process and not reached it yet. */
function hasPending(pid: string): boolean {
  try {
    return !/^ShdPnd:\s*0+$/m.test(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

function commandOf(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}
