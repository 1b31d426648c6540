import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { openElfCore } from '../../src/formats/elf/core-reader.js'
import { decodeHeaderText } from '../../src/formats/ewf/header-text.js'
import { decodeSection } from '../../src/formats/ewf/structs.js'
import { decodeMapfile } from '../../src/formats/mapfile.js'
import type { Frame, StreamBody } from '../../src/frames/frame.js'
import { buildPreload, planned } from '../faults/preload.js'
import { bufferSource } from '../formats/buffer-source.js'
import {
  cut,
  data,
  fill,
  hex,
  memory,
  meta,
  ranges,
  runTool,
  scratch,
  stream,
  transmission,
} from './pipeline.js'

const run = promisify(execFile)
const MEBIBYTE = 1 << 20
const CHUNK = 32 << 10
const NOTHING = Buffer.alloc(0)

const disk = (size: number | bigint, body: Partial<StreamBody> = {}): StreamBody => ({
  name: 'disk.raw',
  kind: 'image',
  size: hex(size),
  ...body,
})
const digest = (algorithm: string, value: string): Frame => ({
  type: 'digest',
  stream: 1,
  time: 0n,
  body: { algorithm, value, covers: 'linear' },
})
const hashOf = (algorithm: string, bytes: Buffer) => createHash(algorithm).update(bytes).digest('hex')

/** Bytes of which half cannot be compressed. */
function contentOf(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = 1
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[at] = Math.floor(at / MEBIBYTE) % 2 === 0 ? state >>> 16 : at >> 9
  }
  return bytes
}

/** Frames of at most a mebibyte. */
const framesOf = (bytes: Buffer): Frame[] =>
  Array.from({ length: Math.ceil(bytes.length / MEBIBYTE) }, (_, i) =>
    data(BigInt(i * MEBIBYTE), bytes.subarray(i * MEBIBYTE, (i + 1) * MEBIBYTE)),
  )
const sent = (bytes: Buffer, body: Partial<StreamBody> = {}): Buffer =>
  transmission(stream(disk(bytes.length, body), framesOf(bytes)))

/** What libewf computes of the media, once it has found that the stored digests say the same. */
async function ewfverify(t: ExecutionContext, file: string): Promise<{ md5: string; sha1: string }> {
  const { stdout } = await run('ewfverify', ['-q', '-d', 'sha1', file])
  t.regex(stdout, /ewfverify: SUCCESS/)
  const found = (kind: string, where: string) =>
    new RegExp(`${kind} hash ${where}:\\s+([0-9a-f]+)`).exec(stdout)?.[1]
  for (const kind of ['MD5', 'SHA1']) t.is(found(kind, 'stored in file'), found(kind, 'calculated over data'))
  return { md5: found('MD5', 'stored in file')!, sha1: found('SHA1', 'stored in file')! }
}

/** The media as libewf gives it. */
async function ewfexport(t: ExecutionContext, file: string): Promise<Buffer> {
  const out = path.join(await scratch(t), 'out')
  await run('ewfexport', ['-q', '-u', '-f', 'raw', '-t', out, file])
  return fs.readFileSync(`${out}.raw`)
}

/** What ewfinfo tells, by its own titles. */
async function ewfinfo(file: string): Promise<Record<string, string>> {
  const { stdout } = await run('ewfinfo', ['-d', 'iso8601', file])
  return Object.fromEntries([...stdout.matchAll(/^\t([^\t:]+):\s+(.+)$/gm)].map((match) => match.slice(1, 3)))
}

/** Sections in their order, with their bodies. */
function sectionsOf(file: string): { type: string; body: Buffer }[] {
  const bytes = fs.readFileSync(file)
  const sections: { type: string; body: Buffer }[] = []
  for (let at = 13; ; ) {
    const { type, next, size } = decodeSection(bytes.subarray(at, at + 76))
    sections.push({ type, body: bytes.subarray(at + 76, at + Number(size)) })
    if (Number(next) <= at) return sections
    at = Number(next)
  }
}
const typesOf = (file: string) => sectionsOf(file).map(({ type }) => type)

const namesIn = (folder: string) => fs.readdirSync(folder).sort()

