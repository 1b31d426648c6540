import { readFileSync } from 'node:fs'
import test from 'ava'
import { onTerminal, openShell, STATUSES } from './shell.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

test('--help goes to stdout and wins over missing operands', async (t) => {
  const { run } = openShell(t)
  for (const words of ['--help', '-h', '-vh', 'out.raw --help', '--stream=a -h']) {
    const { status, stdout, stderr } = await run(`sample-sink ${words}`)
    t.is(status, 0)
    t.is(stderr, '')
    t.regex(
      stdout.toString(),
      /^sample-sink: writes .*\n\nusage: sample-sink \[OPTIONS\] OUT\n\n {2}-h, --help/,
    )
    t.regex(stdout.toString(), /\n {2}-t, --truncate +replace what is there\n/)
  }
})

test('--version names the tool and the version of the package', async (t) => {
  const { run } = openShell(t)
  const { status, stdout, stderr } = await run('sample-sink --version')
  t.deepEqual([status, stdout.toString(), stderr], [0, `sample-sink ${version}\n`, ''])
})

test('behind -- nothing is an option', async (t) => {
  const { run } = openShell(t)
  const { status } = await run('sample-source --size 1k | sample-sink -- --help && test -s ./--help')
  t.is(status, 0)
})

const USAGE: [string, string][] = [
  ['sample-sink', 'an operand is missing'],
  ['sample-sink a b', 'b: one operand too many'],
  ['sample-sink --log xml a', '--log xml: only json is known'],
  ['sample-sink --expect 0 a', '--expect 0: not a number'],
  ['sample-sink --expect 1x a', '--expect 1x: not a number'],
  ['sample-sink --crc a', '--crc: unknown option'],
]
for (const [command, message] of USAGE)
  test(`usage: ${command}: ${message}`, async (t) => {
    const { run } = openShell(t)
    const { status, stdout, stderr } = await run(`${command} </dev/null; s=$?; ls; exit $s`)
    t.deepEqual(
      [status, stdout.toString(), stderr],
      [64, '', `sample-sink: ${message}\nhint: usage: sample-sink [OPTIONS] OUT\n`],
    )
  })

test('exit statuses tell what happened, at each end of the pipe', async (t) => {
  const { run } = openShell(t)
  const cases: [string, string][] = [
    ['sample-source', '0 0 0'],
    ['sample-source --unreadable', '2 0 2'],
    ['sample-source --fail 0', '66 3 3'],
    ['sample-source --fail 64k', '74 3 3'],
    ['sample-source --break 64k', '70 3 3'],
    ['sample-source --map --size 0', '0 65 3'],
    ['cat /dev/null', '0 3 3'],
    ['echo this is not a frame at all, but as long as a header is, or longer', '0 65 3'],
    ['cat .', '1 3 3'],
  ]
  for (const [source, expected] of cases) {
    const { stdout } = await run(`${source} 2>/dev/null | sample-pass | sample-sink -t out.raw; ${STATUSES}`)
    t.is(stdout.toString().trim(), expected, source)
  }
})

test('a file, a directory, a socket and a FIFO serve as standard input, or are refused by name', async (t) => {
  const { run } = openShell(t)
  t.is((await run('sample-source --size 100k >frames; sample-sink a.raw <frames && test -s a.raw')).status, 0)
  const folder = await run('sample-sink b.raw <.')
  t.deepEqual([folder.status, folder.stderr], [66, 'sample-sink: standard input: is a directory\n'])
  t.is(
    (await run('mkfifo fifo; sample-source --size 3M >fifo & sample-sink c.raw <fifo && test -s c.raw'))
      .status,
    0,
  )
  const socket = `import socket, subprocess
ours, theirs = socket.socketpair()
source = subprocess.Popen(["sample-source", "--size", "3M"], stdout=ours)
ours.close()
exit(subprocess.run(["sample-sink", "d.raw"], stdin=theirs).returncode or source.wait())`
  t.is((await run(`python3 -c '${socket}' && test -s d.raw`)).status, 0)
})

test('frames are not read from a terminal, and not written to one', async (t) => {
  const { run } = openShell(t)
  const source = await run(onTerminal('sample-source'))
  t.is(source.status, 64)
  t.regex(
    source.stdout.toString(),
    /sample-source: standard output is a terminal, .*\r\nhint: pipe them into a sink/,
  )
  const sink = await run(onTerminal('sample-sink out.raw'))
  t.is(sink.status, 64)
  t.regex(
    sink.stdout.toString(),
    /sample-sink: standard input is a terminal\r\nhint: frames come from a source: /,
  )
  for (const out of ['-', '/dev/tty', '/dev/stdout']) {
    const { status, stdout } = await run(onTerminal(`sample-source --size 4 | sample-sink ${out}`))
    t.is(status, 64)
    t.regex(stdout.toString(), /sample-sink: .*: is a terminal, and evidence is binary\r\nhint: name a file/)
  }
})

test('a stack trace is shown with PMEM_DEBUG only', async (t) => {
  const { run } = openShell(t)
  const quiet = await run('sample-source --break 0 | cat >/dev/null')
  t.is(
    quiet.stderr,
    'sample-source: internal error: a defect of the sample\nhint: PMEM_DEBUG=1 shows where; please report it\n',
  )
  const debug = await run('PMEM_DEBUG=1 sample-source --break 0 | cat >/dev/null')
  t.regex(debug.stderr, /TypeError: a defect of the sample\n {4}at /)
})

test('a tool that waits for nothing is a defect, never success', async (t) => {
  const { run } = openShell(t)
  const { status, stderr } = await run('sample-source --size 1k | sample-sink --hang out.raw')
  t.is(status, 70)
  t.regex(stderr, /^\S+: internal error: nothing left to wait for\n/)
})

test('a closed pipe ends a source, a transform and --help quietly', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 20M | sample-pass | head -c 100 >/dev/null; ${STATUSES}; sample-sink --help | true`,
  )
  t.is(stdout.toString(), '141 141 0\n')
  t.is(stderr, '')
})

test('a closed pipe is an error of a sink', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 20M | sample-sink - | head -c 100 >/dev/null; ${STATUSES}`,
  )
  t.is(stdout.toString(), '141 74 0\n')
  t.regex(stderr, /^sample-sink: standard output: the reader closed the pipe\n/)
})
