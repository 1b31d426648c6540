import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type ExitCode, ToolError } from '../../src/cli/exit.js'
import { parseWords } from '../../src/cli/launch.js'
import type { Log } from '../../src/cli/messages.js'
import type { Io } from '../../src/cli/tool.js'
import { aff4, pmem } from '../../src/formats/aff4/lexicon.js'
import { displayName } from '../../src/formats/aff4/original-names.js'
import { listStreams, openStream } from '../../src/formats/aff4/reader.js'
import { fillSymbolic } from '../../src/formats/aff4/symbolic.js'
import { openVolumeFile } from '../../src/formats/aff4/volume-file.js'
import { openFileSource } from '../../src/formats/file-source.js'
import type { Batch, Frame, Frames, StreamBody } from '../../src/frames/frame.js'
import { tool as sink } from '../../src/sinks/aff4-sink.js'
import { compress } from '../../src/transforms/compress.js'
import { missingFrom } from '../../src/transforms/select/missing-from.js'
import { selectStreams } from '../../src/transforms/select/select-streams.js'
import { sample } from '../codecs/samples.js'
import { readWithPython, unzipComplaints } from '../formats/aff4/python.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { checkSources } from '../formats/aff4/verify/check.js'
import { data, fill, hex, memory, meta, ranges, scratch, stream } from './pipeline.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const START: Frame = {
  type: 'start',
  stream: 0,
  time: 0n,
  body: { format: 1, host: 'test', started: '2026-01-01T00:00:00.000Z', programs: [] },
}
const END: Frame = { type: 'end', stream: 0, time: 0n, body: { status: 'complete', frames: 0, bytes: 0 } }

/** What the decoder makes of an input of which only so many frames came. */
function cutAt(frames: readonly Frame[], count: number): Frame[] {
  if (count >= frames.length) return [...frames]
  const came = frames.slice(0, Math.max(1, count))
  const open = came.findLast(({ type }) => type === 'stream' || type === 'close')
  const error = 'the input was cut'
  if (open?.type === 'stream')
    came.push({ type: 'close', stream: open.stream, time: 0n, body: { status: 'failed', error, bytes: 0 } })
  return [...came, { ...END, body: { status: 'truncated', error, frames: 0, bytes: 0 } } as Frame]
}

async function* each(frames: readonly Frame[]): Frames {
  for (const frame of frames) yield [frame]
}
async function gather(frames: Frames): Promise<Frame[]> {
  const all: Frame[] = []
  for await (const batch of frames) all.push(...(batch as Batch).map((frame) => copied(frame)))
  return all
}
const copied = (frame: Frame): Frame =>
  frame.type === 'data' ? { ...frame, payload: Buffer.from(frame.payload) } : frame

const silent = () => {}
const log: Log = {
  error: silent,
  warn: silent,
  info: silent,
  verbose: silent,
  debug: silent,
  progress: silent,
  clearProgress: silent,
}

/** Runs the sink on frames; its exit status, that of a failure too. */
async function store(out: string, frames: readonly Frame[], ...words: string[]): Promise<ExitCode> {
  const io = { frames: () => each(frames) } as unknown as Io
  try {
    return await sink.run({ ...parseWords(sink, [...words, out]), log, io })
  } catch (error) {
    if (error instanceof ToolError) return error.exitCode
    throw error
  }
}

/** What a source's frames become on their way to complete a volume. */
const lacking = async (file: string, frames: readonly Frame[]): Promise<Frame[]> =>
  gather(selectStreams(each(frames), { wanted: [], ...(await missingFrom(file)), program: 'test' }))

const compressed = (codec: 'zlib' | 'snappy' | 'lz4' | 'none', frames: readonly Frame[]): Promise<Frame[]> =>
  gather(compress({ codec, chunkSize: 4096, threads: 1, warn: silent }).transform(each(frames)))

const partialOf = (out: string) => out.replace(/\.aff4$/, '.partial.aff4')

interface Piece {
  gap: number
  length: number
  form: 'bytes' | 'text' | 'zero' | 'unreadable'
  seed: number
}
const pieces: fc.Arbitrary<Piece[]> = fc.array(
  fc.record({
    gap: fc.constantFrom(0, 0, 4096, 5000),
    length: fc.oneof(fc.constant(8192), fc.integer({ min: 1, max: 20_000 })),
    form: fc.constantFrom('bytes', 'bytes', 'text', 'zero', 'unreadable'),
    seed: fc.nat(1000),
  }),
  { minLength: 1, maxLength: 12 },
)

