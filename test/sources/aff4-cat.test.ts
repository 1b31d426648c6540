import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { parseWords } from '../../src/cli/launch.js'
import { createLog } from '../../src/cli/messages.js'
import type { Io } from '../../src/cli/tool.js'
import { openVolumeFile } from '../../src/formats/aff4/volume-file.js'
import { createZipWriter } from '../../src/formats/aff4/zip/writer.js'
import { decode } from '../../src/frames/decode.js'
import type { DataFrame, Frame } from '../../src/frames/frame.js'
import { tool } from '../../src/sources/aff4-cat.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { bufferSink } from '../formats/buffer-sink.js'
import { bytesInput } from '../frames/support.js'
import { data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from '../sinks/pipeline.js'
import { shell } from '../sinks/trees.js'
import { runSource } from './collect.js'

const AFF4 = 'http://aff4.org/Schema#'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const PREFIXES = `@prefix aff4: <${AFF4}> . @prefix pmem: <https://pmem.dev/ns#> . `

const BODY = memory({ size: hex(0x9000), ranges: ranges([0x1000n, 0x5000n], [0x7000n, 0x2000n]) })
const FIRST = contentOf(1, 0x1800)
const SECOND = contentOf(3, 0x2000)
const NOTE = {
  level: 'warning',
  program: 'reader',
  message: 'unreadable: EIO',
  offset: '0x3000',
  length: '0x1000',
} as const
const DIGESTS = [
  { algorithm: 'sha256', value: 'a'.repeat(64), covers: 'linear' },
  { algorithm: 'blake2b512', value: 'b'.repeat(128), covers: 'linear' },
  { algorithm: 'md5', value: 'c'.repeat(32), covers: 'ranges' },
] as const
const HOLES = [
  { offset: 0x2800n, length: 0x800n, fill: 'zero' },
  { offset: 0x3000n, length: 0x1000n, fill: 'unreadable' },
  { offset: 0x4000n, length: 0x1000n, fill: 'byte' },
  { offset: 0x5000n, length: 0x1000n, fill: 'unknown' },
]
const SYMBOLS = Buffer.from('ffffffff81000000 T startup_64\n')

/** A memory with every kind of range and fact, and a helper file. */
const evidence = (): Buffer =>
  transmission([
    ...stream(BODY, [
      {
        type: 'meta',
        stream: 1,
        time: 0n,
        turtle: `${PREFIXES} <> a pmem:Odd ; pmem:about <#it>, [ pmem:deep "blank" ] ; aff4:pageSize 4096 . <#it> pmem:name "it" .`,
      },
      data(0x1000n, FIRST),
      fill(0x2800n, 0x800n, 'zero'),
      fill(0x3000n, 0x1000n, 'unreadable'),
      fill(0x4000n, 0x1000n, 'byte', 0x55),
      fill(0x5000n, 0x1000n, 'unknown'),
      data(0x7000n, SECOND),
      { type: 'note', stream: 1, time: 0n, body: NOTE },
      ...DIGESTS.map((body): Frame => ({ type: 'digest', stream: 1, time: 0n, body })),
    ]),
    ...stream({ name: '/proc/kallsyms', kind: 'image' }, [data(0n, SYMBOLS)], 2),
  ])

async function framesOf(bytes: Buffer): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const batch of decode(bytesInput(bytes))) frames.push(...batch)
  return frames
}

test('what a volume was written from comes out of it: ranges, holes, facts, notes, digests, files', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  t.is((await runTool('aff4-sink', [volume], evidence())).status, 2)
  const { streams, status, stderr } = await runSource('aff4-cat', [volume])
  t.is(status, 2, stderr)
  const [map, file] = streams
  t.is(streams.length, 2)
  t.like(map!.body, { name: 'PhysicalMemory', kind: 'map', category: 'memory:physical', size: '0x9000' })
  t.deepEqual(map!.body.ranges, BODY.ranges)
  t.deepEqual(
    map!.data.map(({ offset, bytes }) => [offset, sha256(bytes)]),
    [
      [0x1000n, sha256(FIRST)],
      [0x7000n, sha256(SECOND)],
    ],
  )
  t.deepEqual(map!.fills, HOLES)
  t.deepEqual(map!.notes, [NOTE])
  t.is(map!.close?.status, 'complete')
  t.like(file!.body, { name: '/proc/kallsyms', kind: 'image', size: hex(SYMBOLS.length) })
  t.deepEqual(Buffer.from(file!.data[0]!.bytes), SYMBOLS)
})

