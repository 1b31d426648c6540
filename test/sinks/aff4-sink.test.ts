import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { deflateRawSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { compress } from '../../src/codecs/codec.js'
import type { WritableCodec } from '../../src/codecs/codec-error.js'
import type { SymbolicContent } from '../../src/formats/aff4/symbolic.js'
import { decode } from '../../src/frames/decode.js'
import { createEncoder } from '../../src/frames/encode.js'
import type { Frame } from '../../src/frames/frame.js'
import {
  type PythonObject,
  type PythonVolume,
  readWithPython,
  unzipComplaints,
} from '../formats/aff4/python.js'
import { contentOf, expectedBytes, type Range } from '../formats/aff4/recipe.js'
import { bytesInput } from '../frames/support.js'
import { cut, data, fill, hex, memory, ranges, runTool, scratch, stream, transmission } from './pipeline.js'

const AFF4 = 'http://aff4.org/Schema#'
const PMEM = 'https://pmem.dev/ns#'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** The one volume at a path, read by Python and found whole by unzip. */
function read(t: ExecutionContext, file: string, content = true): PythonVolume {
  t.is(unzipComplaints(file), '')
  return readWithPython([file], content)[0]!
}

function only(volume: PythonVolume, type: string): [string, PythonObject] {
  const found = Object.entries(volume.objects).filter(([, { types }]) => types.includes(type))
  if (found.length !== 1) throw new Error(`${found.length} objects are ${type}`)
  return found[0]!
}

const BODY = memory({ size: hex(0x9000), ranges: ranges([0x1000n, 0x5000n], [0x7000n, 0x2000n]) })
const RANGES: Range[] = [
  { offset: 0x1000, length: 0x1800, content: 'bytes', seed: 1 },
  { offset: 0x2800, length: 0x800, content: 'zero', seed: 0 },
  { offset: 0x3000, length: 0x1000, content: 'unreadable', seed: 0 },
  { offset: 0x4000, length: 0x1000, content: 0x55, seed: 0 },
  { offset: 0x5000, length: 0x1000, content: 'unknown', seed: 0 },
  { offset: 0x7000, length: 0x2000, content: 'bytes', seed: 3 },
]

function framesOf(list: readonly Range[]): Frame[] {
  return list.map(({ offset, length, content, seed }) =>
    content === 'bytes'
      ? data(BigInt(offset), contentOf(seed, length))
      : typeof content === 'number'
        ? fill(BigInt(offset), BigInt(length), 'byte', content)
        : fill(BigInt(offset), BigInt(length), content as Exclude<SymbolicContent, number>),
  )
}

const meta = (turtle: string, id = 1): Frame => ({ type: 'meta', stream: id, time: 0n, turtle })
const PREFIXES = `@prefix aff4: <${AFF4}> . @prefix pmem: <${PMEM}> . `

test('a memory becomes image, map and stream, its helper files members, and every fact is kept', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const expected = expectedBytes(RANGES)
  const note = {
    level: 'warning',
    program: 'pmem-read',
    message: 'unreadable: EIO',
    offset: '0x3000',
    length: '0x1000',
  } as const
  const digest = { algorithm: 'sha256', value: sha256(expected), covers: 'linear' } as const
  const partly = { algorithm: 'md5', value: '0'.repeat(32), covers: 'ranges' } as const
  const symbols = Buffer.alloc(300_000, 'ffffffff81000000 T startup_64\n')
  const large = contentOf(1, 3 << 20)
  const { status, stderr } = await runTool(
    'aff4-sink',
    [out],
    transmission([
      meta(`${PREFIXES} <> pmem:caseNumber "42" .`, 0),
      ...stream({ ...BODY, properties: { flavour: 'best' } }, [
        meta(`${PREFIXES} <> a aff4:MemoryImage, pmem:Odd ; aff4:memoryPageTableEntryOffset 1744832 ;
          pmem:kernelRelease "6.1.0" ; aff4:size 5 ; aff4:stored <aff4://other> ; aff4:hash "00"^^aff4:MD5 .`),
        ...framesOf(RANGES),
        { type: 'note', stream: 1, time: 0n, body: note },
        { type: 'digest', stream: 1, time: 0n, body: digest },
        { type: 'digest', stream: 1, time: 0n, body: partly },
      ]),
      ...stream({ name: '/proc/kallsyms', kind: 'image' }, [data(0n, symbols)], 2),
      ...stream({ name: '/boot/System.map', kind: 'image' }, [data(0n, large)], 3),
      ...stream({ name: '/empty', kind: 'image', size: '0x0' }, [], 4),
      ...stream({ name: '/etc', kind: 'folder' }, [], 5),
      ...stream({ name: '/lib', kind: 'link', properties: { target: 'usr/lib' } }, [], 6),
    ]),
  )
  t.is(status, 2, stderr)
  t.is(statSync(out).mode & 0o777, 0o600)

  const volume = read(t, out)
  const { properties, urn } = volume
  const [image, { types, dataStream }] = only(volume, 'Image')
  t.deepEqual(types, ['DiscontiguousImage', 'Image', 'MemoryImage', `${PMEM}Odd`])
  const map = dataStream!
  t.is(volume.objects[map]!.sha256, sha256(expected))
  t.is(volume.objects[map]!.hashes, 1)
  t.deepEqual(properties[map]![`${AFF4}category`], [`${AFF4}memory/physical`])
  t.is(properties[image]![`${AFF4}category`], undefined)
  t.deepEqual(properties[map]![`${PMEM}rangesHash`], [partly.value])
  const facts = properties[image]!
  t.deepEqual(facts[`${AFF4}memoryPageTableEntryOffset`], ['1744832'])
  t.deepEqual(facts[`${AFF4}size`], ['36864'])
  t.deepEqual(facts[`${AFF4}stored`], [urn])
  t.is(facts[`${AFF4}hash`], undefined)
  t.deepEqual(facts[`${PMEM}flavour`], ['best'])
  t.deepEqual(facts[`${AFF4}originalFileName`], ['PhysicalMemory'])
  t.deepEqual(facts[`${AFF4}acquisitionCompletionState`], ['Completed Normally'])
  t.deepEqual(properties[urn]![`${PMEM}caseNumber`], ['42'])
  t.deepEqual(properties[urn]![`${PMEM}status`], ['complete'])

  const by = (predicate: string, value: string) =>
    Object.values(properties).filter((one) => one[predicate]?.includes(value))
  const [told] = by(`${PMEM}message`, note.message)
  t.deepEqual(told![`${AFF4}target`], [image])
  t.deepEqual(told![`${PMEM}offset`], ['0x3000'])
  t.deepEqual(
    ['test-source', 'aff4-sink'].map((name) => by(`${PMEM}name`, name).map((one) => one[`${PMEM}position`])),
    [[['0']], [['1']]],
  )

  const file = (name: string) => volume.objects[`${urn}/${name}`]!
  t.deepEqual(file('proc/kallsyms').types, ['FileImage', 'ZipSegment'])
  t.is(file('proc/kallsyms').sha256, sha256(symbols))
  t.is(file('empty').size, 0)
  const [largeFile] = by(`${AFF4}originalFileName`, '/boot/System.map')
  t.is(volume.objects[largeFile![`${AFF4}dataStream`]![0]!]!.sha256, sha256(large))
  t.is(by(`${AFF4}originalFileName`, '/etc').length, 1)
  t.deepEqual(by(`${AFF4}originalFileName`, '/lib')[0]![`${PMEM}target`], ['usr/lib'])

  const yaml = `${map.replace('aff4://', 'aff4%3A%2F%2F')}/information.yaml`
  t.true(volume.members.includes(yaml))
})