interface Evidence {
  frames: Frame[]
  reads: Buffer
}

/** A stream of such pieces, and what it reads as. */
function evidenceOf(
  name: string,
  kind: 'image' | 'map',
  given: readonly Piece[],
  announced: boolean,
  id: number,
): Evidence {
  const frames: Frame[] = []
  const parts: Buffer[] = []
  const runs: [bigint, bigint][] = []
  let at = 0
  for (const { gap, length, form, seed } of given) {
    if (kind === 'map' && gap > 0) parts.push(Buffer.alloc(gap))
    if (kind === 'map') at += gap
    const offset = BigInt(at)
    const content =
      form === 'text' ? Buffer.from(sample('text', length)) : Buffer.from(contentOf(seed * 3 + 1, length))
    if (form === 'zero' || form === 'unreadable') {
      fillSymbolic(form, offset, content)
      frames.push(fill(offset, BigInt(length), form))
    } else frames.push({ ...data(offset, content), time: 1_700_000_000_000_000_000n + BigInt(seed) })
    parts.push(content)
    runs.push([offset, BigInt(length)])
    at += length
  }
  const body: StreamBody = {
    name,
    kind,
    category: kind === 'map' ? 'memory:physical' : 'disk:physical',
    ...(announced && { size: hex(at), ...(kind === 'map' && { ranges: ranges(...runs) }) }),
  }
  return { frames: stream(body, frames, id), reads: Buffer.concat(parts) }
}

/** What a volume has by the names of its streams. */
async function contents(file: string): Promise<Record<string, string[]>> {
  const volume = await openVolumeFile(file)
  const found: Record<string, string[]> = {}
  for (const { urn, backing } of await listStreams([volume])) {
    if (backing) continue
    const { size, read } = await openStream([volume], urn)
    const name = displayName(volume, urn)
    found[name] = [...(found[name] ?? []), sha256(await read(0n, Number(size)))]
  }
  return found
}

/** What is wrong with a volume, or could not be looked at: aff4-verify ends with 0 where nothing is. */
async function complaints(file: string): Promise<string[]> {
  const findings = await checkSources(openFileSource(file))
  return findings
    .filter(
      ({ outcome, property }) => outcome === 'mismatched' || outcome === 'unchecked' || property === 'target',
    )
    .map(({ outcome, property, detail }) => `${outcome} ${property} ${detail}`)
}

const attempts = fc.array(
  fc.record({ cut: fc.nat(30), codec: fc.constantFrom('zlib', 'snappy', 'lz4', 'none' as const) }),
  { minLength: 1, maxLength: 3 },
)

test('whatever was cut, and however often, the first part and its completions are the whole', async (t) => {
  const folder = await scratch(t)
  const wanted: { out: string; reads: Record<string, string[]> }[] = []
  let completed = 0
  await fc.assert(
    fc.asyncProperty(
      pieces,
      pieces,
      fc.boolean(),
      attempts,
      fc.constantFrom('zlib', 'snappy', 'lz4', 'none' as const),
      async (first, second, announced, tries, last) => {
        const out = path.join(folder, `${wanted.length}.aff4`)
        const disk = evidenceOf('disk', 'image', first, announced, 1)
        const memory = evidenceOf('PhysicalMemory', 'map', second, announced, 2)
        const small = stream(
          { name: '/small', kind: 'image', size: '0x5' },
          [data(0n, Buffer.from('small'))],
          3,
        )
        const source = [START, ...disk.frames, ...memory.frames, ...small, END]
        const reads = {
          disk: [sha256(disk.reads)],
          PhysicalMemory: [sha256(memory.reads)],
          '/small': [sha256(Buffer.from('small'))],
        }
        let status: ExitCode | undefined
        for (const { cut, codec } of [...tries, { cut: Number.POSITIVE_INFINITY, codec: last }]) {
          const partial = partialOf(out)
          if (existsSync(out)) break
          t.true(status === undefined || status === 3)
          if (existsSync(partial)) completed++
          const sent = existsSync(partial) ? await lacking(partial, source) : source
          status = await store(out, cutAt(await compressed(codec, sent), cut))
        }
        t.is(status, [...first, ...second].some(({ form }) => form === 'unreadable') ? 2 : 0)
        t.false(existsSync(partialOf(out)))
        t.deepEqual(await contents(out), reads)
        t.deepEqual(await complaints(out), [])
        await t.throwsAsync(missingFrom(out), { message: /lacks nothing/ })
        wanted.push({ out, reads })
      },
    ),
    { numRuns: 25, includeErrorInReport: true },
  )
  t.true(completed > 10)
  for (const [index, { objects, properties }] of readWithPython(wanted.map(({ out }) => out)).entries()) {
    const named = (urn: string) => properties[urn]![aff4('originalFileName')]![0]!
    for (const [urn, { types, sha256: digest, dataStream }] of Object.entries(objects)) {
      if (types.includes('ZipSegment')) t.deepEqual([digest], wanted[index]!.reads[named(urn)])
      const images = Object.keys(properties).filter(
        (subject) => properties[subject]![aff4('dataStream')]?.[0] === urn,
      )
      for (const image of images) t.deepEqual([digest], wanted[index]!.reads[named(image)])
      t.true(dataStream === undefined || dataStream in objects)
    }
  }
  for (const { out } of wanted.slice(0, 10)) t.is(unzipComplaints(out), '')
})