test('a disk is what libewf reads, with its digests and its case data', async (t) => {
  const out = path.join(await scratch(t), 'disk.E01')
  const bytes = contentOf(3 * MEBIBYTE + 512)
  const words = ['--case', 'Fäll 7', '--evidence', 'Löwe', '--examiner', 'Jörg €', '--description', 'a\tb']
  const { status, stderr } = await runTool('ewf-sink', [out, ...words, '--notes', 'as found'], sent(bytes))
  t.is(status, 0, stderr)
  t.is(stderr, '')
  t.deepEqual(await ewfverify(t, out), { md5: hashOf('md5', bytes), sha1: hashOf('sha1', bytes) })
  t.true((await ewfexport(t, out)).equals(bytes))
  t.like(await ewfinfo(out), {
    'Case number': 'Fäll 7',
    'Evidence number': 'Löwe',
    'Examiner name': 'Jörg €',
    Description: 'a b',
    Notes: 'as found',
    'Media type': 'fixed disk',
    'Is physical': 'yes',
    'Number of sectors': '6145',
  })
  const header = sectionsOf(out).find(({ type }) => type === 'header')!
  t.like(decodeHeaderText(zlib.inflateSync(header.body)), { c: 'Fäll 7', e: 'Jörg ?' })
  t.deepEqual(typesOf(out), [
    ...[
      'header2',
      'header2',
      'header',
      'volume',
      'sectors',
      'table',
      'table2',
      'data',
      'digest',
      'hash',
      'done',
    ],
  ])
  t.is(fs.statSync(out).mode & 0o777, 0o600)
  t.deepEqual(namesIn(path.dirname(out)), ['disk.E01'])
})

for (const [level, shown] of [
  ['none', 'no compression'],
  ['best', 'best compression'],
  ['6', 'best compression'],
] as const)
  test(`--level ${level}`, async (t) => {
    const out = path.join(await scratch(t), 'disk.E01')
    const bytes = Buffer.concat([contentOf(2 * MEBIBYTE), Buffer.alloc(MEBIBYTE)])
    t.is((await runTool('ewf-sink', [out, '--level', level], sent(bytes))).status, 0)
    t.is((await ewfverify(t, out)).md5, hashOf('md5', bytes))
    t.is((await ewfinfo(out))['Compression level'], shown)
    const stored = fs.statSync(out).size
    t.true(shown === 'no compression' ? stored > bytes.length : stored < 1.1 * MEBIBYTE, `${stored}`)
  })

test('media of any size: nothing, parts of sectors and of chunks, more than a table holds', async (t) => {
  const folder = await scratch(t)
  const bytes = contentOf(CHUNK + 513)
  for (const size of [0, 1, 511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 513]) {
    const out = path.join(folder, `${size}.E01`)
    const media = Buffer.alloc(Math.ceil(size / 512) * 512)
    bytes.copy(media, 0, 0, size)
    // Of a pipe that is imaged nobody knows the size ahead.
    const about = size % 2 === 0 ? {} : { size: undefined }
    const body = { ...disk(size), ...about } as StreamBody
    const input = transmission(stream(body, framesOf(bytes.subarray(0, size))))
    const { status, stderr } = await runTool('ewf-sink', [out], input)
    t.is(status, 0, stderr)
    t.deepEqual(await ewfverify(t, out), { md5: hashOf('md5', media), sha1: hashOf('sha1', media) })
    const { Notes, 'Number of sectors': sectors } = await ewfinfo(out)
    t.is(Notes, size % 512 === 0 ? undefined : `[pmem: length=${size}]`)
    t.is(Number(sectors), media.length / 512)
  }
  const out = path.join(folder, 'many.E01')
  const size = BigInt(1024 * CHUNK + 1024)
  const input = transmission(stream(disk(size), [fill(0n, size, 'zero')]))
  t.is((await runTool('ewf-sink', [out], input)).status, 0)
  t.deepEqual(
    sectionsOf(out)
      .filter(({ type }) => type === 'table')
      .map(({ body }) => body.readUInt32LE()),
    [1024, 1],
  )
  t.true(fs.statSync(out).size < MEBIBYTE)
  await ewfverify(t, out)
})

