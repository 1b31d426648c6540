import fs from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { ToolError } from '../../src/cli/exit.js'
import { type Outcome, openOutput, partialName } from '../../src/cli/output.js'
import { hearsSignals, openShell, STATUSES } from './shell.js'

const COMPLETE: Outcome = { status: 'complete', unreadable: false }
const TRUNCATED: Outcome = { status: 'truncated', unreadable: false }

test('.partial comes before the extension, in the same folder', (t) => {
  for (const [target, partial] of [
    ['out.aff4', 'out.partial.aff4'],
    ['out', 'out.partial'],
    ['a.b/out', 'a.b/out.partial'],
    ['a.b/out.tar.gz', 'a.b/out.tar.partial.gz'],
    ['/a.b/.hidden', '/a.b/.hidden.partial'],
    ['./out.raw', 'out.partial.raw'],
    ['../x.y/out.raw', '../x.y/out.partial.raw'],
  ] as const)
    t.is(partialName(target), partial)
})

test('the file is created by the first write, 0600, and takes its name when complete', async (t) => {
  const { folder } = openShell(t)
  const target = path.join(folder, 'a.b', 'out')
  const partial = path.join(folder, 'a.b', 'out.partial')
  fs.mkdirSync(path.dirname(target))
  const output = openOutput(target, false)
  t.deepEqual(fs.readdirSync(path.dirname(target)), [])
  await output.write(Buffer.from('one'), Buffer.alloc(0), Buffer.from('two'))
  t.is(fs.statSync(partial).mode & 0o777, 0o600)
  t.is(output.position, 6n)
  await output.writeAt(1n, Buffer.from('NE'))
  t.is(output.position, 6n)
  await output.write(Buffer.from('three'))
  await output.truncate(9n)
  t.is(output.position, 9n)
  await output.write(Buffer.from('!'))
  t.is(await output.finish(COMPLETE), target)
  t.deepEqual(fs.readdirSync(path.dirname(target)), ['out'])
  t.is(fs.readFileSync(target, 'latin1'), 'oNEtwothr!')
})

test('more pieces than one writev takes are written, in order', async (t) => {
  const { folder } = openShell(t)
  const output = openOutput(path.join(folder, 'out.raw'), false)
  const pieces = Array.from({ length: 5000 }, (_, at) => Buffer.from(`${at} `.repeat(at % 3)))
  await output.write(...pieces)
  await output.write(...pieces)
  const name = await output.finish(COMPLETE)
  const expected = Buffer.concat([...pieces, ...pieces])
  t.is(output.position, BigInt(expected.length))
  t.deepEqual(fs.readFileSync(name!), expected)
})

test('an output that is not complete stays partial, whatever happened', async (t) => {
  const { folder } = openShell(t)
  const output = openOutput(path.join(folder, 'out.raw'), false)
  await output.write(Buffer.from('x'))
  t.is(await output.finish(TRUNCATED), path.join(folder, 'out.partial.raw'))
  t.deepEqual(fs.readdirSync(folder), ['out.partial.raw'])
})

test('nothing written leaves no file, and what was there stays', async (t) => {
  const { folder } = openShell(t)
  const target = path.join(folder, 'out.raw')
  fs.writeFileSync(target, 'old')
  t.is(await openOutput(target, true).finish(COMPLETE), undefined)
  t.deepEqual(fs.readdirSync(folder), ['out.raw'])
  t.is(fs.readFileSync(target, 'latin1'), 'old')
})

test('-t replaces an old file only when the new one is complete, and an old partial file at once', async (t) => {
  const { folder } = openShell(t)
  const target = path.join(folder, 'out.raw')
  fs.writeFileSync(target, 'old')
  fs.writeFileSync(path.join(folder, 'out.partial.raw'), 'old and longer')
  const output = openOutput(target, true)
  await output.write(Buffer.from('new'))
  t.is(fs.readFileSync(target, 'latin1'), 'old')
  await output.finish(TRUNCATED)
  t.is(fs.readFileSync(target, 'latin1'), 'old')
  t.is(fs.readFileSync(path.join(folder, 'out.partial.raw'), 'latin1'), 'new')
  const again = openOutput(target, true)
  await again.write(Buffer.from('newer'))
  await again.finish(COMPLETE)
  t.deepEqual(fs.readdirSync(folder), ['out.raw'])
  t.is(fs.readFileSync(target, 'latin1'), 'newer')
})

