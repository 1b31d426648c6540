import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { ATTRIBUTE } from '../../src/formats/ntfs/attribute-type.js'
import { findAttribute } from '../../src/formats/ntfs/file.js'
import { formatFiletime } from '../../src/formats/ntfs/filetime.js'
import { DAMAGES } from '../formats/ntfs/images/damage.js'
import { edit } from '../formats/ntfs/images/editor.js'
import { type ImageName, image, realImage } from '../formats/ntfs/images/image.js'
import { fls, istat } from '../formats/ntfs/images/peers.js'
import { deleteRecord, makeVolume, openImage, recordAt } from '../formats/ntfs/small-volume.js'
import { fileOf, type JsonEntry, type JsonTimes, list, listJson } from './ntfs-ls-run.js'

const TIMES = ['created', 'modified', 'changed', 'accessed'] as const
const INDEX_ROOT = 0x90
const SOUND: readonly ImageName[] = ['512', '4k', '2m', 'small']
/** Debian's Sleuth Kit knows no clusters above 64 KiB. */
const TOO_LARGE_FOR_SLEUTHKIT: readonly ImageName[] = ['2m']
const CONTROL = /\p{Cc}/u
const UNPRINTED = /[\p{Cc}\ud800-\udfff]/u

const listings = new Map<string, Promise<JsonEntry[]>>()

/** All that is listed of a volume that no test changes, once. */
function longListing(file: string): Promise<JsonEntry[]> {
  let listing = listings.get(file)
  if (!listing) {
    listing = listJson('-r', '-l', file)
    listings.set(file, listing)
  }
  return listing
}

for (const name of SOUND) {
  test(`-r lists every file of ${name} under its path, and with -l the times that were set`, async (t) => {
    const { file, manifest } = await image(name)
    const { status, messages } = await list('-r', file)
    t.is(status, 0)
    t.deepEqual(messages, [])
    const entries = await longListing(file)
    const found = new Map(entries.map((entry) => [`${entry.record} ${entry.path}`, entry]))
    t.is(found.size, entries.length)
    for (const { record, path, directory, times, links } of manifest.files) {
      if (path === '') continue
      const entry = found.get(`${record} ${path}`)
      if (!entry) {
        t.fail(`${record} ${path}`)
        continue
      }
      t.is(entry.flags.includes('has-file-name-index'), directory, path)
      if (links !== undefined && !directory) t.is(entry.links, links, path)
      if (times)
        for (const time of TIMES)
          t.is(entry.standardInformation![time], formatFiletime(BigInt(times[time])) || null, path)
    }
  })

  if (TOO_LARGE_FOR_SLEUTHKIT.includes(name)) continue
  test(`-r -l lists the streams of ${name} with the identifiers that fls lists`, async (t) => {
    const { file, manifest } = await image(name)
    const streams = new Map<string, string>()
    for (const entry of await longListing(file))
      for (const { identifier, type, name } of entry.streams!) {
        const isMain = name === (type === INDEX_ROOT ? '$I30' : '')
        streams.set(
          `${identifier} ${Buffer.from(isMain ? entry.path : `${entry.path}:${name}`).toString('latin1')}`,
          entry.path,
        )
      }
    // It takes deleted names in an unused block for live ones.
    const passed = new Set(
      manifest.streams.filter(({ state }) => state === 'deleted').map(({ record }) => record),
    )
    // It numbers attributes anew whose ids repeat, and leaves out what it cannot print, and a terabyte.
    for (const [stream, path] of streams)
      if (/^\d+:/.test(stream) || UNPRINTED.test(path) || ['tree', 'sparse/terabyte'].includes(path))
        passed.add(Number.parseInt(stream, 10))
    const theirs = fls(file)
    const listed = new Set(theirs.map(({ address, pathBytes }) => `${address} ${pathBytes}`))
    for (const { deleted, record, address, pathBytes } of theirs) {
      const isPlain = /-\d+-\d+$/.test(address) && !/[^ -\]_-~]|\/\.:|\$OrphanFiles/.test(pathBytes)
      if (!deleted && isPlain && !passed.has(record))
        t.true(streams.has(`${address} ${pathBytes}`), pathBytes)
    }
    for (const stream of streams.keys())
      if (!passed.has(Number.parseInt(stream, 10))) t.true(listed.has(stream), stream)
  })
}

