import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { createNaming } from '../../src/sinks/zip/member-names.js'
import { buildPreload, planned } from '../faults/preload.js'
import { cut, data, fill, hex, runTool, scratch, stream, transmission } from './pipeline.js'
import { makeNastyTree, shell } from './trees.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** An archive as Python's zipfile reads it, every byte of it, its CRCs checked. */
interface Archive {
  comment: string
  members: { name: string; size: number; stored: boolean; sha256: string; extra: string }[]
}

function readZip(file: string, content = true): Archive {
  const script = `
import hashlib, json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps({'comment': z.comment.decode(), 'members': [
  {'name': i.filename, 'size': i.file_size, 'stored': i.compress_type == 0, 'extra': i.extra.hex(),
   'sha256': hashlib.sha256(z.read(i)).hexdigest() if ${content ? 'True' : 'False'} else ''} for i in z.infolist()]}))`
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-c', script, file], { encoding: 'utf8', maxBuffer: 1 << 26 }),
  ) as Archive
}

const file = (name: string, content: string | Buffer, id: number, more: Partial<StreamBody> = {}): Frame[] =>
  stream({ name, kind: 'image', ...more }, content.length > 0 ? [data(0n, Buffer.from(content))] : [], id)

test('every file of a tree is in the archive, which unzip unpacks with times and modes', async (t) => {
  const folder = await scratch(t)
  makeNastyTree(path.join(folder, 'tree'))
  const { status, stderr } = shell(folder, 'set -o pipefail; file-cat tree | zip-sink out.zip')
  t.is(status, 0, stderr)
  t.regex(stderr, /12 links are not in the archive/)
  t.is(shell(folder, 'unzip -tq out.zip').status, 0)
  const { members } = readZip(path.join(folder, 'out.zip'))
  const files = shell(
    folder,
    String.raw`find tree -type f -exec sha256sum -z {} + | tr '\0' '\n' | cut -c1-64 | sort`,
  )
  t.deepEqual(
    members
      .filter(({ name }) => !name.endsWith('/'))
      .map((member) => member.sha256)
      .sort(),
    files.stdout
      .toString()
      .split('\n')
      .filter((line) => /^[0-9a-f]{64}$/.test(line)),
  )
  t.true(members.some(({ name }) => name === 'tree/folder/deep/%E9t%E9/empty/'))
  const member = (name: string) => members.find((one) => one.name === `tree/${name}`)!
  t.true(member('big').stored)
  t.false(member('sparse').stored)
  t.false(member('only a hole').stored)

  t.is(shell(folder, 'umask 0; mkdir out; unzip -q out.zip -d out').status, 0)
  for (const name of ['big', 'mid', 'folder/mid again', 'quote"']) {
    const [was, is] = [
      statSync(path.join(folder, 'tree', name)),
      statSync(path.join(folder, 'out/tree', name.replace('"', '%22'))),
    ]
    t.is(Math.floor(is.mtimeMs / 1000), Math.floor(was.mtimeMs / 1000), name)
    t.is(is.mode & 0o777, was.mode & 0o777, name)
    // Nobody who unpacks it gets a program that runs as somebody else.
    t.is(is.mode & 0o6000, 0, name)
  }
})

