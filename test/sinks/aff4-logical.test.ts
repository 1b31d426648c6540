import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { contentOf } from '../formats/aff4/recipe.js'
import { cut, data, fill, hex, runTool, scratch, stream, transmission } from './pipeline.js'
import { makeNastyTree, readLogical, shell } from './trees.js'

const PMEM = 'https://pmem.dev/ns#'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('each file, folder and link of a tree is an object of its path, which Python reads with its digest', async (t) => {
  const folder = await scratch(t)
  makeNastyTree(path.join(folder, 'tree'))
  const { status, stderr } = shell(folder, 'set -o pipefail; file-cat tree | aff4-sink --logical out.aff4')
  t.is(status, 0, stderr)
  t.is(shell(folder, 'unzip -tq out.aff4').status, 0)
  const { objects, names } = readLogical(path.join(folder, 'out.aff4'))
  const only = (name: string) => {
    t.is(objects[name]?.length, 1, name)
    return objects[name]![0]!
  }

  const listed = shell(
    folder,
    String.raw`find tree \( -type f -o -type d -o -type l \) -printf '%P\0' | tr -cd '\0' | wc -c`,
  )
  const count = Object.values(objects).flat().length
  t.is(count, Number(listed.stdout.toString()))
  for (const [name, text] of [
    ['new\nline', 'content of new\nline'],
    ['ネコ.txt', 'content of ネコ.txt'],
    ['a%20b', 'content of a%20b'],
    ['a b', 'content of a b'],
    ['information.turtle', 'content of information.turtle'],
  ] as const)
    t.is(only(`tree/${name}`).sha256, sha256(Buffer.from(text)), name)
  t.is(only('tree/ネコ.txt').urn, 'U//tree/ネコ.txt')
  t.is(only('tree/hash#?query').urn, 'U//tree/hash%23%3fquery')
  for (const name of ['/tree/a b', '/tree/a%2520b', '/tree/ネコ.txt', '/tree/new%0aline'])
    t.true(names.includes(name), name)

  const plain = only('tree/plain')
  t.deepEqual(plain[`${PMEM}mode`], ['4711'])
  t.regex(plain.lastWritten![0]!, /^1955-09-29T08:14:59\.876543/)
  t.deepEqual(plain[`${PMEM}extendedAttribute`]?.map((one) => one.replace(/^\S* /, '')).sort(), [
    'user.comment',
    'user.empty',
    'user.with space=',
  ])
  t.deepEqual(only('tree/folder').types, ['Folder', 'Image'])
  const link = only('tree/to latin')
  t.deepEqual(link.types, [`${PMEM}SymbolicLink`])
  t.deepEqual(link[`${PMEM}targetRaw`], [Buffer.from('caf\xe9', 'latin1').toString('base64')])

  // A name that is not UTF-8 looks like one that is.
  const alike = objects['tree/caf%E9']!
  t.is(alike.length, 2)
  t.deepEqual(alike.map((one) => one[`${PMEM}nameBytes`]?.[0]).sort(), [
    Buffer.from('tree/caf\xe9', 'latin1').toString('base64'),
    undefined,
  ])
})

test('copies and further names of a file are stored once, and so is what a longer file begins with', async (t) => {
  const folder = await scratch(t)
  makeNastyTree(path.join(folder, 'tree'))
  for (const [name, transform] of [
    ['raw', ''],
    ['zlib', '| pmem-compress zlib'],
  ]) {
    const { status, stderr } = shell(folder, `file-cat tree ${transform} | aff4-sink --logical ${name}.aff4`)
    t.is(status, 0, stderr)
    const { objects } = readLogical(path.join(folder, `${name}.aff4`))
    const file = (one: string) => objects[`tree/${one}`]![0]!
    for (const [first, second] of [
      ['big', 'big link'],
      ['big', 'folder/big again'],
      ['mid', 'folder/mid again'],
      ['mid', 'folder/mid link'],
    ] as const) {
      t.is(file(second).sha256, file(first).sha256)
      t.deepEqual(file(second).size, file(first).size)
    }
    t.true(file('folder/mid link').types.includes('Map'))
    // 3 MiB of big, 2 of what grown has more, 0.1 of mid, a block around the bytes of sparse.
    t.true(statSync(path.join(folder, `${name}.aff4`)).size < 7.5 * (1 << 20))
  }
})

test('aff4-verify finds everything right, with block hashes as well, and after more was appended', async (t) => {
  const folder = await scratch(t)
  makeNastyTree(path.join(folder, 'tree'))
  for (const options of ['', '--block-hashes', '']) {
    const { status, stderr } = shell(folder, `file-cat tree | aff4-sink --logical ${options} out.aff4`)
    t.is(status, 0, stderr)
    const verified = shell(folder, 'aff4-verify out.aff4')
    t.is(verified.status, 0, verified.stdout.toString())
  }
  const { objects } = readLogical(path.join(folder, 'out.aff4'))
  t.is(objects['tree/big']!.length, 3)
})

