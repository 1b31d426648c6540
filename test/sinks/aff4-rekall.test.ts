import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { compress } from '../../src/codecs/codec.js'
import type { WritableCodec } from '../../src/codecs/codec-error.js'
import { listStreams, openStream } from '../../src/formats/aff4/reader.js'
import { fillSymbolic } from '../../src/formats/aff4/symbolic.js'
import { openVolumeFile } from '../../src/formats/aff4/volume-file.js'
import type { Frame } from '../../src/frames/frame.js'
import { unzipComplaints } from '../formats/aff4/python.js'
import { contentOf } from '../formats/aff4/recipe.js'
import { cut, data, fill, memory, runTool, scratch, stream, transmission } from './pipeline.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A reader of what the suite of 2015 wrote: one type a subject, no version, u32 starts, no raw chunk. */
const SCRIPT = `
import hashlib, json, re, struct, sys, zipfile, zlib
import snappy
from rdflib import Graph, RDF
AFF4 = 'http://aff4.org/Schema#'
DECODE = {'https://www.ietf.org/rfc/rfc1950.txt': zlib.decompress, 'https://github.com/google/snappy': snappy.decompress}

def read(path):
    volume = zipfile.ZipFile(path)
    assert volume.testzip() is None
    assert 'version.txt' not in volume.namelist()
    base = volume.comment.decode()
    graph = Graph()
    graph.parse(data=volume.read('information.turtle').decode(), format='turtle')
    facts = {}
    for subject, predicate, value in graph:
        facts.setdefault(str(subject), {}).setdefault(str(predicate).replace(AFF4, ''), []).append(value)
    def one(urn, term):
        values = facts[urn][term]
        assert len(values) == 1, (urn, term, values)
        return values[0]
    def member(urn):
        tail = urn[len(base) + 1:] if urn.startswith(base + '/') else urn
        tail = re.sub(r'[!$\\\\:*%?"<>|]', lambda c: '%%%02X' % ord(c.group()), tail).replace('//', '%2F%2F')
        return volume.read(tail)
    def stream(urn):
        size, chunk, per = (int(one(urn, term)) for term in ('size', 'chunk_size', 'chunks_per_segment'))
        decode, content = DECODE[str(one(urn, 'compression'))], bytearray()
        for number in range(-(-size // (chunk * per))):
            bevy = member('%s/%08d' % (urn, number))
            index = member('%s/%08d/index' % (urn, number))
            starts = [start for start, in struct.iter_unpack('<I', index)] + [len(bevy)]
            assert starts[0] == 0
            for start, end in zip(starts, starts[1:]):
                piece = decode(bevy[start:end])
                assert len(piece) == chunk
                content += piece
        assert 0 <= len(content) - size < chunk
        return content[:size]
    def mapped(urn):
        targets, content, runs = member(urn + '/idx').decode().splitlines(), bytearray(int(one(urn, 'size'))), []
        streams = {target: stream(target) for target in targets}
        for offset, at, length, target in struct.iter_unpack('<QQQI', member(urn + '/map')):
            assert at + length <= len(streams[targets[target]])
            content[offset:offset + length] = streams[targets[target]][at:at + length]
            runs.append([offset, length])
        return content, runs
    found = {}
    for urn in facts:
        types = [str(type).replace(AFF4, '') for type in facts[urn].get(str(RDF.type), [])]
        if not ({'map', 'image'} & set(types)): continue
        assert len(types) == 1, types
        content, runs = mapped(urn) if types == ['map'] else (stream(urn), None)
        found[urn[len(base) + 1:]] = {
            'type': types[0], 'size': len(content), 'sha256': hashlib.sha256(content).hexdigest(), 'runs': runs,
            'category': [str(value) for value in facts[urn].get('category', [])],
            'name': [str(value) for value in facts[urn].get('original_filename', [])],
            'hash': [str(value) for value in facts[urn].get('hash', [])],
        }
    return {'found': found, 'members': volume.namelist()}
print(json.dumps(read(sys.argv[1])))
`

interface Found {
  found: Record<
    string,
    {
      type: string
      size: number
      sha256: string
      runs: [number, number][] | null
      category: string[]
      name: string[]
      hash: string[]
    }
  >
  members: string[]
}

