import { execFileSync, spawnSync } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createLog } from '../../src/cli/messages.js'
import type { ByteSource } from '../../src/formats/byte-source.js'
import { openFileSource } from '../../src/formats/file-source.js'
import { openNtfs } from '../../src/formats/ntfs/open.js'
import type { NtfsVolume } from '../../src/formats/ntfs/volume.js'
import type { Batch, Frames } from '../../src/frames/frame.js'
import { type CatStreams, catStreams } from '../../src/sources/ntfs-cat.js'
import { attributeOf, edit } from '../formats/ntfs/images/editor.js'
import { type ImageName, image } from '../formats/ntfs/images/image.js'
import { icat, istat, ntfscat, ntfsinfo } from '../formats/ntfs/images/peers.js'
import { recordAt } from '../formats/ntfs/small-volume.js'
import { collect, type Received, rangesOf, runSource, type Transmission } from './collect.js'
import { factsOf, folder } from './files/support.js'

const ZEROS = Buffer.alloc(1 << 20)

/** SHA-256 of a stream, its holes as zeros. */
function digestOf({ data, fills }: Received): string {
  const hash = createHash('sha256')
  let at = 0n
  const pieces = [...data, ...fills].sort((a, b) => (a.offset < b.offset ? -1 : 1))
  for (const piece of pieces) {
    if (piece.offset !== at) throw new Error(`a piece at ${piece.offset}, not ${at}`)
    if ('bytes' in piece) hash.update(piece.bytes)
    else
      for (let left = Number(piece.length); left > 0; left -= ZEROS.length)
        hash.update(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
    at += 'bytes' in piece ? BigInt(piece.bytes.length) : piece.length
  }
  return hash.digest('hex')
}

const sizeOf = (stream: Received) => Number(stream.body.size)

/** Streams of a volume of the tests' own, without a process. */
function cat(source: ByteSource, operands: string[], given: Partial<CatStreams> = {}): Promise<Transmission> {
  return collect(
    catStreams({
      open: (log) => openNtfs(source, {}, ({ message }) => log.warn(message)),
      operands,
      deleted: false,
      snapshot: undefined,
      log: createLog('test', { quiet: true }),
      program: 'test',
      interrupted: new AbortController().signal,
      batchesAlive: 1,
      onMissing: () => {},
      ...given,
    }),
  )
}

const MOST_HASHED = 1 << 24

for (const name of ['4k', '2m', 'crowded', 'wof', 'small'] satisfies ImageName[])
  test(`every stream of the volume ${name} comes with its digest, under a path that leads to it`, async (t) => {
    const { file, manifest } = await image(name)
    const wanted = manifest.streams.filter(
      ({ sha256, size, path: at }) =>
        sha256 !== undefined && size <= MOST_HASHED && !/^(names|tree)\//.test(at),
    )
    t.true(wanted.length > 10)
    const operands = wanted.map(({ record, stream }) => `${record}:128:${stream}`)
    const { streams, notes } = await cat(openFileSource(file), operands)
    t.deepEqual(notes, [])
    t.is(streams.length, wanted.length)
    for (const [index, { record, stream, size, sha256, state }] of wanted.entries()) {
      const sent = streams[index]!
      const label = `${record} ${stream}: ${sent.body.name}`
      t.is(sizeOf(sent), size, label)
      t.is(digestOf(sent), sha256!, label)
      t.is(sent.close?.status, 'complete', label)
      if (state !== 'live' || sent.body.nameBytes !== undefined) continue
      const paths = manifest.files.filter((one) => one.record === record).map((one) => one.path)
      t.true(
        paths.some((one) => sent.body.name === (stream === '' ? one : `${one}:${stream}`)),
        label,
      )
    }
  })

/** Operands that processes are started for. */
const PIPED = ['SIZE-300000', '.:$I30:$BITMAP']

test('by a pipe the bytes are those that icat and ntfscat give, of attributes of any type', async (t) => {
  const { file, manifest } = await image('small')
  const root = 5
  const record = manifest.files.find((one) => one.path === 'size-300000')!.record
  const { id } = istat(file, record).attributes.find(({ type }) => type === 0x80)!
  for (const [operand, expected] of [
    ['size-300000', ntfscat(file, record)],
    ['SIZE-300000', icat(file, record)],
    [`${record}-128-${id}`, icat(file, `${record}-128-${id}`)],
    [`${root}:$INDEX_ALLOCATION:$I30`, icat(file, `${root}-160`)],
    ['.:$I30:$BITMAP', ntfscat(file, root, '$I30', 0xb0)],
    ['$Boot', icat(file, 7)],
    ['$MFT::$BITMAP', icat(file, '0-176')],
  ] as const) {
    const sent = (await cat(openFileSource(file), [operand])).streams[0]!
    t.is(sent.fills.length, 0)
    t.deepEqual(Buffer.concat(sent.data.map(({ bytes }) => bytes)), expected, operand)
    if (!PIPED.includes(operand)) continue
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-o', 'pipefail', '-c', 'bin/ntfs-cat "$0" "$1" | bin/raw-sink -', file, operand],
      { maxBuffer: 1 << 26 },
    )
    t.is(status, 0, `${operand}: ${stderr}`)
    t.deepEqual(stdout, expected, operand)
  }
})