test("a volume sent into another one says the same, and nothing of the first one's structure", async (t) => {
  const folder = await scratch(t)
  const [first, second] = ['first', 'second'].map((name) => path.join(folder, `${name}.aff4`)) as [
    string,
    string,
  ]
  await runTool('aff4-sink', [first], evidence())
  const sent = await runTool('aff4-cat', [first], Buffer.alloc(0))
  t.is((await runTool('aff4-sink', [second], sent.stdout)).status, 2)
  const again = await runTool('aff4-cat', [second], Buffer.alloc(0))
  const said = async (bytes: Buffer) =>
    (await framesOf(bytes))
      .filter(({ type, stream: id }) => id > 0 && type !== 'close')
      .map(({ raw: _, time: __, ...frame }) =>
        frame.type === 'meta'
          ? frame.turtle.replace(/aff4:\/\/[0-9a-f-]+/g, 'urn').replace(/_:\S+/g, '_:b')
          : frame,
      )
  const [before, after] = [await said(sent.stdout), await said(again.stdout)]
  const turtle = before.find((one): one is string => typeof one === 'string')!
  t.regex(turtle, /<>\s+a pmem:Odd/)
  t.regex(turtle, /pmem:about <#it> , _:b/)
  t.regex(turtle, /<#it>\s+pmem:name "it"/)
  t.regex(turtle, /_:b\s+pmem:deep "blank"/)
  t.notRegex(turtle, /aff4:(stored|size|dataStream|hash|acquisitionCompletionState)/)
  // The chain of custody grows; what is said of the evidence does not change.
  const bare = (list: typeof before) =>
    list.map((one) => (typeof one === 'string' ? one.replace(/.*pmem:transmission.*\n/, '') : one))
  t.deepEqual(bare(after), bare(before))
  const chain = (await framesOf(again.stdout)).filter((frame) => frame.type === 'meta' && frame.stream === 0)
  const programs = chain.map((frame) => (frame.type === 'meta' ? frame.turtle : '')).join('')
  for (const name of ['test-source', 'aff4-sink', 'aff4-cat'])
    t.true(programs.includes(`pmem:name "${name}"`), name)
})

test('streams are chosen by name or URN, and a range cuts them', async (t) => {
  const volume = path.join(await scratch(t), 'volume.aff4')
  await runTool('aff4-sink', [volume], evidence())
  const named = await runSource('aff4-cat', [volume, '--stream', '/proc/kallsyms'])
  t.deepEqual(
    named.streams.map(({ body }) => body.name),
    ['/proc/kallsyms'],
  )

  const cut = await runSource('aff4-cat', [volume, '--stream', 'PhysicalMemory', '--range', '0x2000-0x7010'])
  const [map] = cut.streams
  t.deepEqual(map!.body.ranges, ranges([0x2000n, 0x4000n], [0x7000n, 0x10n]))
  t.deepEqual(
    map!.data.map(({ offset, bytes }) => [offset, Buffer.from(bytes)]),
    [
      [0x2000n, FIRST.subarray(0x1000)],
      [0x7000n, SECOND.subarray(0, 0x10)],
    ],
  )
  t.deepEqual(map!.fills, HOLES)

  const unknown = await runTool('aff4-cat', [volume, '--stream', 'nothing'], Buffer.alloc(0))
  t.is(unknown.status, 66)
  t.regex(unknown.stderr, /no stream is called nothing\nhint: there are: PhysicalMemory, \/proc\/kallsyms/)

  const view = await runTool('aff4-view', [volume, '--json'], Buffer.alloc(0))
  const graph = JSON.parse(view.stdout.toString()) as Record<string, Record<string, { value: string }[]>>
  const [backing] = Object.entries(graph).find(([, facts]) => facts[`${AFF4}chunksInSegment`])!
  const chosen = await runSource('aff4-cat', [volume, '--stream', backing])
  t.is(chosen.streams[0]!.body.size, hex(0x8000))
})

test('Base-Allocated.aff4 of the reference images comes out byte for byte, what was not allocated as unknown', async (t) => {
  const sent = await runTool('aff4-cat', ['test/data/aff4/Base-Allocated.aff4'], Buffer.alloc(0))
  t.is(sent.status, 0, sent.stderr)
  const frames = await framesOf(sent.stdout)
  t.true(frames.some((frame) => frame.type === 'fill' && frame.fill === 'unknown'))
  const raw = await runTool('raw-sink', ['-'], sent.stdout)
  t.is(raw.status, 0, raw.stderr)
  t.is(sha256(raw.stdout), 'c1c99315c2ff74e3f37247639e4f8bb2fb7c49ad09f9d6965ac567ce5e6e3c75')
})

test('dream.aff4, a logical image, gives its file under its original path', async (t) => {
  const { streams } = await runSource('aff4-cat', ['test/data/aff4/dream.aff4'])
  t.deepEqual(
    streams.map(({ body }) => body.name),
    ['./test_images/AFF4-L/dream.txt'],
  )
  t.is(createHash('md5').update(streams[0]!.data[0]!.bytes).digest('hex'), '75d83773f8d431a3ca91bfb8859e486d')
})

test('damage within a stream costs the chunks it hits, in a note and as unreadable', async (t) => {
  const folder = await scratch(t)
  const volume = path.join(folder, 'volume.aff4')
  const content = contentOf(1, 20 * 4096)
  const sent = await runTool(
    'pmem-compress',
    ['zlib', '--chunk-size', '4k'],
    transmission(stream(memory(), [data(0n, Buffer.concat([content, Buffer.alloc(20 * 4096, 'text')]))])),
  )
  await runTool('aff4-sink', [volume], sent.stdout)
  const bytes = readFileSync(volume)
  // The zlib chunks stand behind the twenty raw ones of one bevy.
  const at = bytes.indexOf(content) + content.length
  bytes.fill(0xff, at, at + 10)
  writeFileSync(volume, bytes)
  const damaged = await runTool('aff4-cat', [volume], Buffer.alloc(0))
  t.is(damaged.status, 2, damaged.stderr)
  const plain = await runTool('pmem-decompress', [], damaged.stdout)
  const frames = await framesOf(plain.stdout)
  const notes = frames.flatMap((frame) => (frame.type === 'note' ? [frame.body] : []))
  t.true(notes.some(({ message, level }) => level === 'warning' && /chunk 20 of bevy 0: zlib/.test(message)))
  t.true(
    notes.some(({ message, level }) => level === 'error' && /00000000: CRC does not match/.test(message)),
  )
  const closed = frames.find((frame) => frame.type === 'close')
  t.like(closed, { body: { status: 'failed' } })
  t.true(frames.some((frame) => frame.type === 'fill' && frame.fill === 'unreadable'))
  const kept = frames.flatMap((frame) =>
    frame.type === 'data' ? [[frame.offset, frame.payload] as const] : [],
  )
  const bad = 20n * 4096n
  const whole = Buffer.concat(kept.filter(([offset]) => offset < bad).map(([, bytes]) => bytes))
  t.true(whole.equals(content))
  t.is(kept.at(-1)![0] + BigInt(kept.at(-1)![1].length), 40n * 4096n)
  t.false(kept.some(([offset]) => offset === bad))
})

/** The chunks of a volume whose frames start at any address, none of them zeros. */
const RUNS = [
  { start: 0x1000n, bytes: Buffer.concat([contentOf(3, 300_000), contentOf(1, 32768)]) },
  { start: 0x100_200n, bytes: contentOf(9, 70_000) },
]
const runs = () =>
  transmission(
    stream(
      memory(),
      RUNS.map(({ start, bytes }) => data(start, bytes)),
    ),
  )

for (const codec of ['zlib', 'snappy', 'lz4'])
  test(`${codec} chunks travel from one volume to the next as they are stored`, async (t) => {
    const folder = await scratch(t)
    const [first, second, third] = ['first', 'second', 'third'].map((name) =>
      path.join(folder, `${name}.aff4`),
    ) as [string, string, string]
    const chunked = await runTool('pmem-compress', [codec], runs())
    await runTool('aff4-sink', [first], chunked.stdout)
    const sent = await runTool('aff4-cat', [first], Buffer.alloc(0))
    t.is(sent.status, 0, sent.stderr)
    const chunks = (bytes: Buffer) =>
      framesOf(bytes).then((frames) =>
        frames.flatMap((frame) => (frame.type === 'data' ? [{ ...frame, raw: undefined, time: 0n }] : [])),
      )
    const [before, after] = [await chunks(chunked.stdout), await chunks(sent.stdout)]
    t.true(after.filter((frame) => frame.codec === codec && frame.padded).length === 2)
    t.deepEqual(after, before)

    await runTool('aff4-sink', [second], sent.stdout)
    const [one, other] = await Promise.all(
      [first, second].map(async (file) => {
        const volume = await openVolumeFile(file)
        const bevy = [...volume.members.values()].find(({ name }) => name.endsWith('/00000000'))!
        return Buffer.from(await volume.read(bevy, 1n << 24n))
      }),
    )
    t.true(one!.equals(other!))
    const memoryOf = async (frames: Buffer) => (await runTool('raw-sink', ['-'], frames)).stdout
    const raw = await memoryOf(sent.stdout)
    for (const { start, bytes } of RUNS)
      t.true(raw.subarray(Number(start), Number(start) + bytes.length).equals(bytes))

    // What covers no whole chunks is decoded.
    const cut = await runTool('aff4-cat', [first, '--range', '0x2001-0x20000'], Buffer.alloc(0))
    const pieces = await chunks(cut.stdout)
    t.deepEqual([...new Set(pieces.map((frame) => frame.codec))], ['none', codec])
    const plain = await memoryOf(cut.stdout)
    t.true(plain.subarray(0x2001, 0x20000).equals(RUNS[0]!.bytes.subarray(0x1001, 0x1f000)))
    await runTool('aff4-sink', [third], cut.stdout)
    const again = await runTool('aff4-cat', [third], Buffer.alloc(0))
    t.true((await memoryOf(again.stdout)).equals(plain))
  })

test('a flipped bit in a raw chunk, which decodes as well as before, fails the stream', async (t) => {
  const folder = await scratch(t)
  for (const args of [['none'], ['snappy']]) {
    const volume = path.join(folder, `${args[0]}.aff4`)
    const sent = await runTool('pmem-compress', args, runs())
    await runTool('aff4-sink', [volume], sent.stdout)
    const bytes = readFileSync(volume)
    const at = bytes.indexOf(contentOf(1, 32768).subarray(0, 64))
    t.true(at > 0)
    bytes[at] = bytes[at]! ^ 1
    writeFileSync(volume, bytes)
    const damaged = await runSource('aff4-cat', [volume])
    t.is(damaged.status, 2, args[0])
    t.is(damaged.streams[0]!.close?.status, 'failed')
    t.regex(damaged.streams[0]!.close!.error!, /00000000: CRC does not match/)
    t.true(damaged.streams[0]!.notes.some(({ message }) => /CRC does not match/.test(message)))
  }
  const file = path.join(folder, 'file.aff4')
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  await zip.write({ name: 'container.description', pieces: [Buffer.from(A)] })
  await zip.write({ name: 'notes.txt', pieces: [SYMBOLS] })
  const turtle = `<${A}/notes.txt> a <${AFF4}FileImage>, <${AFF4}ZipSegment> .`
  await zip.write({ name: 'information.turtle', pieces: [Buffer.from(turtle)] })
  await zip.finish(A)
  const bytes = sink.bytes()
  const at = bytes.indexOf(SYMBOLS)
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(file, bytes)
  const damaged = await runSource('aff4-cat', [file])
  t.is(damaged.streams[0]!.close?.status, 'failed')
  t.regex(damaged.streams[0]!.close!.error!, /notes.txt: CRC does not match/)
})

const A = 'aff4://aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
const B = 'aff4://bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb'
const urn = (digit: number) => `aff4://${String(digit).repeat(8)}-0000-4000-8000-000000000000`

/** One half of a striped image: its own chunk, and a map over both. */
async function stripe(
  own: string,
  other: string,
  map: number,
  here: number,
  there: number,
  fillByte: string,
) {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const put = (name: string, content: Buffer | string) =>
    zip.write({ name: name.replace('aff4://', 'aff4%3A%2F%2F'), pieces: [Buffer.from(content)] })
  const index = Buffer.alloc(12)
  index.writeUInt32LE(4096, 8)
  const entries = Buffer.alloc(56)
  entries.writeBigUInt64LE(4096n, 8)
  entries.writeBigUInt64LE(4096n, 28)
  entries.writeBigUInt64LE(4096n, 36)
  entries.writeUInt32LE(1, 52)
  await put('container.description', own)
  await put('version.txt', 'major=1\nminor=0\ntool=test\n')
  await put(`${urn(here)}/00000000`, Buffer.alloc(4096, fillByte))
  await put(`${urn(here)}/00000000.index`, index)
  await put(`${urn(map)}/map`, entries)
  await put(`${urn(map)}/idx`, `${urn(5)}\n${urn(6)}\n`)
  await put(
    'information.turtle',
    `@prefix aff4: <${AFF4}> .
<${urn(9)}> a aff4:DiskImage, aff4:Image ; aff4:dataStream <${urn(map)}> ; aff4:size 8192 .
<${urn(map)}> a aff4:Map ; aff4:size 8192 ; aff4:dependentStream <${urn(5)}>, <${urn(6)}> .
<${urn(here)}> a aff4:ImageStream ; aff4:size 4096 ; aff4:chunkSize 4096 ; aff4:chunksInSegment 1 ;
  aff4:compressionMethod aff4:NullCompressor ; aff4:stored <${own}> .
<${urn(there)}> a aff4:ImageStream ; aff4:stored <${other}> .`,
  )
  await zip.finish(own)
  return sink.bytes()
}

test('volumes of one striped image are read as one, and a missing one is named', async (t) => {
  const folder = await scratch(t)
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, `${name}.aff4`)) as [string, string]
  writeFileSync(a, await stripe(A, B, 7, 5, 6, 'A'))
  writeFileSync(b, await stripe(B, A, 8, 6, 5, 'B'))
  const { streams, status, stderr } = await runSource('aff4-cat', [a, b])
  t.is(status, 0, stderr)
  t.is(streams.length, 1)
  t.is(
    sha256(Buffer.concat(streams[0]!.data.map(({ bytes }) => Buffer.from(bytes)))),
    sha256(Buffer.concat([Buffer.alloc(4096, 'A'), Buffer.alloc(4096, 'B')])),
  )
  const alone = await runTool('aff4-cat', [a], Buffer.alloc(0))
  t.is(alone.status, 65)
  t.true(alone.stderr.includes(`${urn(6)} is in volume ${B}, which is not given`), alone.stderr)
})