test('information.yaml says what Rekall reads of it, in numbers of any size', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const far = 1n << 60n
  const { status } = await runTool(
    'aff4-sink',
    [out],
    transmission(
      stream(memory(), [
        meta(
          `${PREFIXES} <> aff4:memoryPageTableEntryOffset 9007199254740993 ; pmem:kernelRelease "6.1: #1" .`,
        ),
        data(0x1000n, Buffer.alloc(4096, 'a')),
        fill(far, 0x1000n, 'zero'),
      ]),
    ),
  )
  t.is(status, 0)
  const script = `
import json, sys, yaml, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps(yaml.safe_load(z.read(next(n for n in z.namelist() if n.endswith('/information.yaml')))), default=str))`
  const { stdout } = await runPython(script, out)
  const info = stdout.replace(/(\d{16,})/g, '"$1"')
  t.like(JSON.parse(info), {
    Registers: { CR3: '9007199254740993' },
    kernel_version: '6.1: #1',
    Runs: [
      { start: 4096, length: 4096 },
      { start: String(far), length: 4096 },
    ],
  })
})

const runPython = (script: string, file: string) =>
  promisify(execFile)('/usr/bin/python3', ['-c', script, file], { encoding: 'utf8' })

interface Piece {
  length: number
  codec: WritableCodec | 'deflate'
  padded: boolean
  seed: number
}