test('segments go on from .E99 to .EAA, none larger than it may be, more than files may be open', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'disk.E01')
  const block = contentOf(MEBIBYTE)
  const count = 101
  const hash = createHash('md5')
  function* input(): Generator<Buffer> {
    const frames = Array.from({ length: count }, (_, i) => data(BigInt(i) << 20n, block))
    yield transmission(stream(disk(count * MEBIBYTE, { size: undefined } as never), frames))
  }
  for (let i = 0; i < count; i++) hash.update(block)
  const { status, stderr } = await runTool(
    'ewf-sink',
    [out, '--segment-size', '1M', '--level', 'none'],
    input(),
    { prefix: ['bash', '-c', 'ulimit -n 60; exec "$@"', 'limited'] },
  )
  t.is(status, 0, stderr)
  const names = namesIn(folder)
  t.true(names.length > 101)
  t.deepEqual(names.slice(97, 101), ['disk.E98', 'disk.E99', 'disk.EAA', 'disk.EAB'])
  for (const name of names) t.true(fs.statSync(path.join(folder, name)).size <= MEBIBYTE, name)
  t.is((await ewfverify(t, out)).md5, hash.digest('hex'))
  t.deepEqual(typesOf(path.join(folder, 'disk.E99')), ['data', 'sectors', 'table', 'table2', 'next'])
})

test('Sleuth Kit finds the partition and the files of a disk in several segments', async (t) => {
  const folder = await scratch(t)
  const [raw, out] = [path.join(folder, 'disk.raw'), path.join(folder, 'disk.E01')]
  await run('bash', [
    ...['-euc'],
    `truncate -s 6M '${raw}'; echo '2048,8192,83' | sfdisk -q '${raw}'
     mkdir '${folder}/files'; head -c 3000000 /dev/urandom > '${folder}/files/evidence'
     mke2fs -q -d '${folder}/files' -E offset=1048576 '${raw}' 4M`,
  ])
  const bytes = fs.readFileSync(raw)
  t.is((await runTool('ewf-sink', [out, '--segment-size', '1M'], sent(bytes))).status, 0)
  t.true(fs.existsSync(path.join(folder, 'disk.E02')))
  t.regex((await run('mmls', ['-i', 'ewf', out])).stdout, /0000002048 {3}0000010239 .*Linux/)
  const listing = (await run('fls', ['-i', 'ewf', '-o', '2048', out])).stdout
  const inode = /r\/r (\d+):\tevidence/.exec(listing)![1]!
  const { stdout } = await run('icat', ['-i', 'ewf', '-o', '2048', out, inode], {
    encoding: 'buffer',
    maxBuffer: 1 << 24,
  })
  t.true(stdout.equals(fs.readFileSync(path.join(folder, 'files/evidence'))))
})

test('sectors that could not be read are listed, and read as the text', async (t) => {
  const out = path.join(await scratch(t), 'disk.E01')
  const bytes = contentOf(8 * CHUNK)
  const frames = [
    data(0n, bytes.subarray(0, 4096)),
    fill(4096n, 4096n, 'unreadable'),
    data(8192n, bytes.subarray(8192, 100_000)),
    fill(100_000n, 100n, 'unreadable'),
    fill(100_100n, 1000n, 'unknown'),
    data(101_100n, bytes.subarray(101_100)),
  ]
  const { status } = await runTool('ewf-sink', [out], transmission(stream(disk(bytes.length), frames)))
  t.is(status, 2)
  const { stdout } = await run('ewfinfo', ['-e', out])
  t.regex(
    stdout,
    /total number: 2\n\tat sector\(s\): 8 - 15 number: 8\b.*\n\tat sector\(s\): 195 - 195 number: 1\b/,
  )
  const media = await ewfexport(t, out)
  t.is(media.toString('latin1', 4096, 4110), 'LEDATAUNREADAB')
  t.is(hashOf('md5', media), (await ewfverify(t, out)).md5)
  t.deepEqual(
    decodeMapfile(fs.readFileSync(`${out}.map`)).blocks.map(({ start, status }) => [Number(start), status]),
    [
      [0, '+'],
      [4096, '-'],
      [8192, '+'],
      [100_000, '-'],
      [100_100, '?'],
      [101_100, '+'],
    ],
  )
})

