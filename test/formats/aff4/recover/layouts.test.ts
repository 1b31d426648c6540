import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { crc32, deflateSync } from 'node:zlib'
import test from 'ava'
import { compress } from '../../../../src/codecs/codec.js'
import { aff4, digestLiteral, int, iri, long, RDF_TYPE } from '../../../../src/formats/aff4/lexicon.js'
import { createVolume } from '../../../../src/formats/aff4/writer.js'
import { createZipWriter } from '../../../../src/formats/aff4/zip/writer.js'
import { packageFile } from '../../../frames/support.js'
import { bufferSink } from '../../buffer-sink.js'
import { contentOf } from '../recipe.js'
import { readStream, recoverBytes } from './recovering.js'

const VOLUME = 'aff4://81c68412-ab86-42b0-a456-8e6340b5671b'
const CHUNK = 4096

/** A volume as the suite of 2015 wrote them: a memory, and a file whose last chunk is short. */
async function suiteOf2015() {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const member = (name: string, content: string | Buffer) =>
    zip.write({ name, pieces: [Buffer.from(content)] })
  const stream = async (name: string, content: Buffer) => {
    const chunks = Array.from({ length: Math.ceil(content.length / CHUNK) }, (_, index) =>
      Buffer.from(compress('zlib', content.subarray(index * CHUNK, (index + 1) * CHUNK))),
    )
    const starts = Buffer.alloc(4 * chunks.length)
    for (let index = 1, at = 0; index < chunks.length; index++) {
      at += chunks[index - 1]!.length
      starts.writeUInt32LE(at, 4 * index)
    }
    await member(`${name}/00000000`, Buffer.concat(chunks))
    await member(`${name}/00000000/index`, starts)
  }
  const memory = Buffer.concat([contentOf(1, 5 * CHUNK), contentOf(3, 5 * CHUNK)])
  const file = contentOf(4, 3 * CHUNK + 123)
  await member('container.description', VOLUME)
  await stream('PhysicalMemory/data', memory)
  const entries = Buffer.alloc(2 * 28)
  for (const [index, [offset, target, length]] of [
    [CHUNK, 0, 4 * CHUNK],
    [20 * CHUNK, 4 * CHUNK, 6 * CHUNK],
  ].entries()) {
    entries.writeBigUInt64LE(BigInt(offset!), 28 * index)
    entries.writeBigUInt64LE(BigInt(target!), 28 * index + 8)
    entries.writeBigUInt64LE(BigInt(length!), 28 * index + 16)
  }
  await member('PhysicalMemory/map', entries)
  await member('PhysicalMemory/idx', `${VOLUME}/PhysicalMemory/data`)
  await stream('fcat.exe', file)
  const described = sink.bytes().length
  await member(
    'information.turtle',
    `@base <${VOLUME}> .
@prefix aff4: <http://aff4.org/Schema#> .
</PhysicalMemory> a aff4:map ; aff4:category <http://aff4.org/Schema#memory/physical> ; aff4:stored <> .
</PhysicalMemory/data> a aff4:image ; aff4:chunk_size ${CHUNK} ; aff4:chunks_per_segment 1024 ; aff4:size ${10 * CHUNK} ;
  aff4:compression <https://www.ietf.org/rfc/rfc1950.txt> ; aff4:stored <> .
</fcat.exe> a aff4:image ; aff4:chunk_size ${CHUNK} ; aff4:chunks_per_segment 1024 ; aff4:size ${file.length} ;
  aff4:compression <https://www.ietf.org/rfc/rfc1950.txt> ; aff4:original_filename "fcat.exe" ; aff4:stored <> .
`,
  )
  const expected = Buffer.alloc(26 * CHUNK)
  memory.copy(expected, CHUNK, 0, 4 * CHUNK)
  memory.copy(expected, 20 * CHUNK, 4 * CHUNK)
  return { bytes: sink.bytes(), described, expected, file }
}

test('a volume of the suite of 2015 becomes one of the Standard, also when its end or its turtle is lost', async (t) => {
  const { bytes, described, expected, file } = await suiteOf2015()
  const { recovery, volume } = (await recoverBytes(bytes))!
  t.true(recovery.complete)
  t.is(volume.dialect.generation, 'standard')
  t.true((await readStream(volume, `${VOLUME}/PhysicalMemory`)).equals(expected))
  t.true((await readStream(volume, `${VOLUME}/fcat.exe`)).equals(file))
  t.true(volume.graph.isA(`${VOLUME}/PhysicalMemory`, aff4('MemoryImage')))
  const [memory] = recovery.objects
  t.is(memory!.name, 'PhysicalMemory')

  const without = (await recoverBytes(bytes.subarray(0, described)))!
  t.false(without.recovery.complete)
  const [map, stream] = without.recovery.objects
  t.true((await readStream(without.volume, map!.urn)).equals(expected))
  // Its size was only in the turtle.
  t.true((await readStream(without.volume, stream!.urn)).subarray(0, file.length).equals(file))
})

