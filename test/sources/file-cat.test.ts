import { spawnSync } from 'node:child_process'
import { createHash, randomBytes as random } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { hearsSignals } from '../cli/shell.js'
import { asRoot } from '../platform/linux/loop-device.js'
import { ask, FILE_CAT, factsOf, fileCat, folder, type Run, sizeOf } from './files/support.js'

const MIB = 1 << 20

const namesOf = ({ streams }: Run) => streams.map(({ body }) => body.name)
const endOf = ({ frames }: Run) => {
  const last = frames.at(-1)
  return last?.type === 'end' ? last.body.status : undefined
}

test('files go out byte for byte, each under its path', async (t) => {
  const root = folder(t)
  const contents: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    'one byte': Buffer.from('x'),
    'a MiB': random(MIB),
    'a MiB and one': random(MIB + 1),
    'three and a half': random(3.5 * MIB),
    zeros: Buffer.alloc(2 * MIB + 3),
  }
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(path.join(root, name), bytes)
  const run = await fileCat(Object.keys(contents), { cwd: root })
  t.is(run.status, 0)
  t.is(run.stderr, '')
  t.deepEqual(namesOf(run), Object.keys(contents))
  for (const stream of run.streams) {
    const { name } = stream.body
    t.is(stream.body.kind, 'image')
    t.is(sizeOf(stream), BigInt(contents[name]!.length))
    t.is(
      createHash('sha256').update(stream.content).digest('hex'),
      ask('sha256sum', path.join(root, name)).slice(0, 64),
    )
    t.deepEqual(stream.close, { status: 'complete', bytes: contents[name]!.length })
  }
})

/** find(1)'s list, in our words. */
function found(root: string): string[][] {
  const kinds: Record<string, string> = { d: 'folder', f: 'image', l: 'link' }
  const out = spawnSync('find', [root, '-type', 'd,f,l', '-printf', '%y %p\\0'], {
    encoding: 'latin1',
  }).stdout
  return out
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => [kinds[line[0]!]!, line.slice(2)])
    .sort()
}

test('a directory is all that find(1) finds, in byte order, whatever the names are', async (t) => {
  const root = folder(t)
  const names = [
    'plain',
    'with space',
    'new\nline',
    'percent%41',
    'quote"',
    '<angle>',
    'ネコ.txt',
    '-dash',
    '.hidden',
    '\\',
    "it's",
    '*',
    '[x]',
    '\x07\x1b[31m',
    'a'.repeat(255),
    'ä'.repeat(127),
  ]
  for (const name of names) writeFileSync(path.join(root, name), name)
  writeFileSync(Buffer.from(`${root}/caf\xe9`, 'latin1'), 'latin')
  mkdirSync(Buffer.from(`${root}/d\xff`, 'latin1'))
  writeFileSync(Buffer.from(`${root}/d\xff/in`, 'latin1'), 'inside')
  mkdirSync(path.join(root, 'empty directory'))
  symlinkSync('plain', path.join(root, 'link'))
  symlinkSync('.', path.join(root, 'loop'))
  symlinkSync('nowhere', path.join(root, 'dangling'))
  symlinkSync(Buffer.from('caf\xe9', 'latin1'), path.join(root, 'to latin'))
  linkSync(path.join(root, 'plain'), path.join(root, 'second name'))

  const run = await fileCat([root])
  t.is(run.status, 0)
  const sent = run.streams.map(({ body }) => [
    body.kind,
    Buffer.from(body.nameBytes ?? body.name, body.nameBytes === undefined ? 'utf8' : 'base64').toString(
      'latin1',
    ),
  ])
  t.deepEqual([...sent].sort(), found(root))
  const byName = (name: string) => run.streams.find(({ body }) => body.name === `${root}/${name}`)
  for (const name of names) t.is(byName(name)?.content.toString(), name)
  t.is(byName('d%FF/in')?.content.toString(), 'inside')
  t.deepEqual(byName('link')?.body.properties, { target: 'plain' })
  t.deepEqual(byName('loop')?.body.properties, { target: '.' })
  t.deepEqual(byName('to latin')?.body.properties, {
    target: 'caf%E9',
    targetBytes: Buffer.from('caf\xe9', 'latin1').toString('base64'),
  })
  t.is(factsOf(byName('plain')!.turtle).hardLinks, '2')
  const order = run.streams
    .filter(({ body }) => !body.name.includes('d%FF'))
    .map(({ body }) => Buffer.from(body.name))
  t.deepEqual(order, [...order].sort(Buffer.compare))
})