function readAsIn2015(t: ExecutionContext, name: string): Found {
  const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', SCRIPT, name], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  t.is(status, 0, stderr)
  t.is(unzipComplaints(name), '')
  return JSON.parse(stdout) as Found
}

/** What our reader makes of the streams on which nothing rests, by digest. */
async function readByUs(name: string): Promise<string[]> {
  const volume = await openVolumeFile(name)
  const sums: string[] = []
  for (const { urn, backing } of await listStreams([volume])) {
    if (backing || urn.endsWith('information.yaml')) continue
    const { size, read } = await openStream([volume], urn)
    sums.push(sha256(await read(0n, Number(size))))
  }
  return sums.toSorted()
}

const CHUNK = 4096

/** Frames for bytes, chunk by chunk, in the codec that they are compressed with. */
function chunks(content: Buffer, codec: WritableCodec, at = 0): Frame[] {
  const frames: Frame[] = []
  for (let done = 0; done < content.length; done += CHUNK) {
    const piece = content.subarray(done, done + CHUNK)
    const padded = Buffer.alloc(CHUNK)
    piece.copy(padded)
    const stored = codec === 'none' ? padded : compress(codec, padded)
    const raw = codec === 'none' || stored.length >= CHUNK
    frames.push(
      data(BigInt(at + done), raw ? piece : stored, {
        length: BigInt(piece.length),
        codec: raw ? 'none' : codec,
        padded: !raw && piece.length < CHUNK,
      }),
    )
  }
  return frames
}

test('memory and files come back as in 2015: zlib or snappy, never raw, holes as what they read as', async (t) => {
  const folder = await scratch(t)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<WritableCodec>('zlib', 'snappy', 'lz4', 'none'),
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom('zero', 'unreadable', 'unknown', 'byte'),
      fc.integer({ min: 1, max: 3_000_000 }),
      fc.integer({ min: 0, max: 50_000 }),
      async (codec, lengths, hole, holeLength, fileLength) => {
        const frames: Frame[] = []
        const start = 8192
        let at = start
        const size = start + lengths.reduce((sum, length) => sum + length, 0) + holeLength
        const expected = Buffer.alloc(size)
        for (const [index, length] of lengths.entries()) {
          const content = contentOf(index + length, length)
          frames.push(...chunks(content, codec, at))
          content.copy(expected, at)
          at += length
          if (index > 0) continue
          frames.push(
            fill(BigInt(at), BigInt(holeLength), hole as 'zero', hole === 'byte' ? 0x61 : undefined),
          )
          const place = expected.subarray(at, at + holeLength)
          fillSymbolic(hole === 'byte' ? 0x61 : (hole as 'zero'), BigInt(at), place)
          at += holeLength
        }
        const file = contentOf(fileLength, fileLength)
        const hash = {
          type: 'digest',
          stream: 1,
          time: 0n,
          body: { algorithm: 'sha256', value: sha256(file), covers: 'linear' },
        } as const
        const out = path.join(folder, 'out.aff4')
        const { status, stderr } = await runTool(
          'aff4-sink',
          ['-t', '--layout', 'rekall', out],
          transmission([
            ...stream(memory({ chunkSize: CHUNK }), frames),
            ...stream(
              { name: '/a file', kind: 'image', chunkSize: CHUNK },
              [...chunks(file, codec), hash],
              2,
            ),
          ]),
        )
        t.is(status, hole === 'unreadable' ? 2 : 0, stderr)
        const { found } = readAsIn2015(t, out)
        const { PhysicalMemory: map, 'a%20file': image } = found
        t.like(map, {
          type: 'map',
          size,
          sha256: sha256(expected),
          category: ['http://aff4.org/Schema#memory/physical'],
        })
        t.like(image, {
          type: 'image',
          size: fileLength,
          sha256: sha256(file),
          name: ['/a file'],
          hash: [sha256(file)],
        })
        t.deepEqual(await readByUs(out), [sha256(expected), sha256(file)].toSorted())
      },
    ),
    { numRuns: 12 },
  )
})