test('digests that come along are compared: of the bytes that came, not of filled up sectors', async (t) => {
  const folder = await scratch(t)
  const bytes = contentOf(100_000)
  const digests = [
    digest('md5', hashOf('md5', bytes)),
    digest('sha1', hashOf('sha1', bytes).toUpperCase()),
    digest('sha256', hashOf('sha256', bytes)),
  ]
  const good = path.join(folder, 'good.E01')
  const input = transmission(stream(disk(bytes.length), [...framesOf(bytes), ...digests]))
  t.is((await runTool('ewf-sink', [good], input)).status, 0)
  t.is((await ewfinfo(good)).Notes, `[pmem: length=100000 sha256=${hashOf('sha256', bytes)}]`)
  const bad = path.join(folder, 'bad.E01')
  const wrong = digest('sha1', hashOf('sha1', Buffer.of(1)))
  const result = await runTool(
    'ewf-sink',
    [bad],
    transmission(stream(disk(bytes.length), [...framesOf(bytes), wrong])),
  )
  t.is(result.status, 3)
  t.regex(result.stderr, /sha1 of what came is [0-9a-f]{40}, the stream says [0-9a-f]{40}/)
  const partial = path.join(folder, 'bad.partial.E01')
  t.false(fs.existsSync(bad))
  t.regex((await ewfinfo(partial)).Notes!, /^INCOMPLETE \(sha1 of .*\[pmem: length=100000\]$/)
  t.false(typesOf(partial).some((type) => type === 'hash' || type === 'digest'))
})

test('a memory goes in as an ELF core, with its bad pages among the errors', async (t) => {
  const out = path.join(await scratch(t), 'memory.E01')
  const [a, b] = [Buffer.alloc(0x2000, 'A'), Buffer.alloc(0x1000, 'B')]
  const body = memory({ ranges: ranges([0x1000n, 0x3000n], [1n << 33n, 0x1000n]) })
  const frames = [
    meta('pmem:kernelRelease "6.1.0-44" ; pmem:caseNumber "17"'),
    data(0x1000n, a),
    fill(0x3000n, 0x1000n, 'unreadable'),
    data(1n << 33n, b),
  ]
  for (const target of [out, '-']) {
    const { status, stdout, stderr } = await runTool('ewf-sink', [target], transmission(stream(body, frames)))
    t.is(status, 2, stderr)
    if (target === '-') fs.writeFileSync(out, stdout)
    await ewfverify(t, out)
    t.like(await ewfinfo(out), { 'Case number': '17', 'Media type': 'memory (RAM)', 'Is physical': 'no' })
    const media = await ewfexport(t, out)
    const core = await openElfCore(bufferSource(media))
    t.deepEqual(core.runs, [
      { start: 0x1000n, length: 0x3000n },
      { start: 1n << 33n, length: 0x1000n },
    ])
    t.true(Buffer.from(await core.read(0x1000n, 0x2000)).equals(a))
    t.true(Buffer.from(await core.read(1n << 33n, 0x1000)).equals(b))
    t.true(media.includes('6.1.0-44'))
    const sector = Number(media.indexOf(a)) / 512 + 16
    t.regex(
      (await run('ewfinfo', ['-e', out])).stdout,
      new RegExp(`at sector\\(s\\): ${sector} - ${sector + 7} `),
    )
  }
})

test('one stream takes one segment: the same media, size and length told ahead', async (t) => {
  const out = path.join(await scratch(t), 'piped.E01')
  const bytes = contentOf(5 * MEBIBYTE + 100)
  const { status, stdout, stderr } = await runTool('ewf-sink', ['-', '--segment-size', '1M'], sent(bytes))
  t.is(status, 0, stderr)
  fs.writeFileSync(out, stdout)
  const media = await ewfexport(t, out)
  t.true(media.subarray(0, bytes.length).equals(bytes))
  t.is((await ewfverify(t, out)).md5, hashOf('md5', media))
  t.is((await ewfinfo(out)).Notes, `[pmem: length=${bytes.length}]`)
})

test('a stream that was cut is opened by libewf as far as it goes', async (t) => {
  const out = path.join(await scratch(t), 'piped.E01')
  const bytes = contentOf(3 * MEBIBYTE)
  const { status, stdout } = await runTool('ewf-sink', ['-'], cut(disk(8 * MEBIBYTE), framesOf(bytes)))
  t.is(status, 3)
  fs.writeFileSync(out, stdout)
  t.deepEqual(typesOf(out).slice(-2), ['incomplete', 'done'])
  const media = await ewfexport(t, out)
  t.true(media.subarray(0, 2 * MEBIBYTE).equals(bytes.subarray(0, 2 * MEBIBYTE)))
})

test('what one stream cannot hold, or must know ahead, is refused with the way out', async (t) => {
  const bytes = contentOf(1000)
  const unknown = { name: 'pipe', kind: 'image' } as const
  for (const [body, message] of [
    [unknown, /standard output: the stream does not tell its size ahead\nhint: .*regular file/],
    [disk(1n << 31n), /standard output: 2.0 GiB may be more than one segment holds\nhint: .*OUT.E01/],
  ] as const) {
    const result = await runTool('ewf-sink', ['-'], transmission(stream(body, framesOf(bytes))))
    t.is(result.status, 65)
    t.is(result.stdout.length, 0)
    t.regex(result.stderr, message)
  }
})

test('what a set cannot hold is refused before anything is written', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.E01')
  const page = data(0x1000n, Buffer.alloc(0x1000))
  for (const [body, frames, message] of [
    [memory(), [page], /does not tell its ranges ahead\nhint: .*elf-sink/],
    [memory({ ordered: false }), [page], /its ranges come in no order\nhint: .*aff4-sink/],
    [
      { name: 'far', kind: 'map' },
      [data(1n << 40n, Buffer.alloc(512))],
      /1.0 TiB of zeros for what nobody sent\nhint: aff4-sink/,
    ],
  ] as [StreamBody, Frame[], RegExp][]) {
    const { status, stderr } = await runTool('ewf-sink', ['-t', out], transmission(stream(body, frames)))
    t.is(status, 65)
    t.regex(stderr, message)
    t.false(fs.existsSync(out))
  }
})