test('no name leads out of the folder, none is there twice, and no file stands where a folder must', (t) => {
  const part = fc.oneof(
    fc.constantFrom(
      '..',
      '.',
      '',
      '\\',
      'C:',
      'a',
      'A',
      'a.txt',
      'a~2',
      'a.partial',
      '..\\x',
      '\0',
      '\n',
      'é',
      'e\u0301',
      'É',
      'nul.txt',
      'dot.',
      'end ',
      'a:b',
      '?',
      'x'.repeat(300),
    ),
    fc.string({ maxLength: 5 }),
  )
  const names = fc.array(
    fc.tuple(
      fc.boolean(),
      fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/')),
    ),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(names, (given) => {
      const naming = createNaming()
      const files: string[] = []
      const folders = new Set<string>()
      for (const [isFolder, name] of given)
        if (isFolder) {
          const folder = naming.folder(name)
          if (folder !== undefined) folders.add(folder)
        } else {
          const { name: whole, partial } = naming.file(name)
          t.is(Buffer.byteLength(partial) - Buffer.byteLength(whole), 8)
          files.push(whole, partial)
        }
      for (const name of [...files, ...folders]) {
        const parts = name.split('/')
        t.false(parts.includes('..') || parts.includes('') || parts.includes('.'), name)
        t.notRegex(name, /[<>:"|?*\\]|\p{Cc}/u)
        for (const part of parts) t.notRegex(part, /[ .]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i)
        t.true(parts.every((part) => Buffer.byteLength(part) <= 255 + '.partial~99'.length))
        for (let depth = 1; depth < parts.length; depth++) folders.add(parts.slice(0, depth).join('/'))
      }
      // As NTFS and APFS compare them.
      const seen = (name: string) => name.normalize('NFD').toUpperCase()
      t.is(new Set(files.map(seen)).size, files.length)
      const seenFolders = new Set([...folders].map(seen))
      for (const name of files) t.false(seenFolders.has(seen(name)), name)
    }),
    { numRuns: 500 },
  )
})

test('a folder is there once, and what is told of it is passed over where it makes no sense', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.zip')
  const told = (turtle: string, id: number) =>
    stream({ name: 'folder', kind: 'folder' }, [{ type: 'meta', stream: id, time: 0n, turtle }], id)
  const mode = '@prefix pmem: <https://pmem.dev/ns#> . <> pmem:mode "0710" .'
  const names = ['folder/a', 'folder/a.partial', 'folder/A']
  const input = transmission([
    ...told('this is no Turtle', 1),
    ...told(mode, 2),
    ...names.flatMap((name, index) => file(name, '1', index + 3)),
  ])
  const { status, stderr } = await runTool('zip-sink', [out], input)
  t.is(status, 0, stderr)
  t.deepEqual(
    readZip(out).members.map(({ name }) => name),
    ['folder/', 'folder/a', 'folder/a.partial', 'folder/A~2'],
  )
})

test('an archive of evil names unpacks into its folder alone', async (t) => {
  const folder = await scratch(t)
  const up = '../'.repeat(8)
  const names = [
    `${up}etc/evil`,
    '/etc/evil',
    '..',
    '../x',
    'a/../../x',
    '..\\..\\x',
    'C:\\x',
    'C:/x',
    '\\\\host\\x',
    'a',
    'a/b',
    'a',
    '',
    '/',
  ]
  const { status, stderr } = await runTool(
    'zip-sink',
    [path.join(folder, 'out.zip')],
    transmission(names.flatMap((name, index) => file(name || '.', `${index}`, index + 1))),
  )
  t.is(status, 0, stderr)
  const { members } = readZip(path.join(folder, 'out.zip'))
  t.is(members.length, names.length)
  t.is(new Set(members.map(({ name }) => name)).size, names.length)
  const unpacked = shell(
    folder,
    'mkdir -p in/a; cd in/a; unzip -q ../../out.zip; cd ../..; find in -type f | wc -l; ls in',
  )
  t.is(unpacked.stderr, '')
  t.is(unpacked.stdout.toString().trim(), `${names.length}\na`)
})

test('what gets shorter is deflated, the rest stored, large or small, and zeros cost nothing', async (t) => {
  const folder = await scratch(t)
  const words = Buffer.alloc(9 << 20, 'some words, and again ')
  const noise = randomBytes(9 << 20)
  const input = transmission([
    ...file('small words', words.subarray(0, 5000), 1),
    ...file('small noise', noise.subarray(0, 5000), 2),
    ...stream({ name: 'large words', kind: 'image', size: hex(words.length) }, pieces(words), 3),
    ...stream({ name: 'large noise', kind: 'image', size: hex(noise.length) }, pieces(noise), 4),
    ...stream({ name: 'hole', kind: 'image', size: hex(100 << 20) }, [fill(0n, 100n << 20n, 'zero')], 5),
    ...file('empty', '', 6),
  ])
  const out = path.join(folder, 'out.zip')
  t.is((await runTool('zip-sink', [out], input)).status, 0)
  const piped = await runTool('zip-sink', ['-'], input)
  t.is(piped.status, 0)
  writeFileSync(path.join(folder, 'piped.zip'), piped.stdout)
  for (const name of ['out.zip', 'piped.zip']) {
    t.is(shell(folder, `unzip -tq ${name}`).status, 0)
    const { members } = readZip(path.join(folder, name))
    const [smallWords, smallNoise, largeWords, largeNoise, hole] = members
    t.is(smallWords!.sha256, sha256(words.subarray(0, 5000)))
    t.is(smallNoise!.sha256, sha256(noise.subarray(0, 5000)))
    t.is(largeWords!.sha256, sha256(words))
    t.is(largeNoise!.sha256, sha256(noise))
    t.is(hole!.size, 100 << 20)
    t.deepEqual(
      members.map(({ stored }) => stored),
      // In a pipe nothing of unknown length can be stored.
      [false, true, false, name === 'out.zip', false, true],
    )
  }
  t.true(statSync(out).size < (9 << 20) + (1 << 20))
})

test('who reads a pipe finds the end of each member, and sizes of 64 bits only where they may be needed', async (t) => {
  const folder = await scratch(t)
  const noise = randomBytes(5 << 20)
  const { status, stdout } = await runTool(
    'zip-sink',
    ['-'],
    transmission([
      ...stream({ name: 'short', kind: 'image', size: hex(noise.length) }, pieces(noise)),
      ...stream({ name: 'unknown', kind: 'image' }, pieces(noise), 2),
      ...file('small', 'small', 3),
    ]),
  )
  t.is(status, 0)
  writeFileSync(path.join(folder, 'piped.zip'), stdout)
  t.is(shell(folder, 'unzip -tq piped.zip').status, 0)
  const script = `
import struct, sys, zlib
rest = sys.stdin.buffer.read()
while rest[:4] == b'PK\\x03\\x04':
    _, _, flags, method, _, _, crc, stored, size, name, extra = struct.unpack('<IHHHHHIIIHH', rest[:30])
    long = b'\\x01\\x00\\x10\\x00' == rest[30 + name:34 + name]
    print(rest[30:30 + name].decode(), end=' ')
    rest = rest[30 + name + extra:]
    if flags & 8:
        inflate = zlib.decompressobj(-15)
        content = inflate.decompress(rest)
        rest = inflate.unused_data
        signature, crc, stored, size = struct.unpack('<IIQQ' if long else '<IIII', rest[:24 if long else 16])
        assert signature == 0x08074b50 and inflate.eof
        rest = rest[24 if long else 16:]
    else:
        content, rest = rest[:stored], rest[stored:]
    assert (zlib.crc32(content), len(content)) == (crc, size)
    print('long' if long else 'short', size)
assert rest[:4] == b'PK\\x01\\x02'`
  const read = execFileSync('/usr/bin/python3', ['-c', script], { input: stdout, encoding: 'utf8' })
  t.is(read, 'short short 5242880\nunknown long 5242880\nsmall short 5\n')
})

function pieces(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length; at += 1 << 20)
    frames.push(data(BigInt(at), bytes.subarray(at, at + (1 << 20))))
  return frames
}

