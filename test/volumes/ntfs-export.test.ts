import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { asToolError } from '../../src/cli/failure.js'
import { parseWords } from '../../src/cli/launch.js'
import { fillSymbolic } from '../../src/formats/aff4/symbolic.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import { exportName, exportPlace } from '../../src/volumes/ntfs/export-name.js'
import { tool } from '../../src/volumes/ntfs-export.js'
import { PATIENCE } from '../cli/shell.js'
import { DAMAGES } from '../formats/ntfs/images/damage.js'
import { attributeOf, edit } from '../formats/ntfs/images/editor.js'
import { IMAGE_NAMES, image, type ManifestStream, runMounting } from '../formats/ntfs/images/image.js'
import { makeVolume } from '../formats/ntfs/small-volume.js'

function scratch(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-export-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

interface Entry {
  readonly file: string
  readonly kind: string
  readonly path: string
  readonly record: number
  readonly stream?: string
  readonly deleted?: true
  readonly [fact: string]: unknown
}

/** Runs the tool in this process. */
async function exported(...words: string[]) {
  const messages: string[] = []
  const entries: Entry[] = []
  const say = (message: string) => void messages.push(message)
  const log = {
    error: say,
    warn: say,
    info: say,
    verbose() {},
    debug() {},
    progress() {},
    clearProgress() {},
  }
  const never = () => {
    throw new Error('a report has no frames')
  }
  const io = {
    interrupted: new AbortController().signal,
    ended: new AbortController().signal,
    batchesAlive: 0,
    frames: never,
    send: never,
    transmit: never,
    isOutput: () => false,
    async print(text: string) {
      for (const line of text.trimEnd().split('\n')) entries.push(JSON.parse(line))
    },
  }
  try {
    const status: number = await tool.run({ ...parseWords(tool, ['--json', ...words]), io, log })
    return { status, entries, messages }
  } catch (error) {
    const failure = asToolError(error)
    return { status: failure.exitCode as number, entries, messages: [...messages, failure.message] }
  }
}

const keyOf = (record: number, where: string, stream = '') => JSON.stringify([record, where, stream])
const MOST_HASHED = 1 << 28

async function matches(file: string, { size, sha256, tail }: ManifestStream): Promise<boolean> {
  const handle = await open(file)
  try {
    if ((await handle.stat()).size !== size) return false
    if (sha256 === undefined) {
      const end = Buffer.alloc(1 << 16)
      await handle.read(end, 0, end.length, size - end.length)
      return createHash('sha256').update(end).digest('hex') === tail
    }
    const hash = createHash('sha256')
    for await (const bytes of handle.createReadStream({ autoClose: false })) hash.update(bytes)
    return size <= MOST_HASHED && hash.digest('hex') === sha256
  } finally {
    await handle.close()
  }
}

/** Of `crowded` nothing but runs is different, of `4k` the thousands of names. */
for (const name of IMAGE_NAMES.filter((each) => each !== 'crowded' && each !== '4k'))
  test(`${name}: every stream comes out as it was put in, deleted ones too`, async (t) => {
    const { file, manifest } = await image(name)
    const { status, entries, messages } = await exported('--deleted', file, '/', '-C', scratch(t))
    t.deepEqual(
      messages.filter((message) => !/belong to other files by now/.test(message)),
      [],
    )
    t.is(status, 0)
    const live = new Map<string, Entry>()
    const deleted = new Map<string, Entry>()
    for (const entry of entries) {
      if (entry.kind !== 'file' && entry.kind !== 'stream') continue
      if (entry.deleted) deleted.set(keyOf(entry.record, path.basename(entry.path), entry.stream), entry)
      else live.set(keyOf(entry.record, entry.path, entry.stream), entry)
    }
    for (const stream of manifest.streams) {
      // What programs see is in the unnamed stream.
      if (stream.stream === 'WofCompressedData') continue
      const entry =
        stream.state === 'live'
          ? live.get(keyOf(stream.record, stream.path, stream.stream))
          : deleted.get(keyOf(stream.record, path.basename(stream.path), stream.stream))
      const label = `${stream.state} ${stream.path}:${stream.stream}`
      if (!entry) t.fail(`${label} is missing`)
      else if (entry.clustersReused === undefined || entry.clustersReused === 0)
        t.true(await matches(entry.file, stream), label)
    }
  })

test('files with names in all scripts come out, each with its content under a name that tells its own', async (t) => {
  const { file, manifest } = await image('4k')
  const wanted = manifest.streams
    .filter(({ path: at, stream }) => at.startsWith('names/') && stream === '')
    .filter((_, index) => index % 20 === 0)
  t.true(wanted.length > 200)
  const { status, entries } = await exported(
    file,
    ...wanted.map(({ record }) => String(record)),
    '-C',
    scratch(t),
  )
  t.is(status, 0)
  const places = new Map(entries.map((entry) => [keyOf(entry.record, entry.path), entry.file]))
  t.is(new Set(places.values()).size, wanted.length)
  for (const stream of wanted) {
    const place = places.get(keyOf(stream.record, stream.path))
    t.true(place !== undefined && (await matches(place, stream)), stream.path)
  }
})

test('a tree is the one that ntfs-3g mounts', async (t) => {
  const { file } = await image('small')
  const folder = scratch(t)
  const { status } = await exported(file, '/', '-C', path.join(folder, 'out'))
  t.is(status, 0)
  await runMounting('test/volumes/compare.py', file, folder)
  const lines = readFileSync(path.join(folder, 'differences'), 'utf8').split('\n')
  // What stands in the folder alone is streams.
  t.deepEqual(
    lines.filter((line) => line !== '' && !/^Only in .*\/out(\/.*)?: .*:/.test(line)),
    [],
  )
  t.true(lines.length > 1)
})

test('hard links are linked, reparse points are text, and no link leads anywhere', async (t) => {
  const { file, manifest } = await image('64k')
  const out = path.join(scratch(t), 'out')
  const { entries } = await exported(file, 'links', 'reparse', '-C', out)
  for (const { record, path: name, links } of manifest.files) {
    const entry = entries.find((each) => each.record === record && each.path === name && each.kind === 'file')
    if (entry && links !== undefined && links > 1 && name.startsWith('links/'))
      t.is(statSync(entry.file).nlink, links, name)
  }
  t.is(execFileSync('find', [out, '-type', 'l'], { encoding: 'utf8' }), '')
  const texts = entries.filter(({ kind }) => kind === 'reparse')
  t.true(texts.length > 2)
  for (const entry of texts) {
    t.true(entry.file.endsWith('.reparse'))
    const text = readFileSync(entry.file, 'utf8')
    t.true(text.startsWith(`tag: ${entry.tag} (0x`))
    if (entry.target !== undefined) t.true(text.includes(`target: ${JSON.stringify(entry.target)}\n`))
    const raw = manifest.files.find(({ path: name }) => name === entry.path)!.reparse!
    t.true(raw.includes(/^data: (.*)$/m.exec(text)![1]!))
  }
})

test('times are set, and all four are told', async (t) => {
  const { file, manifest } = await image('small')
  const { entries } = await exported(file, 'metadata', '-C', scratch(t))
  for (const { path: name, times, record } of manifest.files) {
    const entry = entries.find(
      (each) => each.record === record && each.path === name && each.kind !== 'stream',
    )
    if (!entry || !times) continue
    const { mtimeMs, atimeMs } = statSync(entry.file, { bigint: true })
    const milliseconds = (time: string) => Number((BigInt(time) - 116_444_736_000_000_000n) / 10_000n)
    t.is(Number(mtimeMs), milliseconds(times.modified), name)
    if (entry.kind !== 'folder') t.is(Number(atimeMs), milliseconds(times.accessed), name)
    t.is(Date.parse(String(entry.created)), milliseconds(times.created))
    t.is(Date.parse(String(entry.changed)), milliseconds(times.changed))
  }
  t.true(entries.length > 5)
})

test('what is named goes where it was: a path in any case, a record, a stream, an attribute', async (t) => {
  const { file, manifest } = await image('small')
  const record = manifest.files.find(({ path: name }) => name === 'size-1')!.record
  const out = path.join(scratch(t), 'out')
  const named = [
    'STREAMS\\Host:zone.identifier',
    String(record),
    '/streams/folder:large',
    '5:$INDEX_ROOT:$I30',
  ]
  const { status, entries, messages } = await exported(file, ...named, 'nowhere', '-C', out)
  t.is(status, 2)
  t.deepEqual(messages, ['nowhere: there is no nowhere in the root'])
  t.deepEqual(
    entries.map((entry) => path.relative(out, entry.file)),
    ['streams/host:Zone.Identifier', 'size-1', 'streams/folder:large', ':$I30:$INDEX_ROOT'],
  )
  t.is((await exported(file, 'nowhere', '-C', out)).status, 65)
})

/** What exportName() did, undone. */
const original = (name: string) =>
  name === '%'
    ? ''
    : name
        .replace(/^%(?![\dA-F]{2})/, '')
        .replace(/%(D[89A-F][\dA-F]{2}|[\dA-F]{2})/g, (_, code) =>
          String.fromCharCode(Number.parseInt(code, 16)),
        )

test('any name becomes one that a file can have, from which it can be told', (t) => {
  const units = fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 255 })
    .map((codes) => String.fromCharCode(...codes))
  const odd = fc
    .array(
      fc.constantFrom(
        '.',
        '..',
        '/',
        '\\',
        '%',
        '2E',
        '3a',
        'con',
        'nul',
        'COM1',
        ' ',
        ':',
        '\0',
        '\ud800',
        '\udc00',
        'D8',
        'é',
      ),
    )
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(units, odd), (name) => {
      const spelt = exportName(name)
      t.is(original(spelt), name)
      t.false(/[/\\:\0]|[. ]$|^(con|nul|com1)$/i.test(spelt))
      t.not(spelt, '')
      for (const component of exportPlace([name, name], 7, { stream: [name] }).components) {
        t.true(component.length > 0 && component.length <= 255)
        t.false(['.', '..'].includes(String(component)) || component.includes(0x2f) || component.includes(0))
      }
    }),
    { numRuns: 500 },
  )
})