const pieces: fc.Arbitrary<{ chunkSize: number | undefined; list: Piece[] }> = fc.record({
  chunkSize: fc.constantFrom(undefined, 512, 4096, 32768),
  list: fc.array(
    fc.record({
      length: fc.integer({ min: 1, max: 20_000 }),
      codec: fc.constantFrom<Piece['codec']>('none', 'zlib', 'snappy', 'lz4', 'deflate'),
      padded: fc.boolean(),
      seed: fc.integer({ min: 0, max: 9 }),
    }),
    { minLength: 1, maxLength: 12 },
  ),
})

/** A frame as any filter may have made it: chunk or not, padded or not, of any codec. */
function frameOf(piece: Piece, chunkSize: number | undefined, offset: bigint): [Frame, Buffer] {
  const length = Math.min(piece.length, chunkSize ?? piece.length)
  const content = contentOf(piece.seed, length)
  const padded = piece.padded && chunkSize !== undefined && length < chunkSize
  const whole = padded ? Buffer.concat([content, Buffer.alloc(chunkSize - length)]) : content
  const payload = piece.codec === 'deflate' ? deflateRawSync(whole) : compress(piece.codec, whole)
  return [data(offset, payload, { length: BigInt(length), codec: piece.codec, padded }), content]
}

test('frames of any codec, chunked or not, mixed within a stream, are stored to the byte', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const samples = fc.sample(pieces, { numRuns: 60, seed: 5 })
  const expected = new Map<string, string>()
  const frames = samples.flatMap(({ chunkSize, list }, index) => {
    let at = 0x1000n
    const contents: Buffer[] = [Buffer.alloc(0x1000)]
    const made = list.map((piece): Frame => {
      const [frame, content] = frameOf(piece, chunkSize, at)
      contents.push(content)
      at += BigInt(content.length)
      return frame
    })
    const name = `map ${index}`
    expected.set(name, sha256(Buffer.concat(contents)))
    return stream(memory({ name, ...(chunkSize && { chunkSize }) }), made, index + 1)
  })
  const { status, stderr } = await runTool('aff4-sink', ['--block-hashes', out], transmission(frames))
  t.is(status, 0, stderr)
  const volume = read(t, out)
  for (const [name, digest] of expected) {
    const [image] = Object.values(volume.properties).filter((one) =>
      one[`${AFF4}originalFileName`]?.includes(name),
    )
    t.is(volume.objects[image![`${AFF4}dataStream`]![0]!]!.sha256, digest, name)
  }
})