test('what lies behind the end of an image is unreadable to the byte, and the rest is there', async (t) => {
  const whole = await image('small')
  const cut = path.join(folder(t), 'cut')
  const bytes = readFileSync(whole.file)
  const volume = await openNtfs(openFileSource(whole.file), {}, () => {})
  const record = whole.manifest.files.find((one) => one.path === 'size-300000')!.record
  const { runs } = (await volume.file(record)).attributes.find(({ type }) => type === 0x80)!
  await volume.close()
  t.is(runs.length, 1)
  const begin = runs[0]!.lcn! * whole.manifest.cluster
  const kept = 123_456
  writeFileSync(cut, bytes)
  truncateSync(cut, begin + kept)
  const { streams, status, stderr } = await runSource('ntfs-cat', [cut, 'size-300000'])
  t.is(status, 2)
  const [stream] = streams
  t.deepEqual(rangesOf(stream!, 'data'), [`0-${kept.toString(16)}`])
  t.deepEqual(rangesOf(stream!, 'unreadable'), [`${kept.toString(16)}-${(300_000).toString(16)}`])
  t.true(stream!.notes.some(({ message }) => message.startsWith('unreadable: ')))
  t.deepEqual(Buffer.from(stream!.data[0]!.bytes), bytes.subarray(begin, begin + kept))
  t.regex(stderr, /^ntfs-cat: size-300000: .* unreadable: the image ends before it$/m)
})

test('bytes that were never written are zeros, and a note says from where on', async (t) => {
  const { file, manifest } = await image('4k')
  const { streams, status } = await runSource('ntfs-cat', [file, 'valid/tail', 'sparse/terabyte'])
  t.is(status, 0)
  const [tail, terabyte] = streams
  t.is(digestOf(tail!), manifest.streams.find((one) => one.path === 'valid/tail')!.sha256!)
  t.is(factsOf(tail!.turtle).validDataLength, '10000')
  t.deepEqual(tail!.notes, [
    {
      level: 'info',
      program: 'ntfs-cat',
      message: 'never written from byte 10000 on, where it reads as zeros',
      offset: '0x2710',
      length: `0x${(sizeOf(tail!) - 10_000).toString(16)}`,
    },
  ])
  t.is(sizeOf(terabyte!), 2 ** 40)
  t.deepEqual(rangesOf(terabyte!, 'data'), ['fffffff000-10000000000'])
  t.deepEqual(rangesOf(terabyte!, 'zero'), ['0-fffffff000'])
  t.true(terabyte!.fills.length < 3)
})

test('what is encrypted is named as such', async (t) => {
  const small = await image('small')
  const editor = edit(small)
  editor.edit(editor.record('size-300000'), (record) => {
    const data = attributeOf(record, 0x80)
    data.writeUInt16LE(data.readUInt16LE(12) | 0x4000, 12)
  })
  const file = path.join(folder(t), 'encrypted')
  writeFileSync(file, editor.bytes)
  const { streams, status } = await runSource('ntfs-cat', [file, 'size-300000'])
  t.is(status, 0)
  t.is(streams[0]!.notes[0]!.message, 'size-300000: encrypted: these are the bytes as they are stored')
  t.is(factsOf(streams[0]!.turtle).encrypted, 'true')
})

