import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import test from 'ava'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { cut, data, fill, hex, runTool, scratch, stream, transmission } from './pipeline.js'
import { makeNastyTree, shell } from './trees.js'

/** What rsync would still have to do to make `copy` the same as `tree`: content, times, modes, owners, links, attributes. */
const differences = (cwd: string, copy: string) =>
  shell(
    cwd,
    `rsync --archive --hard-links --xattrs --dry-run --itemize-changes --checksum --delete tree/ ${copy}/tree/`,
  )
    .stdout.toString()
    .split('\n')
    .filter((line) => line !== '')

test('a tree comes back as rsync sees it, straight through the pipe and out of both kinds of volume', async (t) => {
  const folder = await scratch(t)
  makeNastyTree(path.join(folder, 'tree'))
  const whole = (script: string) => {
    const { status, stderr } = shell(folder, `set -o pipefail; ${script}`)
    t.is(status, 0, stderr)
    t.is(stderr, '')
  }
  whole('file-cat tree | files-sink -C straight')
  whole(
    'file-cat tree | pmem-compress zlib | aff4-sink --logical l.aff4; aff4-cat l.aff4 | files-sink -C logical',
  )
  whole('file-cat tree | aff4-sink s.aff4; aff4-cat s.aff4 | files-sink -C standard')
  for (const copy of ['straight', 'logical', 'standard']) {
    // What has no bytes of its own was left out, and said so.
    t.deepEqual(differences(folder, copy), ['cS+++++++++ fifo', 'cS+++++++++ socket'], copy)
    const used = statSync(path.join(folder, copy, 'tree/sparse')).blocks * 512
    t.true(used < 2 << 20, `${copy}: sparse takes ${used}`)
  }
})

test('a tree that is deeper than a path can be long is read whole, and comes back', async (t) => {
  const folder = await scratch(t)
  t.teardown(() => shell(folder, 'rm -rf tree straight logical'))
  const script = `
import os
os.mkdir('tree'); os.chdir('tree')
for level in range(60):
    os.mkdir('folder ' * 15); os.chdir('folder ' * 15)
    if level % 20: continue
    with open('file %d' % level, 'w') as file: file.write(str(level))
    os.link('file %d' % level, 'again'); os.symlink('file %d' % level, 'link'); os.setxattr('again', 'user.level', b'%d' % level)`
  execFileSync('/usr/bin/python3', ['-c', script], { cwd: folder })
  const sums = `for place in . straight logical; do
    (cd $place; tar --create --xattrs --sort=name --pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime tree | sha256sum
      find tree -name again -links 2 | wc -l); done`
  const { status, stdout, stderr } = shell(
    folder,
    `set -e -o pipefail; file-cat tree | files-sink -C straight
     file-cat 'tree/**' | aff4-sink --logical out.aff4; aff4-cat out.aff4 | files-sink -C logical; ${sums}`,
  )
  t.is(status, 0, stderr)
  const [sum, links, ...others] = stdout.toString().trim().split('\n')
  t.is(links, '3')
  t.deepEqual(others, [sum, links, sum, links])
})

test('whatever the streams and links of a volume are called, nothing is written outside the folder', async (t) => {
  const folder = await scratch(t)
  for (const name of ['victim', 'deep/in']) mkdirSync(path.join(folder, name), { recursive: true })
  const volume = path.join(folder, 'evil.aff4')
  execFileSync('/usr/bin/python3', ['test/sinks/evil-volume.py', volume, path.join(folder, 'victim')])
  const before = shell(folder, 'find . -printf "%p %T@ %i\\n" | grep -v " deep/in$" | sort').stdout.toString()
  for (const again of ['', '-t']) {
    const { status, stderr } = shell(folder, `aff4-cat evil.aff4 | files-sink ${again} -C deep/in/out`)
    t.is(status, 2, stderr)
    t.regex(stderr, /\.\.\/\.\.\/up: written as %2E%2E\/%2E%2E\/up/)
    const outside = shell(
      folder,
      'find . -path ./deep/in/out -prune -o -path ./deep/in -o -printf "%p %T@ %i\\n" | sort',
    ).stdout.toString()
    t.is(
      outside,
      before
        .split('\n')
        .filter((line) => !line.startsWith('./deep/in '))
        .join('\n'),
    )
    t.deepEqual(readdirSync(path.join(folder, 'victim')), [])
  }
  const made = shell(folder, 'find deep/in/out -type f').stdout.toString().split('\n')
  t.true(made.includes('deep/in/out/link/through'))
  t.is(readFileSync(path.join(folder, 'deep/in/out/tmp', '..', '%2E%2E/up'), 'utf8'), 'evil')
})