test('a compressed chunk is stored as it came, and its codec named', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const chunk = Buffer.alloc(4096, 'text ')
  for (const [codec, method] of [
    ['zlib', 'https://www.ietf.org/rfc/rfc1950.txt'],
    ['snappy', 'http://code.google.com/p/snappy/'],
    ['lz4', 'https://code.google.com/p/lz4/'],
    ['none', `${AFF4}NullCompressor`],
  ] as const) {
    const payload = compress(codec, chunk)
    const frame = data(0n, payload, { codec, length: 4096n })
    const { status } = await runTool(
      'aff4-sink',
      ['-t', out],
      transmission(stream(memory({ chunkSize: 4096 }), [frame])),
    )
    t.is(status, 0)
    const volume = read(t, out)
    const [urn] = only(volume, 'ImageStream')
    t.deepEqual(volume.properties[urn]![`${AFF4}compressionMethod`], [method])
    const { stdout } = await runPython(
      `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(z.read(next(n for n in z.namelist() if n.endswith('/00000000'))).hex())`,
      out,
    )
    t.is(stdout.trim(), Buffer.from(payload).toString('hex'))
  }
})

test('an empty image, a map of holes, 70,000 ranges and ranges beyond 2^52 are volumes like others', async (t) => {
  const folder = await scratch(t)
  const out = (name: string) => path.join(folder, `${name}.aff4`)
  const many = Array.from({ length: 70_000 }, (_, i) => data(BigInt(i) * 0x2000n, Buffer.alloc(16, i)))
  const far = 1n << 52n
  const cases: [string, Buffer][] = [
    ['disk', transmission(stream({ name: 'sda', kind: 'image', category: 'disk:raw', size: '0x0' }, []))],
    ['holes', transmission(stream(memory(), [fill(0x1000n, 1n << 40n, 'zero')]))],
    ['many', transmission(stream(memory(), many))],
    ['far', transmission(stream(memory(), [data(far, Buffer.alloc(4096, 'x'))]))],
  ]
  for (const [name, input] of cases) {
    const { status, stderr } = await runTool('aff4-sink', [out(name)], input)
    t.is(status, 0, stderr)
  }
  const volumes = cases.map(([name]) => read(t, out(name), false))
  const [disk, holes, thousands, distant] = volumes.map((volume) => only(volume, 'Map')[1].entries!)
  t.deepEqual(disk, [])
  t.true(only(volumes[0]!, 'Image')[1].types.includes('DiskImage'))
  t.deepEqual(holes, [['4096', String(1n << 40n), '4096', `${AFF4}Zero`]])
  t.is(thousands!.length, 70_000)
  t.deepEqual(thousands!.at(-1)!.slice(0, 3), [String(69_999 * 0x2000), '16', String(69_999 * 16)])
  t.deepEqual(
    distant!.map(([offset, length]) => [offset, length]),
    [[String(far), '4096']],
  )
})

test('a stream whose size reaches beyond its bytes is as long as it says', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const body = { name: 'sda', kind: 'image', category: 'disk:raw', size: '0x4000' } as const
  const { status } = await runTool(
    'aff4-sink',
    [out],
    transmission(stream(body, [data(0n, contentOf(1, 0x1000))])),
  )
  t.is(status, 0)
  const [, { size, sha256: digest }] = only(read(t, out), 'Map')
  t.is(size, 0x4000)
  t.is(digest, sha256(Buffer.concat([contentOf(1, 0x1000), Buffer.alloc(0x3000)])))
})