const MEMORY = memory({ size: '0x30000', ranges: ranges([0x1000n, 0xf000n], [0x20000n, 0x10000n]) })
const pages = (time: bigint) =>
  [0x1000n, 0x8000n, 0x20000n, 0x28000n].map((offset, index) => ({
    ...data(offset, contentOf(3 * index + 1, offset === 0x1000n ? 0x7000 : 0x8000)),
    time,
  }))
const MS = 1_000_000n
const FIRST = 1_700_000_000_000n
const SECOND = FIRST + 3_600_000n

/** A memory of which the first page came, and then no more. */
async function firstPart(t: ExecutionContext, ...words: string[]): Promise<string> {
  const out = path.join(await scratch(t), 'out.aff4')
  t.is(await store(out, cutAt([START, ...stream(MEMORY, pages(FIRST * MS)), END], 3), ...words), 3)
  return out
}
const second = [START, ...stream(MEMORY, pages(SECOND * MS)), END]

test('a memory that was completed says which ranges were read when, and by whom', async (t) => {
  const out = await firstPart(t)
  t.is(await store(out, await lacking(partialOf(out), second)), 0)
  const { graph } = await openVolumeFile(out)
  const [image] = [...graph.subjects()].filter((urn) => graph.isA(urn, aff4('MemoryImage')))
  const parts = graph.all(image!, pmem('part')).map(({ value }) => ({
    ranges: graph.all(value, pmem('range')).map((range) => range.value),
    started: graph.value(value, aff4('startTime')),
    transmission: graph.value(value, pmem('transmission')),
  }))
  t.deepEqual(
    parts.map(({ ranges }) => ranges),
    [['0x1000+0x7000'], ['0x8000+0x8000', '0x20000+0x10000']],
  )
  t.is(parts[0]!.started, '2026-01-01T00:00:00.000Z')
  t.is(parts[1]!.started, new Date(Number(SECOND)).toISOString())
  t.is(new Set(parts.map(({ transmission }) => transmission)).size, 2)
  t.deepEqual(
    graph.all(image!, pmem('transmission')).map(({ value }) => graph.value(value, pmem('status'))),
    ['truncated', 'complete'],
  )
  t.is(graph.value(image!, aff4('acquisitionCompletionState')), 'Completed Normally')
  t.is(graph.all(image!, aff4('dataStream')).length, 1)
})

test('without what it lacks a volume stays as it is, under its partial name', async (t) => {
  const out = await firstPart(t)
  const before = readFileSync(partialOf(out))
  t.is(await store(out, second), 73)
  t.true(readFileSync(partialOf(out)).equals(before))
  t.deepEqual(readdirSync(path.dirname(out)), ['out.partial.aff4'])
})