test('of several operands one that is not there is noted; alone it is refused', async (t) => {
  const { file } = await image('small')
  const several = await runSource('ntfs-cat', [file, 'size-100', 'nowhere', 'streams'])
  t.is(several.status, 2)
  t.deepEqual(
    several.streams.map(({ body }) => body.name),
    ['size-100'],
  )
  t.deepEqual(
    several.notes.map(({ level, message }) => [level, message]),
    [
      ['error', 'nowhere: there is no nowhere in the root'],
      ['error', 'streams: is a directory'],
    ],
  )
  t.is(several.end?.status, 'complete')
  const alone = await runSource('ntfs-cat', [file, 'nowhere'])
  t.is(alone.status, 66)
  t.is(alone.stderr, 'ntfs-cat: nowhere: there is no nowhere in the root\n')
  t.is(alone.end?.status, 'failed')
  const directory = await runSource('ntfs-cat', [file, 'streams'])
  t.is(directory.status, 66)
  t.regex(directory.stderr, /is a directory\nhint: ntfs-export /)
  const none = await runSource('ntfs-cat', ['package.json', 'a'])
  t.is(none.status, 65)
})

test('deleted files are found by their paths where that is asked for, and orphans', async (t) => {
  const { file, manifest } = await image('4k')
  const deleted = manifest.streams.filter(
    ({ state, stream, size }) => state === 'deleted' && stream === '' && size > 0,
  )
  t.true(deleted.length > 0)
  const { streams } = await cat(
    openFileSource(file),
    deleted.map(({ record }) => `${record}`),
  )
  const again = await cat(
    openFileSource(file),
    streams.map(({ body }) => body.name),
    { deleted: true },
  )
  t.deepEqual(
    again.streams.map((stream) => [stream.body.name, factsOf(stream.turtle).deleted, digestOf(stream)]),
    streams.map((stream, index) => [stream.body.name, 'true', deleted[index]!.sha256]),
  )
})

test('of a deleted file whose extension records others use now, what they held is unreadable, and the rest is there', async (t) => {
  const crowded = await image('crowded')
  const editor = edit(crowded)
  const record = editor.record('hundreds of extents')
  const { size } = crowded.manifest.streams.find((one) => one.record === record)!
  const whole = ntfscat(crowded.file, record)
  const extents = ntfsinfo(crowded.file, record).filter(({ type }) => type === 0x80)
  const inBase = extents.find((extent) => extent.record === record)
  const [taken] = extents.filter((extent) => extent !== inBase)
  t.true(extents.length > 1)
  const { bytes } = editor
  for (const number of [record, ...extents.map((extent) => extent.record)]) {
    const at = await recordAt(bytes, number)
    bytes.writeUInt16LE(bytes.readUInt16LE(at + 22) & ~1, at + 22)
  }
  // Another file has it for its own attributes.
  const at = await recordAt(bytes, taken!.record)
  bytes.writeUInt16LE(bytes.readUInt16LE(at + 16) + 1, at + 16)
  bytes.writeUIntLE(editor.record('31 extents'), at + 32, 6)
  const lost = taken!.runs.map(
    ({ vcn, length }) => [vcn * editor.cluster, (vcn + length) * editor.cluster] as const,
  )
  const [from, to] = [lost[0]![0], Math.min(lost.at(-1)![1], size)]
  const file = path.join(folder(t), 'image')
  writeFileSync(file, editor.bytes)
  const { streams, status, stderr } = await runSource('ntfs-cat', [file, String(record)])
  const [stream] = streams
  t.is(status, 2)
  t.deepEqual(rangesOf(stream!, 'unreadable'), [`${from.toString(16)}-${to.toString(16)}`])
  for (const { offset, bytes } of stream!.data)
    t.is(Buffer.compare(whole.subarray(Number(offset), Number(offset) + bytes.length), bytes), 0)
  t.is(
    stream!.data.reduce((sum, piece) => sum + piece.bytes.length, 0),
    size - (to - from),
  )
  t.regex(
    stderr,
    new RegExp(`record ${taken!.record}, which held attributes of it, belongs to another file by now`),
  )
})

/** A volume in memory that `change` is made to once a byte of a place was read. */
function changing(bytes: Buffer, place: number, change: () => void): ByteSource {
  let done = false
  return {
    name: 'volume',
    size: BigInt(bytes.length),
    async read(offset, length) {
      const from = Number(offset)
      const read = Buffer.from(bytes.subarray(from, from + length))
      if (!done && from <= place && place < from + length) {
        done = true
        change()
      }
      return read
    },
    close: async () => {},
  }
}