test('each member is where the suite of 2015 looks for it, over several bevies', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const size = 9000 * 512
  const content = contentOf(2, size)
  const frames = [data(0x1000n, content.subarray(0, 1 << 22)), data(0x100000000n, content.subarray(1 << 22))]
  const words = ['--layout', 'rekall', out]
  const { status, stderr } = await runTool(
    'aff4-sink',
    words,
    transmission(stream(memory({ chunkSize: 512 }), frames)),
  )
  t.is(status, 0, stderr)
  const volume = await openVolumeFile(out)
  t.is(volume.dialect.generation, 'pmem2015')
  t.deepEqual(
    [...volume.members.keys()],
    [
      'container.description',
      'PhysicalMemory/data/00000000/index',
      'PhysicalMemory/data/00000000',
      'PhysicalMemory/data/00000001/index',
      'PhysicalMemory/data/00000001',
      'PhysicalMemory/map',
      'PhysicalMemory/idx',
      'PhysicalMemory/information.yaml',
      'information.turtle',
    ],
  )
})

test('a volume of that layout is appended to in it, and no other', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const file = (name: string, content: string) =>
    transmission(stream({ name, kind: 'image' }, [data(0n, Buffer.from(content))]))
  t.is((await runTool('aff4-sink', ['--layout', 'rekall', out], file('/a', 'first'))).status, 0)
  const old = readFileSync(out)
  for (const words of [
    ['--layout', 'standard', out],
    ['--logical', out],
  ]) {
    const { status, stderr } = await runTool('aff4-sink', words, file('/b', 'second'))
    t.is(status, 73)
    t.regex(stderr, /file exists\nhint: its? /)
    t.deepEqual(readFileSync(out), old)
  }
  for (const words of [[out], ['--layout', 'rekall', out]])
    t.is((await runTool('aff4-sink', words, file('/b', 'second'))).status, 0)
  t.true(readFileSync(out).subarray(0, old.length).equals(old))
  const { found } = readAsIn2015(t, out)
  t.deepEqual(
    Object.values(found)
      .map(({ name }) => name[0])
      .toSorted(),
    ['/a', '/b', '/b'],
  )
  const standard = path.join(path.dirname(out), 'standard.aff4')
  t.is((await runTool('aff4-sink', [standard], file('/a', 'first'))).status, 0)
  t.is((await runTool('aff4-sink', ['--layout', 'rekall', standard], file('/b', 'x'))).status, 73)
  t.is((await runTool('aff4-sink', ['--layout', 'rekall', '--logical', out], file('/b', 'x'))).status, 64)
  t.is(
    (await runTool('aff4-sink', ['--layout', 'rekall', '--block-hashes', out], file('/b', 'x'))).status,
    64,
  )
  t.is((await runTool('aff4-sink', ['--layout', 'raw', out], file('/b', 'x'))).status, 64)
})

test('what came of a cut stream is there, labelled, and what did not come is a hole', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const content = contentOf(1, 100_000)
  const body = memory({ size: '0x100000', ranges: [['0x0', '0x100000']] })
  const { status } = await runTool('aff4-sink', ['--layout', 'rekall', out], cut(body, [data(0n, content)]))
  t.is(status, 3)
  const partial = out.replace('.aff4', '.partial.aff4')
  const { found } = readAsIn2015(t, partial)
  // The frame before the cut counts only once a header follows it.
  t.true(found.PhysicalMemory!.size <= content.length)
  const { graph, urn } = await openVolumeFile(partial)
  t.truthy(graph.value(`${urn}/PhysicalMemory`, 'https://pmem.dev/ns#incomplete'))
})

test('a hole that no map of that time can hold is refused, one of zeros stays a hole', async (t) => {
  const out = path.join(await scratch(t), 'out.aff4')
  const frames = (kind: 'zero' | 'unreadable') =>
    transmission(
      stream(memory(), [
        data(0n, Buffer.alloc(9, 'x')),
        fill(4096n, 1n << 50n, kind),
        data(1n << 51n, Buffer.of(1)),
      ]),
    )
  const words = ['-t', '--layout', 'rekall', out]
  const refused = await runTool('aff4-sink', words, frames('unreadable'))
  t.is(refused.status, 65)
  t.regex(refused.stderr, /a hole of 0x4000000000000 bytes/)
  t.is((await runTool('aff4-sink', words, frames('zero'))).status, 0)
  const volume = await openVolumeFile(out)
  const { runs } = await openStream([volume], `${volume.urn}/PhysicalMemory`)
  t.deepEqual(runs, [
    { start: 0n, length: 9n },
    { start: 1n << 51n, length: 1n },
  ])
  writeFileSync(out, '')
})