test('a completion that is cut leaves a partial volume with all that came, and it can be completed', async (t) => {
  const out = await firstPart(t)
  t.is(await store(out, cutAt(await lacking(partialOf(out), second), 5)), 3)
  t.false(existsSync(out))
  const rest = await lacking(partialOf(out), second)
  t.deepEqual(
    rest.flatMap((frame) => (frame.type === 'data' ? [frame.offset] : [])),
    [0x28000n],
  )
  t.is(await store(out, rest), 0)
  t.deepEqual(await complaints(out), [])
})

test('where the room ends during a completion, all that was written stays, and no part claims more', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const size = 128 << 16
  const all = [
    START,
    ...stream(
      memory({ chunkSize: 64, size: hex(size), ranges: ranges([0n, BigInt(size)]) }),
      Array.from({ length: 128 }, (_, i) => data(BigInt(i << 16), contentOf(3 * i + 1, 1 << 16))),
    ),
    END,
  ]
  t.is(await store(out, cutAt(all, 20)), 3)
  const first = await lacking(partialOf(out), all)
  t.is(await store(out, first, '--ignore-space', '--max-disk-usage', '4M'), 74)
  const volume = await openVolumeFile(partialOf(out))
  const [image] = [...volume.graph.subjects()].filter((urn) => volume.graph.isA(urn, aff4('MemoryImage')))
  const held = [...(await openStream([volume], image!)).extents()].filter(
    ({ content }) => content === 'stored',
  )
  const claimed = volume.graph
    .all(image!, pmem('part'))
    .flatMap(({ value }) => volume.graph.all(value, pmem('range')))
    .map(({ value }) => value)
  t.is(claimed.length, 2)
  t.is(held.length, 1)
  t.true(held[0]!.length > 2n << 20n && held[0]!.length < 4n << 20n, String(held[0]!.length))
  t.is(claimed[1], `0x120000+${hex(held[0]!.length - 0x120000n)}`)
  t.is(await store(out, await lacking(partialOf(out), all)), 0)
  t.deepEqual(await complaints(out), [])
  const reads = Buffer.concat(Array.from({ length: 128 }, (_, i) => contentOf(3 * i + 1, 1 << 16)))
  t.deepEqual(await contents(out), { PhysicalMemory: [sha256(reads)] })
})

test('what a killed sink has left is refused, and how it can be saved is said', async (t) => {
  const out = await firstPart(t)
  truncateSync(partialOf(out), statSync(partialOf(out)).size - 100)
  const { status, stderr } = sh(path.dirname(out), 'file-cat /etc/hostname | aff4-sink out.aff4')
  t.is(status, 73)
  t.regex(stderr, /^aff4-sink: out\.partial\.aff4: file exists\nhint: .*aff4-recover/)
})

test('a stream that came but for its end, and a transmission that did, are concluded', async (t) => {
  const frames = [
    ...stream(MEMORY, pages(FIRST * MS)),
    ...stream({ name: '/a', kind: 'image' }, [data(0n, Buffer.of(1))], 2),
  ]
  const all = [START, ...frames, END]
  for (const count of [6, all.length - 1]) {
    const out = path.join(await scratch(t), 'out.aff4')
    t.is(await store(out, cutAt(all, count)), 3)
    const rest = await lacking(partialOf(out), all)
    t.false(rest.some((frame) => frame.type === 'data' && frame.stream === 1))
    t.is(await store(out, rest), 0)
    t.deepEqual(await complaints(out), [])
    t.deepEqual(
      Object.values(await contents(out)).map(({ length }) => length),
      [1, 1],
    )
  }
})

test('small files, folders and logical files come again as a whole, in the place of what there was of them', async (t) => {
  for (const words of [[], ['--logical']]) {
    const large = contentOf(1, (1 << 20) + 5000)
    const files = [
      ...stream({ name: '/d', kind: 'folder' }, [], 1),
      ...stream(
        { name: '/d/small', kind: 'image', size: '0xa' },
        [data(0n, Buffer.from('first')), data(5n, Buffer.from('after'))],
        2,
      ),
      ...stream(
        { name: '/d/large', kind: 'image', size: hex(large.length) },
        [data(0n, large.subarray(0, 5000)), data(5000n, large.subarray(5000))],
        3,
      ),
    ]
    const all = [START, ...files, END]
    for (let count = 2; count < all.length; count++) {
      const out = path.join(await scratch(t), 'out.aff4')
      t.is(await store(out, cutAt(all, count), ...words), 3)
      t.is(await store(out, await lacking(partialOf(out), all), ...words), 0, `${count}`)
      t.deepEqual(await contents(out), {
        '/d/small': [sha256(Buffer.from('firstafter'))],
        '/d/large': [sha256(large)],
      })
      t.deepEqual(await complaints(out), [])
    }
  }
})