test('a file of more than 4 GiB has its size, and what stands behind it its place', async (t) => {
  const folder = await scratch(t)
  const size = (1n << 32n) + 5n
  const input = transmission([
    ...stream({ name: 'sparse', kind: 'image', size: hex(size) }, [fill(0n, size, 'zero')]),
    ...file('behind', 'it', 2),
  ])
  const out = path.join(folder, 'out.zip')
  t.is((await runTool('zip-sink', [out], input)).status, 0)
  t.deepEqual(
    readZip(out, false).members.map((member) => [member.name, BigInt(member.size)]),
    [
      ['sparse', size],
      ['behind', 2n],
    ],
  )
  t.is(shell(folder, 'unzip -p out.zip behind').stdout.toString(), 'it')
})

test('a stream that is not whole is called so inside, and the archive outside', async (t) => {
  const folder = await scratch(t)
  const whole = transmission([
    ...file('whole.txt', 'whole', 1),
    ...file('failed.txt', 'half', 2)
      .slice(0, -1)
      .concat({ type: 'close', stream: 2, time: 0n, body: { status: 'failed', error: 'EIO', bytes: 4 } }),
  ])
  const noise = randomBytes(6 << 20)
  for (const [size, name] of [
    [3000, 'small'],
    [6 << 20, 'large'],
  ] as const) {
    const body = { name: `${name}.bin`, kind: 'image', size: hex(size + 5) } as const
    const stump = cut(body, [...pieces(noise.subarray(0, size)), data(BigInt(size), Buffer.from('x'))])
    const out = path.join(folder, `${name}.zip`)
    const { status, stderr } = await runTool('zip-sink', [out], Buffer.concat([whole, stump]))
    t.is(status, 3)
    t.regex(stderr, new RegExp(`kept in .*${name}\\.partial\\.zip`))
    const { members, comment } = readZip(path.join(folder, `${name}.partial.zip`))
    t.deepEqual(
      members.map((member) => member.name),
      ['whole.txt', 'failed.partial.txt', `${name}.partial.bin`],
    )
    t.is(members[2]!.sha256, sha256(noise.subarray(0, size)))
    t.regex(comment, /^incomplete: truncated/)
    t.is(shell(folder, `unzip -tq ${name}.partial.zip`).status, 0)
    // What is in a pipe already cannot be given another name: it is left out, and that is said.
    const piped = await runTool('zip-sink', ['-'], Buffer.concat([whole, stump]))
    t.is(piped.status, 3)
    t.is(/large.bin: is not whole/.test(piped.stderr), name === 'large')
    writeFileSync(path.join(folder, 'piped.zip'), piped.stdout)
    const names = readZip(path.join(folder, 'piped.zip')).members.map((member) => member.name)
    t.deepEqual(names, [
      'whole.txt',
      'failed.partial.txt',
      ...(name === 'small' ? ['small.partial.bin'] : []),
    ])
    t.regex(readZip(path.join(folder, 'piped.zip')).comment, /^incomplete: truncated/)
  }
})