test('media that may need more segments than there are names for is told ahead', async (t) => {
  const out = path.join(await scratch(t), 'out.E01')
  const frames = [data(0n, Buffer.alloc(512)), data(512n, Buffer.alloc(512))]
  const { stderr } = await runTool(
    'ewf-sink',
    [out, '--ignore-space', '--segment-size', '1M'],
    cut(disk(1n << 34n), frames),
  )
  t.regex(stderr, /16.0 GiB may need more segments than .* hold 14.6 GiB\nhint: --segment-size/)
})

for (const [words, message] of [
  [['out.raw'], /out.raw: the first segment of a set ends in .E01/],
  [['out.E01', '--level', '10'], /--level 10: not none, fast, best/],
  [['out.E01', '--segment-size', '1000k'], /--segment-size 1000k: not from 1.0 MiB to less than 2.0 GiB/],
  [['out.E01', '--segment-size', '2G'], /--segment-size 2G: not from/],
] as const)
  test(`usage: ${words.join(' ')}`, async (t) => {
    const { status, stderr } = await runTool('ewf-sink', words, Buffer.alloc(0))
    t.is(status, 64)
    t.regex(stderr, message)
  })

test('another set is kept, whichever of its segments is there; -t replaces all of it', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'disk.E01')
  const bytes = contentOf(MEBIBYTE)
  for (const name of ['disk.E01', 'disk.E07', 'disk.partial.E02', 'DISK.e03']) {
    fs.writeFileSync(path.join(folder, name), 'kept')
    const { status, stderr } = await runTool('ewf-sink', [out], sent(bytes))
    t.is(status, 73)
    t.regex(stderr, new RegExp(`${name}: file exists\nhint: -t replaces`))
    t.deepEqual(namesIn(folder), [name])
    fs.unlinkSync(path.join(folder, name))
  }
  fs.writeFileSync(path.join(folder, 'disk.EXE'), 'a program')
  const long = contentOf(5 * MEBIBYTE)
  t.is((await runTool('ewf-sink', [out, '--segment-size', '1M'], sent(long))).status, 0)
  t.deepEqual(namesIn(folder), ['disk.E01', 'disk.E02', 'disk.E03', 'disk.E04', 'disk.EXE'])
  t.is((await runTool('ewf-sink', ['-t', out], sent(bytes))).status, 0)
  t.deepEqual(namesIn(folder), ['disk.E01', 'disk.EXE'])
  t.is((await ewfverify(t, out)).md5, hashOf('md5', bytes))
})