const file = (name: string, content: string | Buffer, id: number, more: Partial<StreamBody> = {}): Frame[] =>
  stream({ name, kind: 'image', ...more }, content.length > 0 ? [data(0n, Buffer.from(content))] : [], id)

test('thousands of files take little memory to store, to send and to restore', async (t) => {
  const folder = await scratch(t)
  const script = `
import os
for i in range(4000):
    os.makedirs('tree/%d' % (i % 40), exist_ok=True)
    with open('tree/%d/file %d' % (i % 40, i), 'w') as file: file.write('file %d\\n' % i * (i % 300))`
  execFileSync('/usr/bin/python3', ['-c', script], { cwd: folder })
  const timed = (name: string) => `/usr/bin/time -a -o peaks -f '%M ${name}' ${name}`
  const { status, stderr } = shell(
    folder,
    `set -o pipefail
     file-cat tree | ${timed('aff4-sink')} --logical out.aff4
     ${timed('aff4-cat')} out.aff4 | ${timed('files-sink')} -C out; diff -r tree out/tree`,
  )
  t.is(status, 0, stderr)
  const peaks = readFileSync(path.join(folder, 'peaks'), 'utf8').trim().split('\n')
  t.is(peaks.length, 3)
  for (const peak of peaks) t.true(Number.parseInt(peak, 10) < 300_000, peak)
})

test('a link that lies in the folder beforehand is not followed', async (t) => {
  const folder = await scratch(t)
  mkdirSync(path.join(folder, 'victim'))
  mkdirSync(path.join(folder, 'out'))
  writeFileSync(path.join(folder, 'victim/file'), 'old')
  symlinkSync('../victim', path.join(folder, 'out/a'))
  symlinkSync('../victim/file', path.join(folder, 'out/b'))
  const input = transmission([...file('a/file', 'new', 1), ...file('b', 'new', 2)])
  const refused = await runTool('files-sink', ['-C', path.join(folder, 'out')], input)
  t.is(refused.status, 73)
  t.regex(refused.stderr, /out\/a: file exists\nhint: -t replaces/)
  const replaced = await runTool('files-sink', ['-t', '-C', path.join(folder, 'out')], input)
  t.is(replaced.status, 0, replaced.stderr)
  t.is(readFileSync(path.join(folder, 'victim/file'), 'utf8'), 'old')
  for (const name of ['a/file', 'b']) t.is(readFileSync(path.join(folder, 'out', name), 'utf8'), 'new')
})

test('what is there is refused, with -t it is replaced, and nothing else is touched', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out')
  mkdirSync(out)
  for (const name of ['file', 'other']) writeFileSync(path.join(out, name), 'old')
  const input = transmission(file('file', 'new', 1))
  t.is((await runTool('files-sink', ['-C', out], input)).status, 73)
  t.is(readFileSync(path.join(out, 'file'), 'utf8'), 'old')
  t.is((await runTool('files-sink', ['-t', '-C', out], input)).status, 0)
  t.is(readFileSync(path.join(out, 'file'), 'utf8'), 'new')
  t.is(readFileSync(path.join(out, 'other'), 'utf8'), 'old')
  t.deepEqual(readdirSync(out).sort(), ['file', 'other'])
  t.is((await runTool('files-sink', ['-C', path.join(out, 'other')], input)).status, 73)
})