test('what the source no longer has keeps the volume partial, and is named', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const gone = stream({ name: '/gone', kind: 'image' }, [data(0n, Buffer.of(1)), data(1n, Buffer.of(2))], 1)
  const stays = stream({ name: '/stays', kind: 'image' }, [data(0n, Buffer.of(1))], 2)
  t.is(await store(out, cutAt([START, ...gone, ...stays, END], 3)), 3)
  t.is(await store(out, await lacking(partialOf(out), [START, ...stays, END])), 3)
  t.false(existsSync(out))
  const { graph } = await openVolumeFile(partialOf(out))
  t.true(
    [...graph.statements].some(
      ({ predicate, object }) =>
        predicate === pmem('incomplete') && object.value.includes('still incomplete: /gone'),
    ),
  )
  await store(out, await lacking(partialOf(out), [START, ...gone, ...stays, END]))
  t.deepEqual(Object.keys(await contents(out)).toSorted(), ['/gone', '/stays'])
  t.deepEqual(await complaints(out), [])
})

test('another disk, and another volume, are refused', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.aff4')
  const disk = (size: number): Frame[] => [
    START,
    ...stream({ name: 'disk', kind: 'image', size: hex(size), category: 'disk:physical' }, [
      data(0n, contentOf(1, size / 2)),
      data(BigInt(size / 2), contentOf(4, size / 2)),
    ]),
    END,
  ]
  t.is(await store(out, cutAt(disk(8192), 3)), 3)
  await t.throwsAsync(lacking(partialOf(out), disk(4096)), {
    message: /disk: is not what .* it had 8192 bytes, and now has 4096/,
  })
  const rest = await lacking(partialOf(out), disk(8192))
  const other = path.join(folder, 'other.aff4')
  t.is(await store(other, rest), 65)
  t.deepEqual(readdirSync(folder), ['out.partial.aff4'])
  t.is(await store(other, disk(8192)), 0)
  const before = readFileSync(other)
  t.is(await store(other, rest), 65)
  t.true(readFileSync(other).equals(before))
  t.is(await store(out, [...rest.slice(0, 3), data(0n, contentOf(1, 4096)), ...rest.slice(-2)]), 65)
  t.is(await store(out, rest), 0)
})

/** A disk of two halves, each of which its seed makes. */
const diskOf = (seed: number): Frame[] => [
  START,
  ...stream({ name: 'disk', kind: 'image', size: hex(8192), category: 'disk:physical' }, [
    data(0n, contentOf(seed, 4096)),
    data(4096n, contentOf(seed + 3, 4096)),
  ]),
  END,
]
const diskReads = (seed: number) => sha256(Buffer.concat([contentOf(seed, 4096), contentOf(seed + 3, 4096)]))

test('of two sources that give one name, none is taken for the other, and none is left out', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const both = [...diskOf(1), ...diskOf(7)]
  // In the first of them: the second never came.
  t.is(await store(out, cutAt(both, 3)), 3)
  t.is(await store(out, await lacking(partialOf(out), both)), 0)
  t.deepEqual(await contents(out), { disk: [diskReads(1), diskReads(7)] })
  // In the second: who comes now could be either.
  const other = path.join(await scratch(t), 'out.aff4')
  t.is(await store(other, cutAt(both, diskOf(1).length + 3)), 3)
  for (const again of [both, diskOf(7)])
    await t.throwsAsync(lacking(partialOf(other), again), {
      message: /has 2 streams called disk, not all of them whole: which of them comes cannot be told/,
    })
  // Between them.
  const third = path.join(await scratch(t), 'out.aff4')
  t.is(await store(third, cutAt(both, diskOf(1).length + 1)), 3)
  t.is(await store(third, await lacking(partialOf(third), both)), 0)
  t.deepEqual(await contents(third), { disk: [diskReads(1), diskReads(7)] })
  t.deepEqual(await complaints(third), [])
})