/** A volume whose names were changed, in the record and in the index. */
function renamed(t: ExecutionContext, names: Readonly<Record<string, string>>): string {
  const { image: file, bytes } = makeVolume(
    t,
    Object.fromEntries(Object.keys(names).map((name) => [name, `was ${name}`])),
  )
  for (const [from, to] of Object.entries(names)) {
    const [old, other] = [Buffer.from(from, 'utf16le'), Buffer.from(to, 'utf16le')]
    for (let at = bytes.indexOf(old); at >= 0; at = bytes.indexOf(old, at + 1)) other.copy(bytes, at)
  }
  writeFileSync(file, bytes)
  return file
}

test('names that lead elsewhere lead nowhere, and equal ones are told apart by their records', async (t) => {
  const file = renamed(t, {
    qq: '..',
    'up-x': '../x',
    'at-root': '/x/root',
    zr: 'a\0',
    same1: 'equal',
    same2: 'equal',
  })
  const folder = scratch(t)
  const out = path.join(folder, 'deep/out')
  const { entries } = await exported(file, '/', '-C', out)
  t.deepEqual(readdirSync(folder), ['deep'])
  t.deepEqual(readdirSync(path.join(folder, 'deep')), ['out'])
  const names = readdirSync(out)
  for (const name of ['.%2E', '..%2Fx', '%2Fx%2Froot', 'a%00', 'equal']) t.true(names.includes(name), name)
  const equal = entries.filter(({ path: name }) => name === 'equal')
  t.deepEqual(equal.map((entry) => path.basename(entry.file)).sort(), ['equal', `equal~${equal[1]!.record}`])
  t.deepEqual(equal.map((entry) => readFileSync(entry.file, 'utf8')).sort(), ['was same1', 'was same2'])
})