test('the times of entries and records are those that istat tells', async (t) => {
  const { file } = await image('4k')
  const entries = await longListing(file)
  const written = (times: JsonTimes) =>
    TIMES.map((time) => times[time]?.replace('T', ' ').replace('Z', '00') ?? '0000-00-00 00:00:00.000000000')
  for (const entry of entries.filter((_, at) => at % 600 === 0)) {
    const [standard, ...names] = istat(file, entry.record).times
    t.deepEqual(
      written(entry.standardInformation!),
      TIMES.map((time) => standard![time]),
      entry.path,
    )
    const own = names.map((times) => TIMES.map((time) => times[time]).join())
    for (const name of entry.names!) t.true(own.includes(written(name).join()), entry.path)
  }
})

test('5,000 names in all scripts survive in JSON, lone surrogates too', async (t) => {
  const { file, manifest } = await image('4k')
  const names = manifest.files
    .filter(({ path }) => path.startsWith('names/'))
    .map(({ path }) => path.slice(6))
  const { text } = await list('--json', file, 'names')
  const listed = text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as JsonEntry).name)
  t.is(listed.length, 5000)
  t.deepEqual(listed.sort(), names.sort())
  t.regex(text, /\\ud[89a-f][0-9a-f]{2}/)
  t.false(Buffer.from(text).toString().includes('\ufffd'))
})

test('a line of the table has a path without control characters, whatever its name', async (t) => {
  const { file } = await image('4k')
  const { text } = await list('-r', '-l', file)
  for (const line of text.split('\n')) t.notRegex(line, CONTROL)
})