test('one stream of several that can not be opened fails alone', async (t) => {
  const folder = await scratch(t)
  const volume = path.join(folder, 'volume.aff4')
  await runTool('aff4-sink', [volume], evidence())
  const bytes = readFileSync(volume)
  // The first entry of the map: its CRC no longer matches.
  const entry = Buffer.alloc(16)
  entry.writeBigUInt64LE(0x1000n, 0)
  entry.writeBigUInt64LE(0x1800n, 8)
  const at = bytes.lastIndexOf(entry)
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(volume, bytes)
  const { streams, status } = await runSource('aff4-cat', [volume])
  t.is(status, 2)
  t.deepEqual(
    streams.map(({ close }) => close?.status),
    ['failed', 'complete'],
  )
  t.regex(streams[0]!.close!.error!, /CRC/)
})

test('what is no volume, not there, or without streams is refused with the conventional status', async (t) => {
  const folder = await scratch(t)
  const text = path.join(folder, 'text')
  writeFileSync(text, 'no volume at all\n'.repeat(1000))
  for (const tool of ['aff4-cat', 'aff4-view']) {
    const refused = await runTool(tool, [text], Buffer.alloc(0))
    t.is(refused.status, 65)
    t.regex(refused.stderr, new RegExp(`^${tool}: ${text}: zip: no end of central directory`))
    t.is((await runTool(tool, [path.join(folder, 'nothing')], Buffer.alloc(0))).status, 66)
  }
})