test('a stream that is a file, as AFF4-L has them, stays one, or gets a map over its holes', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test', minor: 1 })
  const urn = `${volume.urn}//cases/large.bin`
  const content = contentOf(2, 30 * CHUNK - 1000)
  const stream = volume.imageStream({ urn, chunkSize: CHUNK, chunksPerBevy: 7 })
  for (let at = 0; at < content.length; ) {
    if (stream.full) await stream.flush()
    at += stream.append(content.subarray(at))
  }
  await stream.close(BigInt(content.length))
  volume.declare(urn, 'FileImage', 'Image')
  volume.graph.add(urn, aff4('hash'), digestLiteral('MD5', 'd41d8cd98f00b204e9800998ecf8427e'))
  await volume.finish()
  const bytes = sink.bytes()

  const whole = (await recoverBytes(bytes.subarray(0, -50)))!
  t.true(whole.recovery.complete)
  t.is(whole.volume.version?.minor, 1)
  t.true((await readStream(whole.volume, urn)).equals(content))
  t.true(whole.volume.graph.isA(urn, aff4('ImageStream')))
  t.is(whole.volume.graph.value(urn, aff4('hash')), 'd41d8cd98f00b204e9800998ecf8427e')

  const damaged = Buffer.from(bytes)
  damaged.fill(0, bytes.indexOf('PK\x03\x04', 60_000), bytes.indexOf('PK\x03\x04', 60_000) + 30_000)
  const holed = (await recoverBytes(damaged))!
  const [object] = holed.recovery.objects
  t.is(object!.urn, urn)
  t.true(object!.lost.length > 0)
  const got = await readStream(holed.volume, urn)
  for (const { start, length } of object!.lost)
    content.copy(got, Number(start), Number(start), Number(start + length))
  t.true(got.equals(content))
  t.is(holed.volume.graph.value(urn, aff4('hash')), undefined)
})

test('maps that share a stream or point to a file, and images that share a map, stay so', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const file = `${volume.urn}/first.txt`
  const [one, two, three] = ['one', 'two', 'three'].map((name) => `${volume.urn}/${name}`)
  await volume.segment(file, contentOf(1, 5000))
  volume.declare(file, 'FileImage', 'ZipSegment')
  const content = contentOf(2, 8 * CHUNK)
  const first = volume.map({ image: one! })
  const stream = volume.imageStream({ chunkSize: CHUNK, chunksPerBevy: 3 }, first)
  for (let at = 0; at < content.length; ) {
    if (stream.full) await stream.flush()
    at += stream.append(content.subarray(at))
  }
  first.add({ offset: 0n, length: BigInt(content.length), targetOffset: 0n, target: stream.urn })
  const second = volume.map({ image: two! })
  second.add({ offset: 0n, length: 5000n, targetOffset: 0n, target: file })
  second.add({ offset: 5000n, length: 5000n, targetOffset: 12_345n, target: stream.urn })
  await first.close()
  await second.close()
  for (const urn of [one, two, three]) volume.declare(urn!, 'FileImage')
  volume.graph.add(three!, aff4('dataStream'), iri(second.urn))
  volume.graph.add(three!, aff4('size'), long(10_000n))
  await volume.finish()
  const expected = Buffer.concat([contentOf(1, 5000), content.subarray(12_345, 17_345)])

  const whole = (await recoverBytes(sink.bytes().subarray(0, -50)))!
  t.true(whole.recovery.complete)
  t.true((await readStream(whole.volume, one!)).equals(content))
  for (const urn of [two, three]) t.true((await readStream(whole.volume, urn!)).equals(expected))

  // The bevy that chunks 3 to 5 are in is lost: 12288 to 24576 of the stream.
  const bytes = sink.bytes()
  const at = bytes.indexOf('/00000001', 0)
  bytes.fill(0, bytes.lastIndexOf('PK\x03\x04', at), at + 9)
  const second1 = bytes.indexOf('/00000001', at + 9)
  bytes.fill(0, bytes.lastIndexOf('PK\x03\x04', second1), second1 + 9)
  const directory = bytes.indexOf('PK\x01\x02')
  const holed = (await recoverBytes(bytes.subarray(0, directory)))!
  for (const urn of [two, three])
    t.deepEqual(holed.recovery.objects.find((object) => object.urn === urn)!.lost, [
      { start: 5000n, length: 5000n },
    ])
})

test('a map over a stream of another volume keeps what it says of that', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const image = `${volume.urn}/disk`
  const [remote, home] = [
    'aff4://3bf0bd14-0000-4000-8000-000000000001',
    'aff4://51725cd9-0000-4000-8000-000000000002',
  ]
  const map = volume.map({ image })
  const stream = volume.imageStream({ chunkSize: CHUNK }, map)
  stream.append(contentOf(1, CHUNK))
  map.add({ offset: 0n, length: BigInt(CHUNK), targetOffset: 0n, target: stream.urn })
  map.add({ offset: BigInt(CHUNK), length: BigInt(CHUNK), targetOffset: 0n, target: remote })
  volume.graph.add(remote, RDF_TYPE, iri(aff4('ImageStream')))
  volume.graph.add(remote, aff4('stored'), iri(home))
  volume.graph.add(map.urn, aff4('dependentStream'), iri(remote))
  // Evimetry repeats the block hashes of the other volume.
  await volume.segment(`${remote}/00000000.blockHash.md5`, contentOf(2, 16))
  await volume.finish()
  const { recovery, volume: recovered } = (await recoverBytes(sink.bytes().subarray(0, -50)))!
  t.true(recovery.complete)
  t.is(recovered.graph.value(remote, aff4('stored')), home)
  t.is(recovered.graph.all(map.urn, aff4('dependentStream')).length, 2)
  await t.throwsAsync(readStream(recovered, image), { message: new RegExp(home) })
})