test('a name in any script can be asked for, also one that is not UTF-8', async (t) => {
  const root = folder(t)
  writeFileSync(path.join(root, 'ネコ'), 'cat')
  writeFileSync(Buffer.from(`${root}/caf\xe9`, 'latin1'), 'latin')
  writeFileSync(Buffer.from(`${root}/caf\xe8`, 'latin1'), 'other')
  const run = await fileCat(
    ['ネコ', Buffer.from('caf\xe8', 'latin1'), Buffer.from('./caf\xe9', 'latin1'), 'caf?'],
    {
      cwd: root,
    },
  )
  t.is(run.status, 0)
  t.deepEqual(namesOf(run), ['ネコ', 'caf%E8', 'caf%E9', 'caf%E8', 'caf%E9'])
  t.deepEqual(
    run.streams.map(({ content }) => content.toString()),
    ['cat', 'other', 'latin', 'other', 'latin'],
  )
})

test('a link is followed where it is named, and kept where a walk meets it', async (t) => {
  const root = folder(t)
  mkdirSync(path.join(root, 'target'))
  writeFileSync(path.join(root, 'target/file'), 'x')
  symlinkSync('target', path.join(root, 'link'))
  symlinkSync('target/file', path.join(root, 'short'))
  const named = await fileCat(['link', 'short'], { cwd: root })
  t.deepEqual(
    named.streams.map(({ body }) => [body.kind, body.name]),
    [
      ['folder', 'link'],
      ['image', 'link/file'],
      ['image', 'short'],
    ],
  )
  const walked = await fileCat(['.'], { cwd: root })
  t.deepEqual(
    walked.streams.map(({ body }) => [body.kind, body.name]),
    [
      ['folder', '.'],
      ['link', 'link'],
      ['link', 'short'],
      ['folder', 'target'],
      ['image', 'target/file'],
    ],
  )
})

test('a pattern in quotes is expanded, one that names a file is that file', async (t) => {
  const root = folder(t)
  mkdirSync(path.join(root, 'a/.b'), { recursive: true })
  for (const name of ['a/x.db', 'a/.b/y.db', 'z.db', '[z].db']) writeFileSync(path.join(root, name), name)
  t.deepEqual(namesOf(await fileCat(['**/*.db'], { cwd: root })), ['[z].db', 'a/.b/y.db', 'a/x.db', 'z.db'])
  t.deepEqual(namesOf(await fileCat(['[z].db'], { cwd: root })), ['[z].db'])
  t.deepEqual(namesOf(await fileCat(['[xyz].db'], { cwd: root })), ['z.db'])
})

test('what is missing is said: alone it is the failure, among others it is noted', async (t) => {
  const root = folder(t)
  writeFileSync(path.join(root, 'there'), 'x')
  const alone = await fileCat(['gone'], { cwd: root })
  t.is(alone.status, 66)
  t.is(alone.stderr, 'file-cat: gone: no such file or directory\n')
  t.is(endOf(alone), 'failed')
  t.is((await fileCat(['gone*'], { cwd: root })).status, 66)
  t.is((await fileCat(['gone', 'away'], { cwd: root })).status, 66)

  const among = await fileCat(['gone', 'there', 'nothing*'], { cwd: root })
  t.is(among.status, 2)
  t.is(endOf(among), 'complete')
  t.deepEqual(namesOf(among), ['there'])
  t.deepEqual(
    among.notes.map(({ level, message }) => [level, message]),
    [
      ['error', 'gone: no such file or directory'],
      ['error', 'nothing*: matches nothing'],
    ],
  )
})

/** Root may read everything, but not without its capabilities. */
const unprivileged = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : []

test('what may not be read is unreadable, and the rest goes on', async (t) => {
  const root = folder(t)
  writeFileSync(path.join(root, 'secret'), 'secret')
  writeFileSync(path.join(root, 'welcome'), 'welcome')
  mkdirSync(path.join(root, 'closed'))
  for (const name of ['secret', 'closed']) chmodSync(path.join(root, name), 0)

  const alone = await fileCat(['secret'], { cwd: root, through: unprivileged })
  t.is(alone.status, 77)
  t.is(alone.stderr, 'file-cat: secret: permission denied\n')

  const run = await fileCat(['.'], { cwd: root, through: unprivileged })
  t.is(run.status, 2)
  t.is(endOf(run), 'complete')
  const [, closed, secret, welcome] = run.streams
  t.like(closed, {
    body: { name: 'closed', kind: 'folder' },
    close: { status: 'failed', error: 'permission denied' },
  })
  t.like(secret, {
    body: { name: 'secret' },
    close: { status: 'failed', error: 'permission denied', bytes: 6 },
  })
  t.deepEqual(secret?.holes, [{ fill: 'unreadable', start: 0, end: 6 }])
  t.is(factsOf(secret!.turtle).mode, '0000')
  t.is(welcome?.content.toString(), 'welcome')
  chmodSync(path.join(root, 'closed'), 0o700)
})

test('pipes, sockets and devices in a directory are skipped, with a note', async (t) => {
  const root = folder(t)
  ask('mkfifo', path.join(root, 'fifo'))
  // The whole path may be too long for a socket.
  const bind = 'import os, socket, sys; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind("socket")'
  ask('/usr/bin/python3', '-c', bind, root)
  asRoot('mknod', path.join(root, 'char'), 'c', '1', '5')
  asRoot('mknod', path.join(root, 'block'), 'b', '7', '0')
  const run = await fileCat(['.'], { cwd: root })
  t.is(run.status, 0)
  t.deepEqual(namesOf(run), ['.'])
  t.deepEqual(
    run.notes.map(({ message }) => message),
    [
      './block: skipped: a block device, read only where it is named',
      './char: skipped: a character device',
      './fifo: skipped: a named pipe',
      './socket: skipped: a socket',
    ],
  )
  t.is((await fileCat(['char'], { cwd: root })).status, 65)
})

test('a walk stays out of the file systems of the kernel, unless they are named', async (t) => {
  const root = folder(t)
  mkdirSync(path.join(root, 'proc'))
  asRoot('mount', '-t', 'proc', 'proc', path.join(root, 'proc'))
  try {
    const walked = await fileCat(['.'], { cwd: root })
    t.is(walked.status, 0)
    t.deepEqual(namesOf(walked), ['.'])
    t.is(walked.notes[0]?.message, './proc: skipped: a proc file system, read only where it is named')
    t.is((await fileCat(['**/cmdline'], { cwd: root })).status, 66)

    const named = await fileCat(['proc/1/cmd*', 'proc/sys/kernel/osrelease', 'proc/sys/kernel/random'], {
      cwd: root,
    })
    t.is(named.status, 0)
    const [cmdline, release] = named.streams
    t.true(cmdline?.content.equals(readFileSync('/proc/1/cmdline')))
    t.is(release?.content.toString().trim(), ask('uname', '-r'))
    t.is(sizeOf(release!), BigInt(release!.content.length))
  } finally {
    asRoot('umount', path.join(root, 'proc'))
  }
})

test('a directory that lies in itself is not entered again, and that is said', async (t) => {
  const root = folder(t)
  mkdirSync(path.join(root, 'a/b'), { recursive: true })
  asRoot('mount', '--bind', root, path.join(root, 'a/b'))
  try {
    const walked = await fileCat(['.'], { cwd: root })
    t.is(walked.status, 2)
    t.deepEqual(namesOf(walked), ['.', 'a', 'a/b'])
    t.is(walked.streams[2]?.notes[0]?.message, './a/b: is . again, which it lies in')
  } finally {
    asRoot('umount', path.join(root, 'a/b'))
  }
})