test('an incomplete stream leaves the volume as failed, not as complete', async (t) => {
  const folder = await scratch(t)
  const bytes = transmission(stream(BODY, [data(0x1000n, FIRST)]))
  // END is cut off.
  await runTool('aff4-sink', [path.join(folder, 'out.aff4')], bytes.subarray(0, bytes.length - 60))
  const { streams, status } = await runSource('aff4-cat', [path.join(folder, 'out.partial.aff4')])
  t.is(status, 2)
  t.is(streams[0]!.close?.status, 'failed')
  t.regex(streams[0]!.close!.error!, /incomplete in the volume/)
})

test('a volume is sent in the same few megabytes, whatever its size and codec', async (t) => {
  const folder = await scratch(t)
  const { status, stderr } = shell(
    folder,
    `set -o pipefail
     head -c 128M /dev/urandom > disk
     file-cat disk | pmem-compress snappy | aff4-sink snappy.aff4
     file-cat disk | aff4-sink none.aff4
     for codec in snappy none; do
       /usr/bin/time -a -o peaks -f '%M' aff4-cat $codec.aff4 | raw-sink -t out && cmp disk out
     done`,
  )
  t.is(status, 0, stderr)
  // Memory of its own for each read took 120 and 140 MB.
  for (const peak of readFileSync(path.join(folder, 'peaks'), 'utf8').trim().split('\n'))
    t.true(Number(peak) < 100_000, peak)
})