test('what exists is refused without -t, also where it appears meanwhile', async (t) => {
  const { folder } = openShell(t)
  const refused = (target: string, replace = false) =>
    t.throws(() => openOutput(path.join(folder, target), replace), { instanceOf: ToolError })
  for (const name of ['a.raw', 'b.partial.raw']) fs.writeFileSync(path.join(folder, name), '')
  fs.mkdirSync(path.join(folder, 'dir'))
  for (const target of ['a.raw', 'b.raw']) {
    const error = refused(target)
    t.is(error?.exitCode, 73)
    t.regex(error?.message ?? '', /\.raw: file exists$/)
    t.is(error?.hint, '-t replaces it')
  }
  t.is(refused('dir', true)?.exitCode, 73)
  t.is(refused('absent/out.raw', true)?.exitCode, 73)
  t.is(refused('a.raw/out.raw', true)?.exitCode, 73)

  const output = openOutput(path.join(folder, 'c.raw'), false)
  await output.write(Buffer.from('x'))
  fs.writeFileSync(path.join(folder, 'c.raw'), 'theirs')
  const error = await t.throwsAsync(output.finish(COMPLETE), { instanceOf: ToolError })
  t.is(error?.exitCode, 73)
  t.is(fs.readFileSync(path.join(folder, 'c.raw'), 'latin1'), 'theirs')
  t.is(fs.readFileSync(path.join(folder, 'c.partial.raw'), 'latin1'), 'x')
})

test('a sink refuses before it reads: existing files, its own input', async (t) => {
  const { run, folder } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 4k >frames
     touch old.raw
     sample-sink old.raw <frames; echo $?
     sample-sink -t frames <frames; echo $?
     ln frames other; sample-sink -t other <frames; echo $?
     ln -s frames link; sample-sink -t link <frames; echo $?
     mv frames in.partial.raw; sample-sink -t in.raw <in.partial.raw; echo $?`,
  )
  t.is(stdout.toString(), '73\n64\n64\n64\n64\n')
  t.regex(stderr, /^sample-sink: old.raw: file exists\nhint: -t replaces it\n/)
  t.is(stderr.match(/: input and output are one file\n/g)?.length, 4)
  t.true(fs.statSync(path.join(folder, 'in.partial.raw')).size > 4096)
})

test('- and FIFOs and devices are written as they are', async (t) => {
  const { run, folder } = openShell(t)
  const { stdout, stderr } = await run(
    `sample-source --size 3M | sample-sink expected.raw; ${STATUSES}
     sample-source --size 3M | sample-sink - >stdout.raw; ${STATUSES}
     sample-source --size 3M | sample-sink - | cat >piped.raw; ${STATUSES}
     mkfifo fifo; cat fifo >fifo.raw & sample-source --size 3M | sample-sink fifo; ${STATUSES}; wait
     sample-source --size 3M | sample-sink /dev/null; ${STATUSES}
     sample-source --size 3M | sample-sink -t /dev/null; ${STATUSES}
     cmp expected.raw stdout.raw && cmp expected.raw piped.raw && cmp expected.raw fifo.raw && echo same`,
  )
  t.is(stderr, '')
  t.is(stdout.toString(), '0 0\n0 0\n0 0 0\n0 0\n0 0\n0 0\nsame\n')
  t.deepEqual(fs.readdirSync(folder).sort(), ['expected.raw', 'fifo', 'fifo.raw', 'piped.raw', 'stdout.raw'])
  t.true(fs.statSync('/dev/null').isCharacterDevice())
})

test('a sink that waits for the reader of a FIFO hears signals', async (t) => {
  const { run } = openShell(t)
  const { stdout } = await run(
    `mkfifo fifo; sample-source --size 1M >frames
     sample-sink fifo <frames & sink=$!; ${hearsSignals('$sink')}; sleep 0.5
     while [ -n "$(jobs -r)" ]; do kill -INT %1; sleep 0.2; done; wait $sink; echo $?`,
  )
  t.is(stdout.toString(), '130\n')
})

test('a device that is full: 74, and its name', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(`sample-source --size 20M | sample-sink /dev/full; ${STATUSES}`)
  t.is(stdout.toString(), '141 74\n')
  t.regex(stderr, /^sample-sink: \/dev\/full: no space left on device\n/)
})

test('a disk that is full: 74, the name of the file, and all whole writes before are in it', async (t) => {
  const { run } = openShell(t)
  const { stdout, stderr } = await run(
    `mkdir disk; unshare --map-root-user --mount bash -c '
       mount -t tmpfs -o size=1M tmpfs disk
       sample-source --size 3M | sample-sink expected.raw
       sample-source --size 20M | sample-sink disk/out.raw; ${STATUSES}
       ls disk; cmp disk/out.partial.raw expected.raw; stat -c %s disk/out.partial.raw'`,
  )
  t.regex(stdout.toString(), /^141 74\nout.partial.raw\n1048576\n$/)
  t.regex(
    stderr,
    /^sample-sink: disk\/out.partial.raw: no space left on device\nhint: what came before is in disk\/out.partial.raw\n/,
  )
  t.regex(stderr, /cmp: EOF on disk\/out.partial.raw/)
})