test('an input that was cut becomes a partial set that libewf opens, without digests', async (t) => {
  const folder = await scratch(t)
  const bytes = contentOf(4 * MEBIBYTE)
  const words = [path.join(folder, 'disk.E01'), '--segment-size', '1M']
  const { status, stderr } = await runTool('ewf-sink', words, cut(disk(8 * MEBIBYTE), framesOf(bytes)))
  t.is(status, 3)
  const partial = path.join(folder, 'disk.partial.E01')
  t.regex(stderr, /before END; 3.0 MiB kept in .*disk.partial.E01/)
  t.deepEqual(namesIn(folder), [
    ...['disk.partial.E01', 'disk.partial.E01.map', 'disk.partial.E02', 'disk.partial.E03'],
  ])
  t.true((await ewfexport(t, partial)).equals(bytes.subarray(0, 3 * MEBIBYTE)))
  const info = await ewfinfo(partial)
  t.regex(info.Notes!, /^INCOMPLETE \(input ended at .*\)$/)
  t.is(info.MD5, undefined)
  t.deepEqual(typesOf(path.join(folder, 'disk.partial.E03')).slice(-2), ['incomplete', 'done'])
})

test('SIGTERM while the source stalls closes the segment', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'disk.E01')
  const bytes = contentOf(3 * MEBIBYTE)
  const script = `status=0; mkfifo '${folder}/pipe'; "$@" < '${folder}/pipe' & sink=$!; exec 3> '${folder}/pipe'
cat >&3; until [ -e '${folder}/disk.partial.E01' ]; do sleep 0.05; done; kill -TERM $sink; wait $sink || status=$?; exit $status`
  const prefix = ['bash', '-c', script, 'stalled']
  const { status, stderr } = await runTool('ewf-sink', [out], cut(disk(8 * MEBIBYTE), framesOf(bytes)), {
    prefix,
  })
  t.is(status, 3, stderr)
  t.regex(stderr, /interrupted by SIGTERM; 2.0 MiB kept in .*disk.partial.E01/)
  const partial = path.join(folder, 'disk.partial.E01')
  t.true((await ewfexport(t, partial)).equals(bytes.subarray(0, 2 * MEBIBYTE)))
})

for (const [room, media] of [
  ['3M', disk(8 * MEBIBYTE)],
  ['2100k', disk(8 * MEBIBYTE)],
  ['3M', memory({ ranges: ranges([0x10_0000n, 8n << 20n]) })],
] as const)
  test(`a disk of ${room} that is full: what is there of a ${media.kind} is a set that libewf opens`, async (t) => {
    const folder = await scratch(t)
    const bytes = contentOf(8 * MEBIBYTE)
    for (let at = 0; at < bytes.length; at += 2 * MEBIBYTE)
      bytes.copy(bytes, at + MEBIBYTE, at, at + MEBIBYTE)
    const start = media.kind === 'map' ? 0x10_0000n : 0n
    const frames = framesOf(bytes).map((frame) =>
      frame.type === 'data' ? { ...frame, offset: frame.offset + start } : frame,
    )
    const script = `mkdir '${folder}/disk'; mount -t tmpfs -o size=${room} tmpfs '${folder}/disk' || exit 99
status=0; "$@" || status=$?; cp -- '${folder}'/disk/* '${folder}'; exit $status`
    const prefix = ['unshare', '--map-root-user', '--mount', 'bash', '-c', script, 'small']
    const out = path.join(folder, 'disk', 'out.E01')
    const { status, stderr } = await runTool(
      'ewf-sink',
      [out, '--ignore-space', '--segment-size', '1M'],
      transmission(stream(media, frames)),
      { prefix },
    )
    t.is(status, 74, stderr)
    t.regex(
      stderr,
      /out\.partial\.E0\d: no space left on device\nhint: what came before is in .*out.partial.E01/,
    )
    const partial = path.join(folder, 'out.partial.E01')
    const kept = await ewfexport(t, partial)
    t.true(kept.length > 1.5 * MEBIBYTE, `${kept.length}`)
    if (media.kind === 'map') t.true(bytes.indexOf(kept.subarray(-MEBIBYTE)) >= 0)
    else t.true(kept.equals(bytes.subarray(0, kept.length)))
    const map = path.join(folder, 'out.partial.E01.map')
    if (!fs.existsSync(map)) return
    const blocks = decodeMapfile(fs.readFileSync(map)).blocks
    const held = blocks.reduce((sum, { length, status }) => (status === '+' ? sum + Number(length) : sum), 0)
    t.true(media.kind === 'map' ? held < kept.length : held === kept.length, `${held} of ${kept.length}`)
  })