const REAL = 'ntfs-lastaccess'
const rowsOf = (file: string) =>
  readFileSync(`test/data/ntfs/${file}`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'))
const rawTimes = (times: JsonTimes) => TIMES.map((time) => times[time])
const truthTimes = (cells: readonly string[]) => cells.map((cell) => formatFiletime(BigInt(cell)) || null)

test('entries of a volume by Windows have the times and sizes that its truth lists', async (t) => {
  const file = await realImage(REAL)
  const entries = await listJson('-r', file)
  let compared = 0
  for (const [directory, source, reference, entryName, , ...rest] of rowsOf(`${REAL}/i30.tsv`)) {
    if (source !== 'live' || entryName === '.') continue
    const entry = entries.find(
      (one) =>
        one.parent.record === Number(directory) &&
        one.name === entryName &&
        `${one.record}-${one.sequence}` === reference,
    )
    if (!entry) {
      // The short name beside a long one.
      t.is(rowsOf(`${REAL}/i30.tsv`).find((row) => row[2] === reference && row[3] === entryName)![4], '2')
      continue
    }
    t.deepEqual(rawTimes(entry), truthTimes(rest.slice(0, 4)), entryName)
    t.is(BigInt(entry.allocated), BigInt(rest[4]!))
    t.is(BigInt(entry.size), BigInt(rest[5]!))
    compared++
  }
  t.true(compared >= 20, `${compared}`)
})

test('-l tells of it the times of every record and of all names', async (t) => {
  const entries = await longListing(await realImage(REAL))
  let compared = 0
  for (const [reference, inUse, attribute, fileName, , ...rest] of rowsOf(`${REAL}/si_fn.tsv`)) {
    const entry = entries.find((one) => `${one.record}-${one.sequence}` === reference)
    if (inUse !== '1' || !entry) continue
    const times = truthTimes(rest.slice(0, 4))
    if (attribute === 'SI') t.deepEqual(rawTimes(entry.standardInformation!), times, reference)
    else
      t.true(
        entry.names!.some((one) => one.name === fileName && rawTimes(one).join() === times.join()),
        `${reference} ${fileName}`,
      )
    compared++
  }
  t.true(compared >= 40, `${compared}`)
})

test('--bodyfile has of volumes by others the paths, identifiers and times that fls -m has', async (t) => {
  const comparable = (line: string) => {
    const [, path, identifier, , , , , ...times] = line.split('|')
    return [path, identifier, ...times].join('|')
  }
  for (const name of [REAL, 'colin_testfs1'] as const) {
    const { text, status } = await list('-r', '--bodyfile', await realImage(name))
    t.is(status, 0)
    const ours = new Set(text.split('\n').map(comparable))
    const theirs = readFileSync(`test/data/ntfs/${name}/tsk-bodyfile.txt`, 'utf8').trimEnd().split('\n')
    // Of times that are not set fls makes seconds in the year 2076.
    const live = theirs.filter((line) => !/\(deleted|\$OrphanFiles|\|3373865674$/.test(line))
    t.true(live.length > 40)
    for (const line of live) t.true(ours.has(comparable(line)), line)
  }
})

test('a time of access that stands in the record alone is told as a difference', async (t) => {
  const [entry, ...others] = await listJson('-l', await realImage(REAL), '/TEST/1.TXT')
  t.deepEqual(others, [])
  t.deepEqual(entry!.differs, ['accessed'])
  t.is(entry!.accessed, '2019-03-03T12:35:17.2003305Z')
  t.is(entry!.standardInformation!.accessed, '2019-03-03T12:37:55.2936738Z')
})

test('mactime takes every line of a body file, odd names and deleted files among them', async (t) => {
  const { file } = await image('512')
  const { text } = await list('-r', '-l', '--deleted', '--slack', '--bodyfile', file)
  const body = fileOf(t, Buffer.from(text))
  const { status, stdout, stderr } = spawnSync('mactime', ['-b', body, '-d', '-y'], { encoding: 'utf8' })
  t.is(status, 0)
  t.is(stderr, '')
  const named = new Set(
    stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => /"(.*)"$/.exec(line)![1]),
  )
  const lines = Buffer.from(text).toString().trimEnd().split('\n')
  for (const line of lines) t.is(line.split('|').length, 11, line)
  const paths = lines.map((line) => line.split('|')[1]!)
  // What has no time at all stands on no timeline.
  const timed = paths.filter((_, at) => !lines[at]!.endsWith('|0|0|0|0'))
  t.true(paths.some((path) => path.endsWith(' (deleted)')))
  t.true(paths.some((path) => path.endsWith(' ($I30)')))
  for (const path of timed) t.true(named.has(path.replaceAll('"', '""')) || named.has(path), path)
})

test('--bodyfile has the streams and the deleted files that fls -m has, with the same times', async (t) => {
  const { file } = await image('512')
  const { text } = await list('-r', '--deleted', '--bodyfile', file)
  const linesOf = (body: string) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => line.split('|'))
  const ours = new Map<string, string>()
  for (const [, name, identifier, , , , size, ...times] of linesOf(text))
    ours.set(`${identifier}|${name!.replace(/ \(deleted\)$/, '')}`, [size, ...times].join('|'))
  const { stdout, status } = spawnSync('fls', ['-r', '-m', '/', file], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  t.is(status, 0)
  let [streams, deleted] = [0, 0]
  for (const [, listed, identifier, , , , size, ...times] of linesOf(stdout)) {
    const name = listed!.replace(/ \(deleted(-realloc)?\)$/, '')
    // What it invents, what it takes from slack, and what it cannot spell.
    if (/[^ -~]|\$OrphanFiles|\(\$FILE_NAME\)|\\|\^/.test(name) || /realloc/.test(listed!)) continue
    const own = ours.get(`${identifier}|${name}`)
    if (own === undefined) continue
    const [ownSize, ...ownTimes] = own.split('|')
    t.is(ownSize, size, name)
    // Of times that are not set fls makes seconds in the year 2076.
    if (!times.some((time) => Number(time) > 2 ** 31)) t.deepEqual(ownTimes, times, name)
    if (/^[^:]+:[^:]+$/.test(name)) streams++
    if (listed !== name) deleted++
  }
  t.true(streams > 20, `${streams} streams`)
  t.true(deleted > 5, `${deleted} deleted`)
})

test('a deleted directory is listed by its path and by its record', async (t) => {
  const { file, manifest } = await image('512')
  const inside = manifest.streams.find(
    ({ path, state }) => path === 'deleted/one/inside' && state === 'deleted',
  )!
  const [entry, ...others] = (await listJson('-r', '--deleted', file, 'deleted')).filter(
    ({ record, source }) => record === inside.record && source === 'deleted',
  )
  t.deepEqual(others, [])
  const { record } = (await listJson('--deleted', file, 'deleted')).find(({ name }) => name === 'one')!
  for (const operand of ['deleted/one', String(record)])
    for (const words of [[], ['-r'], ['-l'], ['-r', '-l', '--slack']]) {
      const found = await listJson('--deleted', ...words, file, operand)
      t.true(
        found.some((one) => one.record === inside.record && one.path.endsWith('inside')),
        `${operand} ${words.join(' ')}`,
      )
    }
  t.is((await list(file, 'deleted/one')).status, 65)
  t.true(entry!.path.endsWith('inside'))
})

test('--deleted lists what was deleted, in its directory or below $Orphan, and marks it', async (t) => {
  const { file, manifest } = await image('512')
  const deleted = manifest.streams.filter(({ state, stream }) => state === 'deleted' && stream === '')
  t.true(deleted.length > 0)
  const all = await listJson('-r', '-l', '--deleted', file)
  const { text } = await list('-r', '--deleted', file)
  for (const { record, path } of deleted) {
    const entry = all.find((one) => one.record === record && one.source === 'deleted')
    if (!entry) {
      t.fail(path)
      continue
    }
    t.true(entry.path === path || entry.path.startsWith('$Orphan/'), `${entry.path} of ${path}`)
    t.is(entry.state, 'deleted')
    t.is(typeof entry.overwrittenLikely, 'boolean')
    t.regex(text, new RegExp(`^${record}-\\d+ +[drl]\\* `, 'm'))
  }
  const live = await listJson('-r', file)
  t.deepEqual(
    all.filter(({ source }) => source !== 'deleted').map(({ path }) => path),
    live.map(({ path }) => path),
  )
})

test('--slack tells old names with their places, and whether they still stand', async (t) => {
  const { file } = await image('512')
  const entries = await listJson('--slack', file, 'deleted')
  const carved = entries.filter(({ source }) => source === 'slack')
  for (const { slack, name } of carved) {
    t.true(['root', 'block', 'unused block', 'record', 'file slack'].includes(slack!.in), name)
    t.is(typeof slack!.live, 'boolean')
    t.true(slack!.offset >= 0)
  }
  const { text } = await list('--slack', file, 'deleted')
  t.true(carved.length > 5)
  t.is(
    text.split('\n').filter((line) => / [drl]~ .*confidence (high|medium), (not )?live\)$/.test(line)).length,
    carved.length,
  )
})