test('an encrypted stream stays one', async (t) => {
  const bytes = await readFile(packageFile('test/data/aff4/encrypted.aff4'))
  const { recovery, volume } = (await recoverBytes(bytes.subarray(0, -60)))!
  t.true(recovery.complete)
  const [object] = recovery.objects
  t.true(volume.graph.isA(object!.urn, aff4('EncryptedStream')))
  t.is(volume.graph.all(object!.urn, aff4('keyBag')).length > 0, true)
  t.deepEqual(volume.graph.all(object!.urn, aff4('chunkSize'))[0]!.id, int(512).id)
})

test('files of c-aff4 are whole: its own deflate, last chunks that are raw and not padded, and none at all', async (t) => {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const noise = randomBytes(CHUNK)
  const word = Buffer.from('the rest of it')
  const streams = [
    { name: 'deflate', method: 'https://tools.ietf.org/html/rfc1951', rest: word },
    { name: 'raw', method: 'https://code.google.com/p/lz4/', rest: noise.subarray(0, CHUNK - 3) },
    { name: 'empty', method: 'https://tools.ietf.org/html/rfc1951', rest: undefined },
  ]
  const facts = []
  await zip.write({ name: 'container.description', pieces: [Buffer.from(VOLUME)] })
  for (const { name, method, rest } of streams) {
    const last = rest === word ? Buffer.concat([deflateSync(word), Buffer.alloc(13)]) : rest
    const chunks = last ? [noise, last] : []
    const index = Buffer.alloc(12 * chunks.length)
    for (const [slot, chunk] of chunks.entries()) {
      index.writeBigUInt64LE(BigInt(slot * CHUNK), 12 * slot)
      index.writeUInt32LE(chunk.length, 12 * slot + 8)
    }
    await zip.write({ name: `${name}/00000000`, pieces: chunks })
    await zip.write({ name: `${name}/00000000.index`, pieces: [index] })
    facts.push(
      `</${name}> a aff4:Image, aff4:ImageStream ; aff4:chunkSize ${CHUNK} ; aff4:chunksInSegment 1024 ;`,
      `  aff4:size ${rest ? CHUNK + rest.length : 0} ; aff4:compressionMethod <${method}> .`,
    )
  }
  const turtle = `@base <${VOLUME}> .\n@prefix aff4: <http://aff4.org/Schema#> .\n${facts.join('\n')}`
  await zip.write({ name: 'information.turtle', pieces: [Buffer.from(turtle)] })
  const { volume, recovery } = (await recoverBytes(sink.bytes()))!
  t.true(recovery.complete)
  for (const { name, rest } of streams) {
    const content = rest ? Buffer.concat([noise, rest]) : Buffer.alloc(0)
    t.true((await readStream(volume, `${VOLUME}/${name}`)).equals(content), name)
  }
})

test('files of pyaff4 without their description keep their names, and an empty one is not taken for one without sizes', async (t) => {
  const header = (name: string, content: Buffer) => {
    const fixed = Buffer.alloc(30)
    fixed.write('PK\x03\x04', 'latin1')
    fixed.writeUInt16LE(45, 4)
    fixed.writeUInt16LE(0x0808, 6)
    fixed.writeUInt32LE(crc32(content), 14)
    fixed.writeUInt32LE(content.length, 18)
    fixed.writeUInt32LE(content.length, 22)
    fixed.writeUInt16LE(name.length, 26)
    return [fixed, Buffer.from(name), content]
  }
  const content = contentOf(1, 3000)
  const bytes = Buffer.concat([
    ...header('container.description', Buffer.from(VOLUME)),
    ...header('/cases/empty', Buffer.alloc(0)),
    ...header('/cases/full', content),
  ])
  const { volume, recovery } = (await recoverBytes(bytes))!
  t.deepEqual(
    recovery.objects.map(({ kept, lost }) => [kept, lost.length]),
    [
      [0n, 0],
      [3000n, 0],
    ],
  )
  // Its own program stops at a file without a name.
  for (const name of ['/cases/empty', '/cases/full'])
    t.is(volume.graph.value(`${VOLUME}/${name}`, aff4('originalFileName')), name)
  t.is((await readStream(volume, `${VOLUME}//cases/empty`)).length, 0)
  t.true((await readStream(volume, `${VOLUME}//cases/full`)).equals(content))
})