test('input that was cut, interrupted or failed gives a labelled volume, with what did not come as unknown', async (t) => {
  const folder = await scratch(t)
  const came = RANGES.slice(0, 3)
  const body = { ...BODY, ordered: true }
  const failed: Frame = {
    type: 'close',
    stream: 1,
    time: 0n,
    body: { status: 'interrupted', error: 'SIGINT', bytes: 0 },
  }
  const inputs: [string, Buffer, string][] = [
    // The last frame of a cut input never counts.
    ['cut', cut(body, framesOf(RANGES.slice(0, 4))), 'truncated'],
    [
      'interrupted',
      transmission([...stream(body, framesOf(came)).slice(0, -1), failed], 'interrupted'),
      'interrupted',
    ],
    ['failed', transmission([...stream(body, framesOf(came)).slice(0, -1), failed], 'failed'), 'failed'],
  ]
  const expected = expectedBytes([
    ...came,
    { offset: 0x4000, length: 0x2000, content: 'unknown', seed: 0 },
    { offset: 0x7000, length: 0x2000, content: 'unknown', seed: 0 },
  ])
  for (const [name, input, label] of inputs) {
    const { status, stderr } = await runTool('aff4-sink', [path.join(folder, `${name}.aff4`)], input)
    t.is(status, 3, stderr)
    t.deepEqual(
      readdirSync(folder).filter((file) => file.startsWith(name)),
      [`${name}.partial.aff4`],
    )
    const volume = read(t, path.join(folder, `${name}.partial.aff4`))
    const [image, { dataStream }] = only(volume, 'Image')
    t.is(volume.objects[dataStream!]!.sha256, sha256(expected))
    const state = volume.properties[image]![`${AFF4}acquisitionCompletionState`]
    t.is(state?.length, 1)
    t.not(state![0], 'Completed Normally')
    t.deepEqual(volume.properties[volume.urn]![`${PMEM}status`], [label])
  }
})

test('what the disk has lost of what was written is told inside, too', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.aff4')
  const partial = path.join(folder, 'out.partial.aff4')
  const inject = 'inject=fsync:error=EIO:when=1'
  const prefix = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', partial, '-e', inject]
  const { status, stderr } = await runTool('aff4-sink', [out], transmission(stream(BODY, framesOf(RANGES))), {
    prefix,
  })
  t.is(status, 74, stderr)
  const volume = read(t, partial)
  t.regex(volume.properties[volume.urn]![`${PMEM}incomplete`]![0]!, /^failed: .*input\/output error/)
})

test('streams that came whole before the input was cut say so', async (t) => {
  const folder = await scratch(t)
  const whole = transmission(stream(BODY, framesOf(RANGES)))
  const { status } = await runTool(
    'aff4-sink',
    [path.join(folder, 'out.aff4')],
    Buffer.concat([
      whole,
      cut({ name: '/big', kind: 'image' }, [data(0n, Buffer.alloc(9)), data(9n, Buffer.alloc(9))]),
    ]),
  )
  t.is(status, 3)
  const volume = read(t, path.join(folder, 'out.partial.aff4'))
  const [image] = only(volume, 'Image')
  t.deepEqual(volume.properties[image]![`${AFF4}acquisitionCompletionState`], ['Completed Normally'])
  const file = volume.properties[`${volume.urn}/big`]!
  t.not(file[`${AFF4}acquisitionCompletionState`]![0], 'Completed Normally')
})

test('several transmissions go into one volume, and --expect misses one that did not come', async (t) => {
  const folder = await scratch(t)
  const out = path.join(folder, 'out.aff4')
  const memoryFirst = transmission(stream(BODY, framesOf(RANGES)))
  const fileNext = transmission(stream({ name: '/a', kind: 'image' }, [data(0n, Buffer.from('a'))]))
  const both = Buffer.concat([fileNext, memoryFirst])
  t.is((await runTool('aff4-sink', ['--expect', '2', out], both)).status, 2)
  const volume = read(t, out)
  t.true(only(volume, 'Image')[1].types.includes('MemoryImage'))
  t.truthy(volume.objects[`${volume.urn}/a`])
  t.is((await runTool('aff4-sink', ['-t', '--expect', '3', out], both)).status, 3)
})

test('two memories in one volume are both there, and one of them is the image', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const frames = [
    ...stream(memory({ name: 'first' }), [data(0n, contentOf(1, 5000))]),
    ...stream(memory({ name: 'second', category: 'memory:virtual' }), [data(0n, contentOf(2, 5000))], 2),
  ]
  t.is((await runTool('aff4-sink', [out], transmission(frames))).status, 0)
  const volume = read(t, out)
  const [image] = only(volume, 'Image')
  t.deepEqual(volume.properties[image]![`${AFF4}originalFileName`], ['first'])
  const maps = Object.values(volume.objects).filter(({ types }) => types.includes('Map'))
  t.deepEqual(
    maps.map((map) => map.sha256).sort(),
    [contentOf(1, 5000), contentOf(2, 5000)].map(sha256).sort(),
  )
})