test('names that are text only by what was put in their place are those of two files', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const file = (byte: number, id: number) =>
    stream(
      { name: '/\ufffd', nameBytes: Buffer.of(0x2f, byte).toString('base64'), kind: 'image', size: '0x1' },
      [data(0n, Buffer.of(byte))],
      id,
    )
  t.is(await store(out, cutAt([START, ...file(0xff, 1), ...file(0xfe, 2), END], 4)), 3)
  // The folder is listed in another order.
  const again = [START, ...file(0xfe, 1), ...file(0xff, 2), END]
  t.is(await store(out, await lacking(partialOf(out), again)), 0)
  t.deepEqual(
    (await contents(out))['/\ufffd']!.toSorted(),
    [sha256(Buffer.of(0xfe)), sha256(Buffer.of(0xff))].toSorted(),
  )
})

test('a memory of another boot, and a file that was written to, are not taken for the rest of it', async (t) => {
  const boots = (id: string, time: bigint): Frame[] => [
    START,
    ...stream(MEMORY, [meta(`pmem:bootId "${id}" ; pmem:kernelRelease "6.1"`), ...pages(time * MS)]),
    END,
  ]
  const out = path.join(await scratch(t), 'out.aff4')
  t.is(await store(out, cutAt(boots('a', FIRST), 4)), 3)
  const held = await contents(partialOf(out))
  t.is(await store(out, await lacking(partialOf(out), boots('b', SECOND))), 65)
  t.false(existsSync(out))
  t.deepEqual(await contents(partialOf(out)), held)
  t.deepEqual(
    (await complaints(partialOf(out))).filter((complaint) => !complaint.startsWith('unchecked incomplete')),
    [],
  )
  t.is(await store(out, await lacking(partialOf(out), boots('a', SECOND))), 0)
  t.deepEqual(await complaints(out), [])
  // Where it is all there, and only the streams behind it are not.
  const whole = path.join(await scratch(t), 'out.aff4')
  const first = boots('a', FIRST)
  t.is(await store(whole, cutAt(first, first.length - 1)), 3)
  t.is(await store(whole, await lacking(partialOf(whole), boots('b', SECOND))), 65)
  t.false(existsSync(whole))

  const written = (day: number): Frame[] => {
    const [start, opened, ...rest] = diskOf(1)
    const about = meta(
      `aff4:lastWritten "2026-01-0${day}T00:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime>`,
    )
    return [start!, opened!, about, ...rest]
  }
  const file = path.join(await scratch(t), 'out.aff4')
  t.is(await store(file, cutAt(written(1), 4)), 3)
  t.is(await store(file, await lacking(partialOf(file), written(2))), 65)
  t.is(await store(file, await lacking(partialOf(file), written(1))), 0)
})

test('what is not announced any more, and what the volume has no more, does not become a hole', async (t) => {
  const out = await firstPart(t)
  const smaller = memory({ size: '0x28000', ranges: ranges([0x1000n, 0xf000n], [0x20000n, 0x8000n]) })
  const less = [START, ...stream(smaller, pages(SECOND * MS).slice(0, 3)), END]
  await t.throwsAsync(lacking(partialOf(out), less), {
    message: /0x28000 was announced of it, and is not in what comes/,
  })
  // Selected for a volume that had more of it.
  const copy = path.join(await scratch(t), 'out.aff4')
  copyFileSync(partialOf(out), partialOf(copy))
  t.is(await store(out, cutAt(await lacking(partialOf(out), second), 5)), 3)
  const rest = await lacking(partialOf(out), second)
  t.is(await store(copy, rest), 65)
  t.false(existsSync(copy))
  t.is(await store(copy, await lacking(partialOf(copy), second)), 0)
})

test('a part of which no byte came is not said to be of the times and facts of the next one', async (t) => {
  const out = await firstPart(t)
  const about = (smear: string, time: bigint): Frame[] => [
    START,
    ...stream(MEMORY, [meta(`pmem:smear "${smear}"`), ...pages(time * MS)]),
    END,
  ]
  t.is(await store(out, cutAt(await lacking(partialOf(out), about('one', FIRST)), 3)), 3)
  t.is(await store(out, await lacking(partialOf(out), about('two', SECOND))), 0)
  const { graph } = await openVolumeFile(out)
  const [image] = [...graph.subjects()].filter((urn) => graph.isA(urn, aff4('MemoryImage')))
  t.deepEqual(
    graph
      .all(image!, pmem('part'))
      .map(({ value }) => graph.all(value, pmem('smear')).map((fact) => fact.value)),
    [[], ['one'], ['two']],
  )
})