/** Runs zip-sink on a file system of so many bytes, and takes out what it leaves there. */
async function onSmallDisk(folder: string, size: string, input: Buffer) {
  const disk = path.join(folder, 'disk')
  mkdirSync(disk)
  const script = `mount -t tmpfs -o size=${size} tmpfs '${disk}' || exit 99
status=0; "$@" || status=$?; cp -- '${disk}'/* '${folder}'; exit $status`
  const prefix = ['unshare', '--map-root-user', '--mount', 'bash', '-c', script, 'small']
  return runTool('zip-sink', ['--ignore-space', path.join(disk, 'out.zip')], input, { prefix })
}

/** Runs zip-sink where a file may have so many bytes. */
const withSmallFiles = (folder: string, size: number, input: Buffer) =>
  runTool('zip-sink', [path.join(folder, 'out.zip')], input, {
    prefix: ['bash', '-c', `trap "" XFSZ; ulimit -f ${size >> 10}; exec "$@"`, '-'],
  })

const NOISE = randomBytes(24 << 20)
/** Of ten bytes, seven or eight stay. */
const DENSE_TEXT = Buffer.from(NOISE.toString('base64'), 'latin1')

for (const [what, content] of [
  ['stored', NOISE],
  ['deflated', DENSE_TEXT],
] as const)
  for (const [limit, run, least] of [
    ['the disk is full', (folder, input) => onSmallDisk(folder, '12M', input), 6 << 20],
    ['a file may not grow on', (folder, input) => withSmallFiles(folder, 12 << 20, input), 7 << 20],
    // The directory alone has no room behind the last piece.
    [
      'a file may not have its directory',
      (folder, input) => withSmallFiles(folder, (10 << 20) + (20 << 10), input),
      5 << 20,
    ],
  ] as readonly [string, (folder: string, input: Buffer) => ReturnType<typeof runTool>, number][])
    test(`where ${limit}, what came of a file that is ${what} is kept, and its tail named`, async (t) => {
      const folder = await scratch(t)
      const small = Array.from({ length: 4000 }, (_, i) =>
        file(`${'long/'.repeat(20)}${i}`, `${i}`, i + 1),
      ).flat()
      const input = transmission([
        ...small,
        ...file('whole', NOISE.subarray(0, 1 << 20), 5000),
        ...stream({ name: 'large.bin', kind: 'image', size: hex(content.length) }, pieces(content), 5001),
      ])
      const { status, stderr } = await run(folder, input)
      t.is(status, 74, stderr)
      const kept = Number(/large.bin: its first (\d+) bytes are kept as large.partial.bin/.exec(stderr)?.[1])
      t.true(kept >= least, stderr)
      t.deepEqual(
        readdirSync(folder).filter((name) => name !== 'disk'),
        ['out.partial.zip'],
      )
      const { members, comment } = readZip(path.join(folder, 'out.partial.zip'))
      t.is(members.length, 4002)
      t.deepEqual(
        members.slice(-2).map(({ name, size, stored, sha256 }) => ({ name, size, stored, sha256 })),
        [
          { name: 'whole', size: 1 << 20, stored: true, sha256: sha256(NOISE.subarray(0, 1 << 20)) },
          {
            name: 'large.partial.bin',
            size: kept,
            stored: what === 'stored',
            sha256: sha256(content.subarray(0, kept)),
          },
        ],
      )
      t.regex(comment, /^incomplete: failed: .*(file too large|no space left on device)/)
      t.is(shell(folder, 'unzip -tq out.partial.zip').status, 0)
    })