test('links that stand in the folder are not followed, and what is there is kept', async (t) => {
  const { file } = await image('small')
  for (const [name, target] of [
    ['streams', 'victim'],
    ['size-1', 'victim/file'],
    ['size-1.partial', 'victim/file'],
  ] as const) {
    const folder = scratch(t)
    for (const each of ['victim', 'out']) mkdirSync(path.join(folder, each))
    symlinkSync(path.join(folder, target), path.join(folder, 'out', name))
    const { status, messages } = await exported(file, 'streams', 'size-1', '-C', path.join(folder, 'out'))
    t.is(status, 73, name)
    t.true(messages.at(-1)!.includes('file exists'))
    t.deepEqual(readdirSync(path.join(folder, 'victim')), [])
    t.true(lstatSync(path.join(folder, 'out', name)).isSymbolicLink())
  }
  const out = path.join(scratch(t), 'out')
  t.is((await exported(file, 'size-1', '-C', out)).status, 0)
  const again = await exported(file, 'size-1', '-C', out)
  t.is(again.status, 73)
  t.true(again.messages.at(-1)!.includes('file exists'))
})

test('with -t what stands in the folder is replaced, links are not followed, and equal names stay apart', async (t) => {
  const small = await image('small')
  const folder = scratch(t)
  const out = path.join(folder, 'out')
  const victim = path.join(folder, 'victim')
  mkdirSync(victim)
  writeFileSync(path.join(victim, 'file'), 'kept')
  const first = await exported(small.file, 'size-8', 'streams', 'links', '-C', out)
  t.is(first.status, 0)
  writeFileSync(path.join(out, 'size-8'), 'older and longer')
  rmSync(path.join(out, 'streams'), { recursive: true })
  symlinkSync(victim, path.join(out, 'streams'))
  symlinkSync(path.join(victim, 'file'), path.join(out, 'size-100'))
  const again = await exported(small.file, '-t', 'size-8', 'size-100', 'streams', 'links', '-C', out)
  t.is(again.status, 0, again.messages.join())
  t.deepEqual(readdirSync(victim), ['file'])
  t.is(readFileSync(path.join(victim, 'file'), 'utf8'), 'kept')
  const places = new Map(
    again.entries.map((entry) => [keyOf(entry.record, entry.path, entry.stream), entry.file]),
  )
  for (const entry of first.entries)
    t.is(places.get(keyOf(entry.record, entry.path, entry.stream)), entry.file)
  for (const stream of small.manifest.streams) {
    const place = places.get(keyOf(stream.record, stream.path, stream.stream))
    if (place !== undefined) t.true(await matches(place, stream), stream.path)
  }

  const equal = renamed(t, { same1: 'equal', same2: 'equal' })
  for (const words of [[], ['-t']]) {
    const { entries } = await exported(...words, equal, '/', '-C', path.join(folder, 'equal'))
    const files = entries.filter(({ path: name }) => name === 'equal').map((entry) => entry.file)
    t.deepEqual(files.map((name) => readFileSync(name, 'utf8')).sort(), ['was same1', 'was same2'])
  }
})