test('--deterministic: the same input gives the same bytes', async (t) => {
  const folder = await scratch(t)
  const bytes = contentOf(3 * MEBIBYTE)
  const inputs = [
    sent(bytes),
    transmission(
      stream(memory({ ranges: ranges([0n, BigInt(bytes.length)]) }), [
        meta('pmem:kernelRelease "6.1.0-44"'),
        ...framesOf(bytes),
      ]),
    ),
  ]
  for (const input of inputs) {
    const outs = ['a.E01', 'b.E01'].map((name) => path.join(folder, name))
    for (const out of outs) {
      const { status, stderr } = await runTool('ewf-sink', ['-t', out, '--deterministic'], input)
      t.is(status, 0, stderr)
      await ewfverify(t, out)
    }
    t.true(fs.readFileSync(outs[0]!).equals(fs.readFileSync(outs[1]!)))
  }
})

test('facts of the input become case data and notes; options come before them', async (t) => {
  const folder = await scratch(t)
  const facts = meta(
    `pmem:caseNumber "17" ; pmem:examiner "A" ; pmem:acquisitionTool "other 1.0" ; pmem:hostName "web1" ;
     pmem:acquisitionSystem "Linux" ; aff4:diskModel "WD 1" ; aff4:blockSize 4096 ;
     pmem:acquisitionTime "2020-02-03T04:05:06.7Z"^^<http://www.w3.org/2001/XMLSchema#dateTime>`,
  )
  const bytes = contentOf(10 * 4096)
  const frames = [facts, ...framesOf(bytes)]
  const out = path.join(folder, 'disk.E01')
  const input = transmission(stream(disk(bytes.length, { category: 'disk:logical' }), frames))
  const { status, stderr } = await runTool('ewf-sink', [out, '--examiner', 'B'], input)
  t.is(status, 0)
  t.is(stderr, '')
  t.like(await ewfinfo(out), {
    'Case number': '17',
    'Examiner name': 'B',
    Notes: 'host name: web1',
    Model: 'WD 1',
    'Software version used': 'other 1.0',
    'Operating system used': 'Linux',
    'Bytes per sector': '4096',
    'Number of sectors': '10',
    'Is physical': 'no',
  })
  t.regex((await ewfinfo(out))['Acquisition date']!, /2020.*04:05:06/)
  t.is((await ewfverify(t, out)).md5, hashOf('md5', bytes))
  const noted = await runTool('ewf-sink', ['-t', out, '--notes', 'mine'], input)
  t.regex(noted.stderr, /disk.E01 has no place for: host name\nhint: aff4-sink/)
})