test('files that only reading sizes are read to their end, and endless ones are not begun', async (t) => {
  // Modules and filters of packets come and go.
  const [KALLSYMS, POSSIBLE] = ['/proc/kallsyms', '/sys/devices/system/cpu/possible']
  const before = readFileSync(KALLSYMS).length
  const run = await fileCat([KALLSYMS, POSSIBLE, '/proc/self/mem'])
  const after = readFileSync(KALLSYMS).length
  t.is(run.status, 2)
  const [symbols, setting, memory] = run.streams
  if (before === after) t.is(symbols?.content.length, after)
  else t.true((symbols?.content.length ?? 0) > 0)
  t.true(setting?.content.equals(readFileSync(POSSIBLE)))
  t.is(sizeOf(setting!), BigInt(setting!.content.length))
  t.like(memory, { close: { status: 'failed', error: 'input/output error', bytes: 0 } })
})

test('a walk leaves what may have no end', async (t) => {
  const run = await fileCat(['/proc/thread-self'])
  t.is(run.status, 2)
  const map = run.streams.find(({ body }) => body.name.endsWith('/pagemap'))
  t.regex(map?.close?.error ?? '', /may have no end/)
  t.true(
    run.streams.some(({ body, close }) => body.name.endsWith('/cmdline') && close?.status === 'complete'),
  )
})

test('standard input and a named pipe are streams too', async (t) => {
  const root = folder(t)
  const short = await fileCat(['-'], { input: 'from a pipe' })
  t.is(short.status, 0)
  t.like(short.streams[0], { body: { name: 'stdin', kind: 'image', size: '0xb' } })
  t.is(short.streams[0]?.content.toString(), 'from a pipe')
  t.is((await fileCat(['-'], { input: '' })).streams[0]?.body.size, '0x0')

  const long = random(3 * MIB + 5)
  const run = await fileCat(['-'], { input: long })
  t.is(run.streams[0]?.body.size, undefined)
  t.true(run.streams[0]?.content.equals(long))

  const fifo = path.join(root, 'fifo')
  ask('mkfifo', fifo)
  const waiting = fileCat([fifo])
  spawnSync('sh', ['-c', `sleep 0.3; printf late > '${fifo}'`])
  t.is((await waiting).streams[0]?.content.toString(), 'late')
})

test('a sparse file of more than 4 GiB is a few holes and what lies between', async (t) => {
  const file = path.join(folder(t), 'sparse')
  const end = 4 * 1024 * MIB + 12345
  writeFileSync(file, '')
  truncateSync(file, end)
  ask('sh', '-c', `printf middle | dd of='${file}' bs=1M seek=4095 conv=notrunc status=none`)
  ask('sh', '-c', `printf last | dd of='${file}' bs=1 seek=${end - 4} conv=notrunc status=none`)
  const run = await fileCat([file])
  t.is(run.status, 0)
  const data = run.frames.filter((frame) => frame.type === 'data')
  t.deepEqual(
    data.map(({ offset, length, payload }) => [
      offset,
      length,
      Buffer.from(payload).toString().replaceAll('\0', ''),
    ]),
    [
      [0xfff00000n, 0x100000n, 'middle'],
      [0x100000000n, 12345n, 'last'],
    ],
  )
  t.is(run.streams[0]?.close?.bytes, end)
})

test('a file that grows while it is read is cut where it ended, and that is said', async (t) => {
  const file = path.join(folder(t), 'log')
  const before = random(16 * MIB)
  writeFileSync(file, before)
  const run = await fileCat([file], { meanwhile: () => appendFileSync(file, 'more') })
  t.is(run.status, 0)
  t.true(run.streams[0]?.content.equals(before))
  t.regex(run.streams[0]?.notes[0]?.message ?? '', /: grew from 16777216 to 16777220 bytes while it was read/)
})

test('a file that shrinks while it is read ends in a hole, not in a gap', async (t) => {
  const file = path.join(folder(t), 'log')
  const before = random(32 * MIB)
  writeFileSync(file, before)
  const run = await fileCat([file], { meanwhile: () => truncateSync(file, 24 * MIB + 5) })
  t.is(run.status, 2)
  const [stream] = run.streams
  t.deepEqual(stream?.holes, [{ fill: 'unknown', start: 24 * MIB + 5, end: 32 * MIB }])
  t.true(stream?.content.subarray(0, 24 * MIB + 5).equals(before.subarray(0, 24 * MIB + 5)))
  t.regex(stream?.notes[0]?.message ?? '', /: shrank from 33554432 to 25165829 bytes while it was read/)
  t.is(stream?.close?.status, 'complete')
})