test('two files of one path, and one below another, keep their own bytes', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const large = contentOf(5, (2 << 20) + 5)
  const file = (name: string, bytes: Buffer, id: number) =>
    stream({ name, kind: 'image', size: hex(bytes.length) }, [data(0n, bytes)], id)
  const { status, stderr } = await runTool(
    'aff4-sink',
    ['--logical', out],
    transmission([
      ...file('/a', Buffer.from('first'), 1),
      ...file('/a', Buffer.from('second'), 2),
      ...file('/b/map', Buffer.from('a map'), 3),
      ...file('/b', large, 4),
      ...file('/c', large, 5),
      ...file('/c/idx', Buffer.from('an idx'), 6),
      ...file('../../etc/passwd', Buffer.from('up'), 7),
      ...file('..', Buffer.from('nothing'), 8),
      ...file(String.raw`C:\Windows\a b`, Buffer.from('drive'), 9),
      ...file(String.raw`\\host\share\f`, Buffer.from('share'), 10),
      ...file(String.raw`\\information.turtle`, Buffer.from('not that one'), 11),
    ]),
  )
  t.is(status, 0, stderr)
  const { objects, names } = readLogical(out)
  t.deepEqual(
    objects['/a']!.map(({ sha256: sum }) => sum).sort(),
    [sha256(Buffer.from('first')), sha256(Buffer.from('second'))].sort(),
  )
  t.is(objects['/b']![0]!.sha256, sha256(large))
  t.is(objects['/c']![0]!.sha256, sha256(large))
  t.is(objects['/c/idx']![0]!.sha256, sha256(Buffer.from('an idx')))
  t.is(objects['../../etc/passwd']![0]!.urn, 'U//etc/passwd')
  t.is(objects[String.raw`C:\Windows\a b`]![0]!.urn, 'U//C:/Windows/a%20b')
  t.true(names.includes('/C:/Windows/a b'))
  t.true(names.includes('host/share/f'))
  t.is(names.filter((name) => name === 'information.turtle').length, 1)
})

test('a file with unreadable ranges reads as their text, and its digest is of that', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const { status } = await runTool(
    'aff4-sink',
    ['--logical', out],
    transmission([
      ...stream({ name: 'bad', kind: 'image', size: '0x3000' }, [
        data(0n, Buffer.alloc(0x1000, 'a')),
        fill(0x1000n, 0x1000n, 'unreadable'),
        data(0x2000n, Buffer.alloc(0x1000, 'b')),
      ]),
    ]),
  )
  t.is(status, 2)
  const [, digest] = /"([0-9a-f]{64})"\^\^aff4:SHA256/.exec(
    shell(path.dirname(out), 'aff4-view out.aff4').stdout.toString(),
  )!
  const { stdout } = shell(path.dirname(out), 'aff4-cat out.aff4 | raw-sink raw; sha256sum <raw')
  t.is(stdout.toString().slice(0, 64), digest!)
})

test('a volume that was cut inside a file says so of that file, and keeps the others', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const body = { name: 'big', kind: 'image', size: hex(5 << 20) } as const
  const whole = transmission(stream({ name: 'small', kind: 'image' }, [data(0n, Buffer.from('kept'))]))
  const { status } = await runTool(
    'aff4-sink',
    ['--logical', out],
    Buffer.concat([
      whole,
      cut(body, [data(0n, contentOf(1, 1 << 20)), data(1n << 20n, contentOf(2, 1 << 20))]),
    ]),
  )
  t.is(status, 3)
  const listed = shell(path.dirname(out), 'aff4-view out.partial.aff4').stdout.toString()
  t.regex(listed, /pmem:incomplete "truncated/)
  t.regex(shell(path.dirname(out), 'unzip -p out.partial.aff4 /small').stdout.toString(), /^kept$/)
})

test('a digest that came along and is not that of the bytes is refused, and the file is there to look at', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const { status, stderr } = await runTool(
    'aff4-sink',
    ['--logical', out],
    transmission(
      stream({ name: 'f', kind: 'image' }, [
        data(0n, Buffer.from('bytes')),
        {
          type: 'digest',
          stream: 1,
          time: 0n,
          body: { algorithm: 'sha256', value: '0'.repeat(64), covers: 'linear' },
        },
      ]),
    ),
  )
  t.is(status, 65)
  t.regex(stderr, /f: sha256 is .* but 0+ came with it/)
})