test('a record that changes while its stream is read is told of', async (t) => {
  const small = await image('small')
  const noteOf = async (change: (record: Buffer) => void) => {
    const editor = edit(small)
    const record = editor.record('size-300000')
    const volume: NtfsVolume = await openNtfs(openFileSource(small.file), {}, () => {})
    const { runs } = (await volume.file(record)).attributes.find(({ type }) => type === 0x80)!
    await volume.close()
    const source = changing(editor.bytes, runs[0]!.lcn! * editor.cluster, () => editor.edit(record, change))
    const { streams } = await cat(source, ['size-300000', 'size-100'])
    t.is(streams[1]!.notes.length, 0)
    return streams[0]!.notes.map(({ level, message }) => `${level}: ${message.replace(/\d+/g, 'N')}`)
  }
  const said = 'warning: size-N: changed while it was read:'
  t.deepEqual(await noteOf(() => {}), [])
  t.deepEqual(await noteOf((record) => record.writeBigUInt64LE(7n, 8)), [`${said} record N`])
  t.deepEqual(
    await noteOf((record) => {
      attributeOf(record, 0x80).writeBigUInt64LE(299_999n, 48)
    }),
    [`${said} where its bytes lie, or how many they are`],
  )
  t.deepEqual(await noteOf((record) => record.writeUInt16LE(record.readUInt16LE(16) + 1, 16)), [
    `${said} record N was given up or given to another file`,
  ])
})

test('a volume that changes in the middle of a pipe: a note says so, and the status is 0', async (t) => {
  const size = 24 << 20
  const content = path.join(folder(t), 'content')
  const file = path.join(folder(t), 'live')
  writeFileSync(content, Buffer.alloc(size, 'live'))
  writeFileSync(file, '')
  truncateSync(file, size + (8 << 20))
  execFileSync('mkntfs', ['-F', '-q', '-f', file], { stdio: 'pipe' })
  execFileSync('ntfscp', ['-f', '-q', file, content, '/log.txt'])
  const editor = edit({ file, manifest: { cluster: 4096, sector: 512, files: [], streams: [] } })
  const record = 64
  editor.edit(record, (bytes) => {
    const data = attributeOf(bytes, 0x80)
    for (const at of [48, 56]) data.writeBigUInt64LE(BigInt(size - 1), at)
  })
  const at = editor.place(record)
  const changed = editor.bytes.subarray(at, at + editor.recordSize)
  // The reader takes a little, and no more until the record is another: a pipe does not hold the file.
  const reader = `const fs = require('node:fs'), rest = Buffer.alloc(1 << 20)
    for (let read = 0; read < 1 << 18; ) read += fs.readSync(0, rest)
    fs.writeSync(fs.openSync(process.argv[1], 'r+'), Buffer.from(process.argv[3], 'hex'), 0, undefined, Number(process.argv[2]))
    let last = ''
    for (let read; (read = fs.readSync(0, rest)) > 0; ) last = (last + rest.toString('latin1', 0, read)).slice(-8192)
    console.log(/changed while it was read: [\\w ,]*/.exec(last)?.[0])`
  const { status, stdout, stderr } = spawnSync(
    'bash',
    [
      ...['-o', 'pipefail', '-c', 'bin/ntfs-cat "$0" log.txt | node -e "$1" "$0" "$2" "$3"'],
      ...[file, reader, String(at), changed.toString('hex')],
    ],
    { encoding: 'utf8' },
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'changed while it was read: where its bytes lie, or how many they are\n')
})

test('no record is older than the stream before it', async (t) => {
  const small = await image('small')
  const editor = edit(small)
  const resident = editor.record('size-100')
  const volume = await openNtfs(openFileSource(small.file), {}, () => {})
  const { runs } = (await volume.file(editor.record('size-300000'))).attributes.find(
    ({ type }) => type === 0x80,
  )!
  await volume.close()
  const source = changing(editor.bytes, runs[0]!.lcn! * editor.cluster, () =>
    editor.edit(resident, (record) => {
      const data = attributeOf(record, 0x80)
      data.fill('x', data.readUInt16LE(20), data.readUInt16LE(20) + 100)
    }),
  )
  const { streams } = await cat(source, ['size-100', 'size-300000', 'size-100'])
  t.notDeepEqual(Buffer.from(streams[0]!.data[0]!.bytes), Buffer.alloc(100, 'x'))
  t.deepEqual(Buffer.from(streams[2]!.data[0]!.bytes), Buffer.alloc(100, 'x'))
})