/** What is found behind the first local header, without a directory, and whether it says where it ends. */
const UNLISTED = `
import struct, sys, zlib
data = open(sys.argv[1], 'rb').read()
_, _, flags, method, _, _, _, _, _, name, extra = struct.unpack('<IHHHHHIIIHH', data[:30])
size, stored = struct.unpack_from('<QQ', data, 30 + name + 4)
content = data[30 + name + extra:]
sys.stderr.write(f'{flags & 8} {method} {stored}')
sys.stdout.buffer.write(zlib.decompressobj(-15).decompress(content) if method else content)`

for (const [what, content] of [
  ['stored', NOISE],
  ['deflated', DENSE_TEXT],
] as const)
  test(`a disk that takes no more writes at all: nothing is cut off, and what is ${what} does not look whole`, async (t) => {
    const folder = await scratch(t)
    const at = 9_000_000
    const plan = { kind: '5', calls: 'write', where: 'out.partial.zip', at, number: 0 } as const
    const environment = Object.entries(planned(buildPreload(folder), plan, path.join(folder, 'struck')))
    const { status, stderr } = await runTool(
      'zip-sink',
      [path.join(folder, 'out.zip')],
      transmission(stream({ name: 'x', kind: 'image', size: hex(content.length) }, pieces(content))),
      { prefix: ['env', ...environment.map(([name, value]) => `${name}=${value}`)] },
    )
    t.is(status, 74)
    t.regex(stderr, /out\.partial\.zip: is left without a directory: .*input\/output error\n/)
    t.is(statSync(path.join(folder, 'out.partial.zip')).size, at)
    const { stdout, stderr: told } = spawnSync(
      '/usr/bin/python3',
      ['-c', UNLISTED, path.join(folder, 'out.partial.zip')],
      { maxBuffer: 1 << 26 },
    )
    t.true(stdout.length > at - (1 << 10) && stdout.equals(content.subarray(0, stdout.length)))
    t.regex(String(told), what === 'stored' ? new RegExp(`^0 0 ${content.length}$`) : /^8 8 0$/)
  })

test('where the disk is full only at the end, all that came is kept', async (t) => {
  const folder = await scratch(t)
  const small = (count: number) =>
    Array.from({ length: count }, (_, i) => file(`file ${i}`, NOISE.subarray(0, 1000), i + 1)).flat()
  const { status, stderr } = await onSmallDisk(folder, '3M', transmission(small(3000)))
  t.is(status, 74, stderr)
  const { members, comment } = readZip(path.join(folder, 'out.partial.zip'))
  t.true(members.length > 1000)
  t.is(new Set(members.map((member) => member.sha256)).size, 1)
  t.regex(comment, /^incomplete: failed: .*no space left on device/)
  t.is(shell(folder, 'unzip -tq out.partial.zip').status, 0)
})

test('unreadable ranges are their text and the status is 2; too many zeros are refused', async (t) => {
  const folder = await scratch(t)
  const { status } = await runTool(
    'zip-sink',
    [path.join(folder, 'out.zip')],
    transmission(
      stream({ name: 'disk', kind: 'image', size: '0x2000' }, [
        data(0n, Buffer.alloc(0x1000, 'a')),
        fill(0x1000n, 0x1000n, 'unreadable'),
      ]),
    ),
  )
  t.is(status, 2)
  const text = shell(folder, 'unzip -p out.zip disk').stdout.subarray(0x1000).toString()
  t.is(text, 'UNREADABLEDATA'.repeat(1000).slice(0x1000, 0x2000))
  const far = await runTool(
    'zip-sink',
    [path.join(folder, 'far.zip')],
    transmission(stream({ name: 'memory', kind: 'map' }, [data(1n << 50n, Buffer.alloc(4096, 'a'))])),
  )
  t.is(far.status, 73)
  mkdirSync(path.join(folder, 'there.zip'))
  t.is((await runTool('zip-sink', [path.join(folder, 'there.zip')], Buffer.alloc(0))).status, 73)
  t.deepEqual(readdirSync(path.join(folder, 'there.zip')), [])
  t.true(readFileSync(path.join(folder, 'out.zip')).length > 0)
})