test('files of the same name, or of the name of a member of the volume, do not collide', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const names = ['/x', '/x', 'x', 'version.txt', 'information.turtle', '../../etc/passwd', 'C:\\x']
  const frames = names.flatMap((name, index) =>
    stream({ name, kind: 'image' }, [data(0n, Buffer.from(`${index}`))], index + 1),
  )
  t.is((await runTool('aff4-sink', [out], transmission(frames))).status, 0)
  const volume = read(t, out)
  const files = Object.values(volume.objects).filter(({ types }) => types.includes('ZipSegment'))
  t.deepEqual(
    files.map((file) => file.sha256).sort(),
    names.map((_, index) => sha256(Buffer.from(`${index}`))).sort(),
  )
  t.true(volume.members.includes('etc/passwd'))
  t.false(volume.members.some((name) => name.includes('..') || name.startsWith('/')))
})

test('ranges that come twice are refused by address, and the volume is kept and opens', async (t) => {
  const folder = await scratch(t)
  const body = memory({ ordered: false })
  const frames = [
    data(0x4000n, contentOf(1, 0x1000)),
    data(0x1000n, contentOf(2, 0x1000)),
    data(0x4800n, contentOf(4, 0x1000)),
  ]
  const { status, stderr } = await runTool(
    'aff4-sink',
    [path.join(folder, 'out.aff4')],
    transmission(stream(body, frames)),
  )
  t.is(status, 65)
  t.regex(stderr, /PhysicalMemory: a range came twice at 0x4800/)
  const volume = read(t, path.join(folder, 'out.partial.aff4'))
  const [image] = only(volume, 'Image')
  t.not(volume.properties[image]![`${AFF4}acquisitionCompletionState`]![0], 'Completed Normally')
})

test('ranges that come in any order are written in theirs', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const frames = framesOf(RANGES).reverse()
  t.is(
    (await runTool('aff4-sink', [out], transmission(stream({ ...BODY, ordered: false }, frames)))).status,
    2,
  )
  t.is(only(read(t, out), 'Map')[1].sha256, sha256(expectedBytes(RANGES)))
})

test('a payload that is not what its sender summed stops the sink, and what came before is kept', async (t) => {
  const folder = await scratch(t)
  const [good, bad] = [contentOf(1, 4096), Buffer.alloc(4096, 'b')]
  for (const codec of ['none', 'zlib'] as const) {
    const stored = compress(codec, bad)
    const chunk = data(0x2000n, stored, { codec, length: 4096n })
    const input = transmission(stream(memory({ chunkSize: 4096 }), [data(0x1000n, good), chunk]))
    // Changes one byte of the second payload behind its CRC.
    const frames: Frame[] = []
    for await (const batch of decode(bytesInput(input))) frames.push(...batch)
    const bare = frames.map(({ raw: _, ...frame }) => frame as Frame)
    const summed = Buffer.concat(createEncoder(true).encode(bare))
    summed[summed.indexOf(stored) + 10]! ^= 1
    const words = ['-t', '--block-hashes', path.join(folder, 'out.aff4')]
    const { status, stderr } = await runTool('aff4-sink', words, summed)
    t.is(status, 65)
    t.regex(stderr, /CRC does not match.*0x2000/)
    const [, map] = only(read(t, path.join(folder, 'out.partial.aff4')), 'Map')
    t.is(map.sha256, sha256(Buffer.concat([Buffer.alloc(4096), good])))
  }
})

test('META that is no Turtle is kept as it came, and the evidence with it', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const { status, stderr } = await runTool(
    'aff4-sink',
    [out],
    transmission(stream(memory(), [meta('<> broken "'), data(0n, Buffer.alloc(9, 'x'))])),
  )
  t.is(status, 0)
  t.regex(stderr, /META of aff4:\/\/.*line 1/)
  const volume = read(t, out)
  t.deepEqual(volume.properties[only(volume, 'Image')[0]]![`${PMEM}unreadableFacts`], ['<> broken "'])
})