test('what is replaced stays until the new one is whole', async (t) => {
  const out = path.join(await scratch(t), 'out')
  mkdirSync(out)
  for (const name of ['cut', 'second', 'first']) writeFileSync(path.join(out, name), 'old')
  symlinkSync('old', path.join(out, 'link'))
  const turtle =
    '@prefix pmem: <https://pmem.dev/ns#> . <> pmem:hardLinks 2 ; pmem:device "8:1" ; pmem:inode 5 .'
  const named = (name: string, id: number): Frame[] =>
    stream(
      { name, kind: 'image' },
      [{ type: 'meta', stream: id, time: 0n, turtle }, data(0n, Buffer.from('new'))],
      id,
    )
  const input = Buffer.concat([
    transmission([
      ...named('first', 1),
      ...named('second', 2),
      ...stream({ name: 'link', kind: 'link', properties: { target: 'new' } }, [], 3),
    ]),
    cut({ name: 'cut', kind: 'image' }, [data(0n, Buffer.from('n')), data(1n, Buffer.from('ew'))]),
  ])
  const { status, stderr } = await runTool('files-sink', ['-t', '-C', out], input)
  t.is(status, 3, stderr)
  const text = (name: string) => readFileSync(path.join(out, name), 'utf8')
  t.deepEqual(['first', 'second', 'cut', 'cut.partial'].map(text), ['new', 'new', 'old', 'n'])
  t.is(statSync(path.join(out, 'second')).ino, statSync(path.join(out, 'first')).ino)
  t.is(readlinkSync(path.join(out, 'link')), 'new')
})

test('nothing becomes set-user-ID whose owner is not known, and a folder that could not be listed is called so', async (t) => {
  const out = path.join(await scratch(t), 'out')
  const capabilities = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('base64')
  const turtle = `@prefix pmem: <https://pmem.dev/ns#> . <> pmem:mode "6755" ;
    pmem:extendedAttribute "${capabilities} security.capability", "AA== user.kept" .`
  const meta: Frame = { type: 'meta', stream: 1, time: 0n, turtle }
  const { status, stderr } = await runTool(
    'files-sink',
    ['-C', out],
    transmission([
      ...stream({ name: 'program', kind: 'image' }, [meta, data(0n, Buffer.from('#!/bin/sh'))]),
      ...stream({ name: 'shut', kind: 'folder' }, [], 2)
        .slice(0, -1)
        .concat({
          type: 'close',
          stream: 2,
          time: 0n,
          body: { status: 'failed', error: 'EACCES', bytes: 0 },
        }),
    ]),
  )
  t.is(status, 2, stderr)
  t.is(statSync(path.join(out, 'program')).mode & 0o7777, 0o755)
  const attributes = shell(out, 'getfattr --match=- program').stdout.toString()
  t.deepEqual(attributes.trim().split('\n').slice(1), ['user.kept'])
  t.deepEqual(readdirSync(out).sort(), ['program', 'shut.partial'])
})

test('a file that did not come whole keeps its partial name, those before it have theirs', async (t) => {
  const out = path.join(await scratch(t), 'out')
  const whole = transmission([
    ...file('a.txt', 'whole', 1),
    ...stream({ name: 'failed', kind: 'image' }, [data(0n, Buffer.from('half'))], 2)
      .slice(0, -1)
      .concat({ type: 'close', stream: 2, time: 0n, body: { status: 'failed', error: 'EIO', bytes: 4 } }),
  ])
  const body = { name: 'dir/b.txt', kind: 'image', size: '0x100000' } as const
  const stump = cut(body, [data(0n, Buffer.alloc(5000, 'b')), data(5000n, Buffer.alloc(5000, 'c'))])
  const { status, stderr } = await runTool('files-sink', ['-C', out], Buffer.concat([whole, stump]))
  t.is(status, 3, stderr)
  t.regex(stderr, /kept in /)
  t.deepEqual(readdirSync(out).sort(), ['a.txt', 'dir', 'failed.partial'])
  t.deepEqual(readdirSync(path.join(out, 'dir')), ['b.partial.txt'])
  t.is(statSync(path.join(out, 'dir/b.partial.txt')).size, 5000)
  t.is(statSync(path.join(out, 'a.txt')).mode & 0o777, 0o600)
})