test('an entry says when its record is unused, or has been given to another file', async (t) => {
  const { bytes } = makeVolume(t, { 'gone.txt': 'a', 'other.txt': 'b' })
  const sound = fileOf(t, bytes)
  const recordOf = async (name: string) => (await listJson(sound)).find((one) => one.name === name)!.record
  await deleteRecord(bytes, await recordOf('gone.txt'))
  const at = await recordAt(bytes, await recordOf('other.txt'))
  bytes.writeUInt16LE(bytes.readUInt16LE(at + 16) + 7, at + 16)
  const entries = await listJson('-l', fileOf(t, bytes))
  const stateOf = (name: string) => entries.find((one) => one.name === name)!.state
  t.is(stateOf('gone.txt'), 'unused')
  t.is(stateOf('other.txt'), 'reallocated')
  t.is(stateOf('$MFT'), 'live')
  t.is(entries.find((one) => one.name === 'other.txt')!.streams!.length, 0)
  const body = (await list('--bodyfile', fileOf(t, bytes))).text
  t.regex(body, /^0\|\/other\.txt \(\$I30\) \(reallocated\)\|/m)
  t.regex(body, /^0\|\/gone\.txt \(deleted\)\|/m)
})

test('an entry says when its record has no such name in the directory', async (t) => {
  const editor = edit(await image('small'))
  const record = editor.record('size-8')
  const rename = (name: Buffer) => name.write('gone-8', name.indexOf('size-8', 0, 'utf16le'), 'utf16le')
  editor.edit(record, rename)
  const file = fileOf(t, editor.bytes)
  const entry = (await listJson('-l', file)).find(({ name }) => name === 'size-8')!
  t.is(entry.state, 'stale')
  t.deepEqual(
    entry.names!.map(({ name }) => name),
    ['gone-8'],
  )
  t.regex((await list('-l', file)).text, /size-8\n +SI .* stale, links 1/)
})