test('a full disk is told, and what is not whole does not look so', async (t) => {
  const { file, manifest } = await image('small')
  const disk = path.join(scratch(t), 'disk')
  mkdirSync(disk)
  const script = `mount -t tmpfs -o size=1M tmpfs "$1" || exit 99
    bin/ntfs-export --json "$2" / -C "$1" >&3; s=$?; cd "$1"; find . -type f -print0 | xargs -0 sha256sum; exit $s`
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--map-root-user', '--mount', 'bash', '-c', `exec 3>/dev/null; ${script}`, 'bash', disk, file],
    { encoding: 'utf8', ...PATIENCE },
  )
  t.is(status, 74, stderr)
  t.regex(stderr, /ntfs-export: .*no space left on device\n$/)
  const sums = new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(68), line.slice(0, 64)]),
  )
  t.true([...sums.keys()].some((name) => /\.partial/.test(name)))
  for (const { path: name, stream, sha256 } of manifest.streams) {
    const sum = sums.get(stream ? `${name}:${stream}` : name)
    if (sum !== undefined) t.is(sum, sha256 ?? '', name)
  }
})

test('what cannot be read is text, listed in a map; a size that nothing stands behind fills no disk', async (t) => {
  const small = await image('small')
  const folder = scratch(t)
  const volume = edit(small)
  volume.edit(volume.record('size-300000'), (record) => {
    const attribute = attributeOf(record, 0x80)
    attribute.set([0x31, 0x4a, 0xff, 0xff, 0x7f, 0], attribute.readUInt16LE(32))
  })
  volume.edit(volume.record('size-65537'), (record) =>
    attributeOf(record, 0x80).writeBigInt64LE(2n ** 43n, 48),
  )
  const file = path.join(folder, 'damaged')
  writeFileSync(file, volume.bytes)
  const { status, entries, messages } = await exported(
    file,
    'size-300000',
    'size-65537',
    '-C',
    path.join(folder, 'out'),
  )
  t.is(status, 2)
  const [lost, huge] = entries as [Entry, Entry]
  const text = Buffer.alloc(300_000)
  fillSymbolic('unreadable', 0n, text)
  t.true(readFileSync(lost.file).equals(text))
  t.is(lost.unreadable, '0x493e0')
  t.deepEqual(decodeMapfile(readFileSync(String(lost.map))).blocks, [
    { start: 0n, length: 300_000n, status: '-' },
  ])
  t.is(path.basename(huge.file), 'size-65537.partial')
  const { blocks } = decodeMapfile(readFileSync(String(huge.map)))
  t.is(blocks[0]!.status, '+')
  t.is(statSync(huge.file).size, Number(blocks[0]!.length))
  t.is(blocks.at(-1)!.status, '-')
  const whole = small.manifest.streams.find(({ path: name }) => name === 'size-65537')!
  const kept = readFileSync(huge.file).subarray(0, whole.size)
  t.is(createHash('sha256').update(kept).digest('hex'), whole.sha256 ?? '')
  t.true(
    messages.some((message) => /size-65537: .* cannot be read: .*: too much to write text/.test(message)),
  )
})