test('position tells what was written whole when a write fails', async (t) => {
  const output = openOutput('/dev/full', false)
  const error = await t.throwsAsync(output.write(Buffer.alloc(10)), { instanceOf: ToolError })
  t.is(error?.exitCode, 74)
  t.is(output.position, 0n)
  await t.throwsAsync(async () => output.writeAt(0n, Buffer.alloc(1)), { instanceOf: ToolError })
})

test('the file is durable before it takes its name, and the folder after', async (t) => {
  const { run, folder } = openShell(t)
  const { status } = await run(
    `sample-source --size 64k | strace -f -y -o trace -e trace=pwritev,fsync,fdatasync,rename,renameat,renameat2 sample-sink out.raw`,
  )
  t.is(status, 0)
  const calls = fs
    .readFileSync(path.join(folder, 'trace'), 'utf8')
    .split('\n')
    .flatMap((line) => /(pwritev|fsync|rename)\w*\(.*/.exec(line)?.[0] ?? [])
  const index = (what: RegExp) => calls.findIndex((call) => what.test(call))
  const [sync, rename, folderSync] = [
    index(/^fsync\(\d+<.*out.partial.raw>/),
    index(/^rename/),
    index(/^fsync\(\d+<.*work>/),
  ]
  t.true(sync >= 0 && rename > sync && folderSync > rename, calls.join('\n'))
  t.true(calls.findLastIndex((call) => call.startsWith('pwritev')) < sync)
})

for (const [when, size, call] of [
  ['at the end', '64k', 'fsync'],
  // The system tells such a failure once.
  ['on the way', '40M', 'fdatasync'],
] as const)
  test(`a disk that fails ${when}: 74, and the file stays partial`, async (t) => {
    const { run, folder } = openShell(t)
    const { status, stderr } = await run(
      `sample-source --size ${size} | strace -f -o /dev/null -e trace=${call} -e inject=${call}:error=EIO:when=1 sample-sink out.raw`,
    )
    t.is(status, 74)
    t.regex(stderr, /^sample-sink: out.partial.raw: input\/output error\n/)
    t.deepEqual(fs.readdirSync(folder), ['out.partial.raw'])
  })

test('an empty image is an empty file', async (t) => {
  const { run, folder } = openShell(t)
  t.is((await run('sample-source --size 0 | sample-sink out.raw')).status, 0)
  t.is(fs.statSync(path.join(folder, 'out.raw')).size, 0)
})