test('unreadable ranges read as their text, holes of zeros stay holes, and the status is 2', async (t) => {
  const out = path.join(await scratch(t), 'out')
  const size = 64n << 20n
  const { status, stderr } = await runTool(
    'files-sink',
    ['-C', out],
    transmission([
      ...stream({ name: 'disk', kind: 'image', size: hex(size) }, [
        data(0n, contentOf(1, 4096)),
        fill(4096n, 4096n, 'unreadable'),
        fill(8192n, 4096n, 'byte', 0x55),
        fill(12288n, size - 12288n, 'zero'),
      ]),
      ...stream(
        { name: 'PhysicalMemory', kind: 'map', size: hex(size) },
        [data(size - 4096n, contentOf(2, 4096))],
        2,
      ),
    ]),
  )
  t.is(status, 2)
  t.regex(stderr, /disk: 4\.0 KiB unreadable or unknown/)
  const bytes = readFileSync(path.join(out, 'disk'))
  t.is(BigInt(bytes.length), size)
  t.deepEqual(bytes.subarray(0, 4096), contentOf(1, 4096))
  // The text restarts each mebibyte, and this is its first.
  t.is(bytes.subarray(4096, 8192).toString(), 'UNREADABLEDATA'.repeat(600).slice(4096, 8192))
  t.true(bytes.subarray(8192, 12288).every((byte) => byte === 0x55))
  t.true(statSync(path.join(out, 'disk')).blocks < 200)
  const memory = readFileSync(path.join(out, 'PhysicalMemory'))
  t.is(BigInt(memory.length), size)
  t.deepEqual(memory.subarray(-4096), contentOf(2, 4096))
})

test('streams of one name, and files below files, get a name each', async (t) => {
  const out = path.join(await scratch(t), 'out')
  const link = (name: string, target: string, id: number) =>
    stream({ name, kind: 'link', properties: { target } }, [], id)
  const { status, stderr } = await runTool(
    'files-sink',
    ['-C', out],
    transmission([
      ...file('a.txt', '1', 1),
      ...file('a.txt', '2', 2),
      ...file('a.txt/b', '3', 3),
      ...link('a.txt', 'x', 4),
      ...link('l', 'y', 5),
      ...file('l', '4', 6),
      ...file('l/m', '5', 7),
      ...file('n', '', 8),
    ]),
  )
  t.is(status, 0, stderr)
  t.deepEqual(readdirSync(out).sort(), ['a.txt', 'a~2.txt', 'a~3.txt', 'a~4.txt', 'l', 'l~2', 'l~3', 'n'])
  const text = (name: string) => readFileSync(path.join(out, name), 'utf8')
  t.deepEqual(['a.txt', 'a~2.txt', 'a~3.txt/b', 'l~2', 'l~3/m'].map(text), ['1', '2', '3', '4', '5'])
  t.is(readlinkSync(path.join(out, 'a~4.txt')), 'x')
  t.is(readlinkSync(path.join(out, 'l')), 'y')
})

test('numbers of files that are those of another machine make no hard link between different bytes', async (t) => {
  const out = path.join(await scratch(t), 'out')
  const facts =
    '@prefix pmem: <https://pmem.dev/ns#> . <> pmem:hardLinks 2 ; pmem:device "8:1" ; pmem:inode 5 .'
  const named = (name: string, content: string, id: number): Frame[] =>
    stream(
      { name, kind: 'image' },
      [{ type: 'meta', stream: id, time: 0n, turtle: facts }, data(0n, Buffer.from(content))],
      id,
    )
  const { status } = await runTool(
    'files-sink',
    ['-C', out],
    Buffer.concat([
      transmission([...named('a', 'same', 1), ...named('b', 'same', 2), ...named('c', 'changed', 3)]),
      transmission(named('d', 'same', 1)),
    ]),
  )
  t.is(status, 0)
  const inode = (name: string) => statSync(path.join(out, name)).ino
  t.is(inode('b'), inode('a'))
  t.not(inode('c'), inode('a'))
  t.not(inode('d'), inode('a'))
  t.is(readFileSync(path.join(out, 'c'), 'utf8'), 'changed')
})