test('damage costs what is damaged: all else comes out whole, and the status tells', async (t) => {
  const small = await image('small')
  const folder = scratch(t)
  const file = path.join(folder, 'damaged')
  const out = path.join(folder, 'out')
  for (const { name, path: damaged, outcome, patch } of DAMAGES) {
    const volume = edit(small)
    patch(volume)
    writeFileSync(file, volume.bytes)
    const { status, entries } = await exported(file, '/', '-C', out)
    t.deepEqual(readdirSync(folder).sort(), existsSync(out) ? ['damaged', 'out'] : ['damaged'], name)
    if (outcome === 'volume refused') {
      t.is(status, 65, name)
      continue
    }
    if (outcome === 'object lost') t.is(status, 2, name)
    else t.true(status === 0 || status === 2, name)
    const written = new Map(
      entries.map((entry) => [keyOf(entry.record, entry.path, entry.stream), entry.file]),
    )
    for (const stream of small.manifest.streams) {
      if (stream.path.startsWith('$') || (damaged !== undefined && stream.path.startsWith(damaged))) continue
      const place = written.get(keyOf(stream.record, stream.path, stream.stream))
      t.true(
        place !== undefined && (await matches(place, stream)),
        `${name}: ${stream.path}:${stream.stream}`,
      )
    }
    rmSync(out, { recursive: true })
  }
})