test('what is sent stays as it is for as many batches as were asked for', async (t) => {
  const folder = await scratch(t)
  const { status, stderr } = shell(
    folder,
    'head -c 24M /dev/urandom > disk; file-cat disk | aff4-sink out.aff4',
  )
  t.is(status, 0, stderr)
  const disk = readFileSync(path.join(folder, 'disk'))
  const sent: DataFrame[] = []
  const io: Io = {
    interrupted: new AbortController().signal,
    ended: new AbortController().signal,
    batchesAlive: 1000,
    async transmit(evidence) {
      for await (const batch of evidence) sent.push(...batch.filter((frame) => frame.type === 'data'))
      return 0
    },
    frames: () => t.fail() as never,
    send: () => t.fail() as never,
    print: () => t.fail() as never,
    isOutput: () => false,
  }
  t.is(
    await tool.run({
      ...parseWords(tool, [path.join(folder, 'out.aff4')]),
      log: createLog('aff4-cat', { quiet: true }),
      io,
    }),
    0,
  )
  for (const { offset, payload } of sent)
    t.true(disk.subarray(Number(offset), Number(offset) + payload.length).equals(payload), `at ${offset}`)
  t.is(
    sent.reduce((sum, { payload }) => sum + payload.length, 0),
    disk.length,
  )
})