test('a volume that lacks nothing, is encrypted, cut or of another layout cannot be completed', async (t) => {
  const folder = await scratch(t)
  const at = (name: string) => path.join(folder, name)
  t.is(await store(at('whole.aff4'), second), 0)
  await t.throwsAsync(missingFrom(at('whole.aff4')), { message: /whole\.aff4: lacks nothing$/ })
  t.is(await store(at('old.aff4'), cutAt(second, 3), '--layout', 'rekall'), 3)
  await t.throwsAsync(missingFrom(at('old.partial.aff4')), { message: /not in the layout of the Standard/ })
  copyFileSync(at('whole.aff4'), at('cut.aff4'))
  truncateSync(at('cut.aff4'), statSync(at('whole.aff4')).size - 100)
  await t.throwsAsync(missingFrom(at('cut.aff4')), { message: /^cut\.aff4|cannot be completed/ })
  const sealed = spawnSync(
    'bash',
    [
      '-c',
      `file-cat /etc/hostname | head -c 400 | aff4-sink --encrypt --password-fd 3 sealed.aff4 3<<< secret`,
    ],
    { cwd: folder, env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` } },
  )
  t.is(sealed.status, 3)
  await t.throwsAsync(missingFrom(at('sealed.partial.aff4')), {
    message: /cannot be completed: it is encrypted/,
  })
})

const sh = (cwd: string, script: string) =>
  spawnSync('bash', ['-c', script], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${path.resolve('bin')}:${process.env.PATH}` },
  })

test('in a pipeline: cut twice, the sink killed, put together by aff4-recover, and completed', async (t) => {
  const folder = await scratch(t)
  writeFileSync(
    path.join(folder, 'disk.img'),
    Buffer.concat([contentOf(1, 3 << 20), sample('text', 1 << 20), contentOf(4, 80 << 20)]),
  )
  const disk = 'image-cat disk.img'
  const rest = (file: string) => `${disk} | pmem-select --missing-from ${file}`
  t.is(sh(folder, `${disk} | head -c 2000000 | aff4-sink out.aff4`).status, 3)
  t.is(
    sh(folder, `${rest('out.partial.aff4')} | pmem-compress zlib | head -c 2000000 | aff4-sink out.aff4`)
      .status,
    3,
  )
  // Killed once some bevies are in the file: whoever comes then has to undo it, or make another volume of it.
  const killed = sh(
    folder,
    `mkfifo hold; ${rest('out.partial.aff4')} > rest.frames
    size() { stat -c %s out.partial.aff4; }; before=$(size)
    { head -c 45000000 rest.frames; read -r < hold; } | aff4-sink out.aff4 & sink=$!
    until [ $(size) -gt $((before + 30000000)) ]; do sleep 0.05; done; kill -9 $sink; : > hold
    rm hold rest.frames; ls`,
  )
  t.is(killed.stdout, 'disk.img\nout.partial.aff4\nout.partial.aff4.append\n')
  const refused = sh(folder, `${rest('out.partial.aff4')} | aff4-sink out.aff4`)
  t.is(refused.status, 73)
  t.regex(refused.stderr, /hint: .*aff4-recover --undo/)
  t.is(sh(folder, 'aff4-recover out.partial.aff4 again.aff4').status, 3)
  for (const [undo, file, out] of [
    ['true', 'again.aff4', 'again.aff4'],
    ['aff4-recover --undo out.partial.aff4', 'out.partial.aff4', 'out.aff4'],
  ] as const) {
    const { status, stderr } = sh(folder, `${undo}; ${rest(file)} | pmem-compress lz4 | aff4-sink ${out}`)
    t.is(status, 0, stderr)
    t.is(sh(folder, `aff4-verify ${out}`).status, 0)
    t.is(sh(folder, `aff4-cat ${out} | raw-sink -t back; cmp back disk.img; unzip -tqq ${out}`).status, 0)
  }
  t.is(
    sh(folder, 'aff4-recover out.aff4 sound.aff4; aff4-cat sound.aff4 | raw-sink -t back; cmp back disk.img')
      .status,
    0,
  )
})