test('a file that is rewritten while it is read is noted', async (t) => {
  const file = path.join(folder(t), 'database')
  writeFileSync(file, random(16 * MIB))
  const run = await fileCat([file], { meanwhile: () => writeFileSync(file, 'new', { flag: 'r+' }) })
  t.regex(run.streams[0]?.notes[0]?.message ?? '', /: changed while it was read/)
})

test('reading leaves the access time alone', async (t) => {
  const file = path.join(folder(t), 'file')
  writeFileSync(file, 'x')
  ask('touch', '-a', '-d', '2001-01-01T00:00:00Z', file)
  await fileCat([file])
  t.is(statSync(file).atime.toISOString(), '2001-01-01T00:00:00.000Z')
})

test('the file that the output goes to is not read', (t) => {
  const root = folder(t)
  writeFileSync(path.join(root, 'other'), 'x')
  const script = `'${process.execPath}' '${FILE_CAT}' -v . > out`
  const run = spawnSync('sh', ['-c', script], { cwd: root, encoding: 'utf8' })
  t.is(run.status, 0)
  t.is(run.stderr, 'file-cat: ./out: skipped: the output of this command\n')
})

test('an interruption closes what is open and ends by the signal', async (t) => {
  const root = folder(t)
  writeFileSync(path.join(root, 'big'), random(16 * MIB))
  writeFileSync(path.join(root, 'next'), 'x')
  const run = await fileCat(['big', 'next'], { cwd: root, meanwhile: (child) => void child.kill('SIGINT') })
  t.is(run.signal, 'SIGINT')
  t.deepEqual(namesOf(run), ['big'])
  t.is(run.streams[0]?.close?.status, 'interrupted')
  t.is(endOf(run), 'interrupted')

  const waiting = await fileCat(['-'], {
    input: Buffer.concat([random(2 * MIB)]),
    meanwhile: (child) => void child.kill('SIGTERM'),
  })
  t.is(waiting.signal, 'SIGTERM')
})

test('an interruption ends the wait for a pipe that nobody fills', async (t) => {
  const fifo = path.join(folder(t), 'fifo')
  ask('mkfifo', fifo)
  for (const words of [`'${fifo}'`, `- < '${fifo}'`]) {
    const script = `exec 3<>'${fifo}'; '${process.execPath}' '${FILE_CAT}' ${words} > '${fifo}.out' & ${hearsSignals('$!')}; sleep 0.5; kill -INT $!; wait $!`
    const run = spawnSync('sh', ['-c', script], { encoding: 'utf8', timeout: 120_000 })
    t.is(run.status, 130, run.stderr)
  }
})

test('twenty thousand files take bounded memory', async (t) => {
  const root = folder(t)
  for (let index = 0; index < 20_000; index++) writeFileSync(path.join(root, `file ${index}`), `${index}`)
  const peak = path.join(root, '..', `${path.basename(root)}.peak`)
  t.teardown(() => rmSync(peak))
  const run = await fileCat([root], { through: ['/usr/bin/time', '-f', '%M', '-o', peak] })
  t.is(run.streams.length, 20_001)
  t.true(run.streams.slice(1).every(({ body, content }) => body.name.endsWith(`/file ${content}`)))
  t.true(Number(readFileSync(peak, 'utf8')) < 200 << 10, readFileSync(peak, 'utf8'))
})

test('bytes past the announced end of a stream are never sent, and frames count', async (t) => {
  const root = folder(t)
  for (let index = 0; index < 700; index++)
    writeFileSync(path.join(root, `${index}`), Buffer.alloc(index * 13, index % 251))
  const run = await fileCat([root])
  const end = run.frames.at(-1)
  t.is(end?.type === 'end' ? end.body.frames : 0, run.frames.length - 1)
  for (const { body, content } of run.streams.slice(1)) {
    const index = Number(path.basename(body.name))
    t.true(content.equals(Buffer.alloc(index * 13, index % 251)))
  }
})