test('an image in an AFF4 volume is read as it is; what comes of it is stored with its facts', async (t) => {
  const cwd = folder(t)
  const bin = path.resolve('bin')
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
  const sh = (script: string) =>
    execFileSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
      cwd,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  sh(`truncate -s 4M disk.img; mkntfs -q -F disk.img; seq 60000 > pagefile.sys
    ntfscp -f disk.img pagefile.sys pagefile.sys
    file-cat disk.img | pmem-compress snappy | aff4-sink disk.aff4
    ntfs-cat disk.aff4 PAGEFILE.SYS '$UpCase' | pmem-compress snappy | aff4-sink files.aff4
    aff4-cat files.aff4 --stream pagefile.sys | raw-sink out
    ntfs-cat disk.img pagefile.sys | files-sink -C restored
    ntfs-cat disk.img pagefile.sys | aff4-sink --logical logical.aff4`)
  const bytes = readFileSync(path.join(cwd, 'pagefile.sys'))
  t.deepEqual(readFileSync(path.join(cwd, 'out')), bytes)
  const { streams } = await runSource('ntfs-cat', [path.join(cwd, 'disk.img'), 'pagefile.sys'])
  t.is(streams[0]!.body.category, 'memory:pagefile')
  const facts = factsOf(streams[0]!.turtle)
  const view = sh('aff4-view files.aff4')
  for (const fact of ['lastWritten', 'fileNameLastWritten', 'inode', 'sequence', 'fileFlags', 'runs'])
    t.true(facts[fact] !== undefined && view.includes(facts[fact]!) && view.includes(fact), fact)
  const written = statSync(path.join(cwd, 'restored/pagefile.sys')).mtimeMs
  // Milliseconds in a double lose what is left of a FILETIME.
  t.true(Math.abs(written - Date.parse(facts.lastWritten!)) <= 1.001)
  t.true(sh('aff4-view logical.aff4').includes(facts.lastWritten!.slice(0, 19)))
})

/** A volume with files as large as so many KiB, named by that, each of bytes of its own. */
function volumeOf(t: ExecutionContext, sizes: readonly number[]) {
  const cwd = folder(t)
  const file = path.join(cwd, 'disk.img')
  writeFileSync(file, '')
  truncateSync(file, 64 << 20)
  execFileSync('mkntfs', ['-q', '-F', '-f', file], { stdio: 'ignore' })
  const contents = sizes.map((size) => {
    const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, size), Buffer.alloc(16)).update(
      Buffer.alloc(size << 10),
    )
    writeFileSync(path.join(cwd, 'content'), content)
    execFileSync('ntfscp', ['-f', '-q', file, path.join(cwd, 'content'), `file-${size}`], { stdio: 'ignore' })
    return content
  })
  return { file, contents }
}

test('bytes of large and small files stay as they are while so many further batches are taken', async (t) => {
  const sizes = [3, 11 << 10, 700, 1500, 4 << 10, 9000, 1]
  const { file, contents } = volumeOf(t, sizes)
  for (const batchesAlive of [0, 1, 2, 6]) {
    const frames = catStreams({
      open: (log) => openNtfs(openFileSource(file), {}, ({ message }) => log.warn(message)),
      operands: sizes.map((size) => `file-${size}`),
      deleted: false,
      snapshot: undefined,
      log: createLog('test', { quiet: true }),
      program: 'test',
      interrupted: new AbortController().signal,
      batchesAlive,
      onMissing: () => {},
    })
    async function* late(): Frames {
      const held: Batch[] = []
      for await (const batch of frames) if (held.push(batch) > batchesAlive) yield held.shift()!
      yield* held
    }
    const { streams } = await collect(late())
    for (const [index, { data }] of streams.entries()) {
      t.true(data.every(({ bytes }) => bytes.length <= 1 << 20))
      t.true(Buffer.concat(data.map(({ bytes }) => bytes)).equals(contents[index]!))
    }
  }
})

test('an interruption ends a large file between two batches', async (t) => {
  const { file } = volumeOf(t, [20 << 10])
  const controller = new AbortController()
  const source = openFileSource(file)
  let closed = false
  const close = async () => {
    closed = true
    await source.close()
  }
  let received = 0
  for await (const batch of catStreams({
    open: (log) => openNtfs({ ...source, close }, {}, ({ message }) => log.warn(message)),
    operands: [`file-${20 << 10}`],
    deleted: false,
    snapshot: undefined,
    log: createLog('test', { quiet: true }),
    program: 'test',
    interrupted: controller.signal,
    batchesAlive: 2,
    onMissing: () => {},
  })) {
    for (const frame of batch) if (frame.type === 'data') received += frame.payload.length
    if (received > 0) controller.abort('SIGINT')
  }
  t.true(closed)
  t.true(received <= 8 << 20)
})