test('an existing volume is refused without -t, and replaced with it', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  writeFileSync(out, 'old')
  const input = transmission(stream(BODY, framesOf(RANGES)))
  const refused = await runTool('aff4-sink', [out], input)
  t.is(refused.status, 73)
  t.regex(refused.stderr, /out\.aff4: file exists\nhint: /)
  t.is((await runTool('aff4-sink', ['-t', out], input)).status, 2)
  t.is(only(read(t, out), 'Map')[1].sha256, sha256(expectedBytes(RANGES)))
})

test('a volume written to a pipe is the same as one written to a file', async (t) => {
  const out = path.join(await scratch(t), 'piped.aff4')
  const { status, stdout } = await runTool('aff4-sink', ['-'], transmission(stream(BODY, framesOf(RANGES))))
  t.is(status, 2)
  writeFileSync(out, stdout)
  t.is(only(read(t, out), 'Map')[1].sha256, sha256(expectedBytes(RANGES)))
})

/** Runs aff4-sink on a file system of so many bytes, and takes out what it leaves there. */
async function onSmallDisk(t: ExecutionContext, size: string, input: () => Iterable<Buffer>) {
  const folder = await scratch(t)
  const disk = path.join(folder, 'disk')
  mkdirSync(disk)
  const script = `mount -t tmpfs -o size=${size} tmpfs '${disk}' || exit 99
status=0; "$@" || status=$?; cp -- '${disk}'/* '${folder}'; exit $status`
  const out = path.join(disk, 'out.aff4')
  const prefix = ['unshare', '--map-root-user', '--mount', 'bash', '-c', script, 'small']
  const result = await runTool('aff4-sink', ['--ignore-space', out], input(), { prefix })
  return { ...result, partial: path.join(folder, 'out.partial.aff4') }
}

test('when the disk is full, everything before the failed write opens, whatever comes first: bytes or map', async (t) => {
  const chunk = (seed: number) => contentOf(3 * seed + 1, 1 << 20)
  const body = memory({ chunkSize: 512, ranges: ranges([0n, 64n << 20n]) })
  function* bytes(): Generator<Buffer> {
    yield transmission(
      stream(
        body,
        Array.from({ length: 40 }, (_, i) => data(BigInt(i) << 20n, chunk(i))),
      ),
    )
  }
  function* holes(): Generator<Buffer> {
    const frames = [
      data(0n, chunk(0)),
      data(1n << 20n, chunk(1)),
      data(2n << 20n, chunk(2)),
      data(3n << 20n, chunk(3)),
    ]
    for (let i = 0n; i < 600_000n; i++) frames.push(data((4n << 20n) + 2n * i, Buffer.of(1)))
    yield transmission(stream({ ...body, ranges: ranges([0n, 8n << 20n]) }, frames))
  }
  for (const [size, input, least] of [
    ['18M', bytes, 8 << 20],
    ['12M', holes, 4 << 20],
  ] as const) {
    const { status, stderr, partial } = await onSmallDisk(t, size, input)
    t.is(status, 74, stderr)
    t.regex(stderr, /out\.partial\.aff4: no space left on device/)
    const volume = read(t, partial)
    const [image, { dataStream }] = only(volume, 'Image')
    const map = volume.objects[dataStream!]!
    let stored = 0
    for (const [offset, length, , target] of map.entries!)
      if (target.startsWith(AFF4)) t.is(target, `${AFF4}UnknownData`, offset)
      else stored += Number(length)
    t.true(stored >= least, `${stored} bytes stored`)
    t.not(volume.properties[image]![`${AFF4}acquisitionCompletionState`]![0], 'Completed Normally')
    t.deepEqual(volume.properties[dataStream!]![`${AFF4}category`], [`${AFF4}memory/physical`])
    const [start, length] = map.entries![0]!
    t.is(start, '0')
    t.true(Number(length) >= least)
  }
})