test('a path longer than any is one name, for every sink of files', async (t) => {
  const folder = await scratch(t)
  const names = [`${'a/'.repeat(1 << 20)}end`, `${'../'.repeat(1 << 16)}end`, 'b'.repeat(1 << 20)]
  const input = transmission(names.flatMap((name, index) => file(name, `${index}`, index + 1)))
  for (const words of [
    ['files-sink', '-q', '-C', 'files'],
    ['zip-sink', '-q', 'out.zip'],
    ['aff4-sink', '-q', '--logical', 'l.aff4'],
    ['aff4-sink', '-q', 's.aff4'],
  ]) {
    const target = path.join(folder, words.pop()!)
    const { status, stderr } = await runTool(words[0]!, [...words.slice(1), target], input)
    t.is(status, 0, `${words}: ${stderr}`)
  }
  const made = readdirSync(path.join(folder, 'files'))
  t.is(made.length, 3)
  t.is(made.filter((name) => /^end~[0-9a-f]{16}$/.test(name)).length, 2)
  t.is(shell(folder, 'unzip -tq out.zip && unzip -tqq l.aff4 && unzip -tqq s.aff4').status, 0)
})

test('the folder itself may be shut by what is told of it, once all is in there', async (t) => {
  const out = path.join(await scratch(t), 'out')
  t.teardown(() => chmodSync(out, 0o700))
  const turtle = '@prefix pmem: <https://pmem.dev/ns#> . <> pmem:mode "0000" .'
  const input = transmission([
    ...stream({ name: '/', kind: 'folder' }, [{ type: 'meta', stream: 1, time: 0n, turtle }]),
    ...file('in', 'content', 2),
  ])
  // Root may open it all the same: this tells something to anybody else.
  const { status, stderr } = await runTool('files-sink', ['-C', out], input)
  t.is(status, 0, stderr)
  t.is(statSync(out).mode & 0o777, 0)
  chmodSync(out, 0o700)
  t.is(readFileSync(path.join(out, 'in'), 'utf8'), 'content')
})

test('facts that are no facts are passed over; without a folder named nothing is done', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out')
  const turtles = [
    'this is no Turtle',
    `@prefix pmem: <https://pmem.dev/ns#> . @prefix aff4: <http://aff4.org/Schema#> . <> pmem:mode "7777777", "rwx" ;
     pmem:uid "-1" ; pmem:gid 99999999999 ; aff4:lastWritten "yesterday", "9999999999-99-99T99:99:99Z" ;
     pmem:extendedAttribute "nospace", "AA== ", "AA== no.such.namespace" .`,
  ]
  const input = transmission(
    turtles.flatMap((turtle, index) =>
      stream(
        { name: `f${index}`, kind: 'image' },
        [{ type: 'meta', stream: 1, time: 0n, turtle }, data(0n, Buffer.from('x'))],
        index + 1,
      ),
    ),
  )
  const { status, stderr } = await runTool('files-sink', ['-C', out], input)
  t.is(status, 0, stderr)
  t.regex(stderr, /turtle: .*\n.*extended attributes \(no\.such\.namespace\) not restored/s)
  t.deepEqual(readdirSync(out).sort(), ['f0', 'f1'])
  const usage = await runTool('files-sink', [], input)
  t.is(usage.status, 64)
  t.regex(usage.stderr, /-C DIR is missing/)
  t.false(existsSync(path.join(folder, 'f0')))
})