test('image-cat reads back what was written: disks to the byte, memory with its ranges, holes and facts', async (t) => {
  const folder = await scratch(t)
  const read = async (image: string): Promise<Buffer> => (await runTool('image-cat', [image], NOTHING)).stdout
  const bytes = contentOf(3 * MEBIBYTE + 100)
  const [out, raw] = [path.join(folder, 'disk.E01'), path.join(folder, 'disk.raw')]
  const frames = [...framesOf(bytes), digest('sha256', hashOf('sha256', bytes))]
  await runTool('ewf-sink', [out, '--segment-size', '1M'], transmission(stream(disk(bytes.length), frames)))
  t.is((await runTool('raw-sink', [raw], await read(out))).status, 0)
  t.true(fs.readFileSync(raw).equals(bytes))
  t.regex((await runTool('image-verify', [out], NOTHING)).stdout.toString(), /\nmatched +hash SHA256 /)

  const memoryOut = path.join(folder, 'memory.E01')
  const body = memory({ ranges: ranges([0x1000n, 0x3000n], [1n << 33n, 0x1000n]) })
  const page = bytes.subarray(0, 0x1000)
  const pages = [
    meta('pmem:kernelRelease "6.1.0-44" ; pmem:kaslrShift 4096'),
    data(0x1000n, page),
    fill(0x2000n, 0x1000n, 'unreadable'),
    data(0x3000n, page),
    data(1n << 33n, page),
  ]
  await runTool('ewf-sink', [memoryOut], transmission(stream(body, pages)))
  // What the image itself lists is enough.
  fs.unlinkSync(`${memoryOut}.map`)
  const listing = (await runTool('pmem-frames', [], await read(memoryOut))).stdout.toString()
  t.regex(
    listing,
    /"ranges":\[\["0x1000","0x1000"\],\["0x2000","0x1000"\],\["0x3000","0x1000"\],\["0x200000000","0x1000"\]\]/,
  )
  t.regex(listing, /kernelRelease "6.1.0-44"/)
  t.regex(listing, /kaslrShift "4096"/)
  t.deepEqual(
    [...listing.matchAll(/^(?:DATA|FILL) .*$/gm)].map(([line]) => line.replace(/ +/g, ' ')),
    [
      'DATA 1 0x1000-0x2000',
      'FILL 1 0x2000-0x3000 unreadable',
      'DATA 1 0x3000-0x4000',
      'DATA 1 0x200000000-0x200001000',
    ],
  )
})

test('a stump says in itself that it is one', async (t) => {
  const folder = await scratch(t)
  const frames = framesOf(contentOf(4 * MEBIBYTE))
  await runTool('ewf-sink', [path.join(folder, 'disk.E01')], cut(disk(8 * MEBIBYTE), frames))
  fs.unlinkSync(path.join(folder, 'disk.partial.E01.map'))
  const partial = path.join(folder, 'disk.partial.E01')
  const { status, stderr } = await runTool(
    'raw-sink',
    ['-'],
    (await runTool('image-cat', [partial], NOTHING)).stdout,
  )
  t.is(status, 2, stderr)
  t.regex((await runTool('image-info', [partial], NOTHING)).stdout.toString(), /incomplete +its writer says/)
})

test('what fills the last sector is no evidence, wherever a device that failed has cut the set off', async (t) => {
  const folder = await scratch(t)
  const preload = buildPreload(folder)
  const bytes = contentOf(3 * MEBIBYTE + 100)
  fs.writeFileSync(path.join(folder, 'frames'), transmission(stream(disk(bytes.length), framesOf(bytes))))
  const write = (target: string, environment: object) =>
    run('bash', ['-c', 'cd "$0"; ewf-sink -q "$1" < frames', folder, target], {
      env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}`, ...environment },
    })
  await write('whole.E01', {})
  const { size } = fs.statSync(path.join(folder, 'whole.E01'))
  let equal = 0
  for (let before = 2800; before > 0; before -= 400) {
    const plan = { kind: '5', calls: 'write', where: 'cut.partial', at: size - before, number: 0 } as const
    const failure = await t.throwsAsync(
      write('cut.E01', planned(preload, plan, path.join(folder, 'struck'))),
      { message: /input\/output error/ },
    )
    t.is((failure as Error & { code: number }).code, 74)
    const partial = path.join(folder, 'cut.partial.E01')
    const { stdout } = await runTool('image-cat', [partial], NOTHING)
    const read = await runTool('raw-sink', ['-'], stdout)
    t.is(read.stdout.length, bytes.length)
    if (bytes.equals(read.stdout)) equal++
    for (const name of namesIn(folder).filter((name) => name.startsWith('cut.')))
      fs.unlinkSync(path.join(folder, name))
  }
  t.true(equal > 0)
})