test('of a deleted file the clusters in use again are told, those that blkstat says are allocated', async (t) => {
  const editor = edit(await image('small'))
  const record = editor.record('size-12288')
  const { volume } = await openImage(editor.bytes)
  const runsOf = async (number: number) => findAttribute(await volume.file(number), ATTRIBUTE.DATA)!.runs
  const { lcn, length } = (await runsOf(record))[0]!
  t.is(length, 3)
  const bitmap = (await runsOf(6))[0]!.lcn! * editor.cluster
  // In use no more, and one cluster free: the others have been given to somebody.
  editor.edit(record, (bytes) => bytes.writeUInt16LE(bytes.readUInt16LE(22) & ~1, 22))
  editor.bytes[bitmap + (lcn! >> 3)]! &= ~(1 << (lcn! & 7))
  const file = fileOf(t, editor.bytes)
  const allocated = [0, 1, 2].filter((at) =>
    /^Allocated/m.test(spawnSync('blkstat', [file, String(lcn! + at)], { encoding: 'utf8' }).stdout),
  )
  t.is(allocated.length, 2)
  const [entry] = await listJson('-l', file, String(record))
  t.deepEqual(entry!.clusters, { clusters: 3, inUse: allocated.length })
  t.true(entry!.overwrittenLikely)
  const { text } = await list('-l', file, String(record))
  t.true(text.includes('overwritten likely: 2 of 3 clusters in use'))
})

test('a file is listed itself, with -l its streams, by path or record', async (t) => {
  const { image: file } = makeVolume(t, { 'a.txt': 'content', 'a.txt:more': 'stream' })
  const [entry] = await listJson('-l', file, 'A.TXT')
  t.is(entry!.path, 'a.txt')
  t.deepEqual(
    entry!.streams!.map(({ name, size }) => [name, size]),
    [
      ['', '0x7'],
      ['more', '0x6'],
    ],
  )
  t.deepEqual(await listJson('-l', file, String(entry!.record)), [entry!])
  const { text } = await list('-l', file, 'a.txt')
  t.regex(text, new RegExp(`^${entry!.streams![1]!.identifier} .* 6  a\\.txt:more$`, 'm'))
  const extend = (await listJson('-l', file)).find(({ name }) => name === '$Extend')!
  t.deepEqual(await listJson(file, extend.streams![0]!.identifier), await listJson(file, '$extend'))
})

test('sixty levels are walked', async (t) => {
  const { file } = await image('512')
  const entries = await listJson('-r', file, 'deep')
  t.true(entries.some(({ path }) => path.split('/').length === 61 && path.endsWith('/bottom')))
})

test('every damage ends with a status that tells of it, and what is whole is listed', async (t) => {
  const small = await image('small')
  const sound = await listJson('-r', small.file)
  const file = fileOf(t, Buffer.alloc(0))
  for (const { name, outcome, patch } of DAMAGES) {
    const volume = edit(small)
    patch(volume)
    writeFileSync(file, volume.bytes)
    const plain = await list('-r', '--json', file)
    if (outcome === 'volume refused') {
      t.is(plain.status, 65, name)
      t.is(plain.text, '')
      continue
    }
    t.true(plain.status === 0 || plain.status === 2, `${name}: ${plain.status} ${plain.messages}`)
    if (plain.status === 2) t.true(plain.messages.length > 0, name)
    const listed = plain.text.trimEnd().split('\n').length
    // Damage to one directory may cost what it holds.
    t.true(listed > sound.length / 2, `${name}: ${listed}`)
    if (plain.status === 0) t.is(listed, sound.length, name)
    for (const words of [['-l'], ['--deleted', '--slack', '--bodyfile']]) {
      const { status } = await list('-r', ...words, file)
      t.true(status === 0 || status === 2, `${name}: ${status}`)
    }
  }
})

test('a directory that cannot be opened is told, and the status is 2', async (t) => {
  const { bytes } = makeVolume(t, { 'a.txt': 'a' })
  bytes.write('NONE', await recordAt(bytes, 11), 'latin1')
  const { status, text, messages } = await list('-r', fileOf(t, bytes))
  t.is(status, 2)
  t.true(text.includes('a.txt'))
  t.true(messages.some((message) => message.includes('$Extend')))
})

test('options that exclude each other, and what is no directory, are refused', async (t) => {
  const { image: file } = makeVolume(t, { 'a.txt': 'a' })
  t.is((await list('--json', '--bodyfile', file)).status, 64)
  t.is((await list('-r', file, 'a.txt')).status, 64)
  t.is((await list('--slack', file, 'a.txt')).status, 64)
  t.is((await list(file, 'nothing')).status, 65)
  t.is((await list('no such image')).status, 66)
})
