import { createHash } from 'node:crypto'
import test from 'ava'
import snappy from 'snappy'
import { aff4, digestLiteral, iri, RDF_TYPE } from '../../../src/formats/aff4/lexicon.js'
import { openStream } from '../../../src/formats/aff4/reader.js'
import { openVolume } from '../../../src/formats/aff4/volume.js'
import { createVolume } from '../../../src/formats/aff4/writer.js'
import { readDirectory, readMember } from '../../../src/formats/aff4/zip/reader.js'
import { bufferSink } from '../buffer-sink.js'
import { bufferSource } from '../buffer-source.js'

// A volume whose every value was confirmed by pyaff4, c-aff4, aff4-cpp-lite, the JDK and unzip.
const urnOf = (last: number) => `aff4://00000000-0000-4000-8000-00000000000${last}`
const VOLUME = urnOf(1)
const IMAGE = urnOf(2)
const MAP = urnOf(3)
const STREAM = urnOf(4)
const ZERO = aff4('Zero')

function chunks(): Buffer[] {
  const number = Buffer.alloc(4)
  const first = Array.from({ length: 1024 }, (_, k) => {
    number.writeUInt32LE(k)
    return createHash('sha256').update(number).digest()
  })
  const third = Buffer.alloc(32768)
  for (let index = 0; index < 3584; index++) third[index] = index & 0xff
  return [Buffer.concat(first), Buffer.alloc(32768, 'pmem'), third]
}

async function goldenVolume(): Promise<Buffer> {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'pmem', urn: VOLUME, now: new Date(0) })
  for (const type of ['DiskImage', 'ContiguousImage', 'Image'])
    volume.graph.add(IMAGE, RDF_TYPE, iri(aff4(type)))
  const map = volume.map({ urn: MAP, image: IMAGE })
  const stream = volume.imageStream({ urn: STREAM, chunkSize: 32768, blockHashes: ['md5', 'sha1'] }, map)
  const [raw, second, third] = chunks()
  stream.append(raw!)
  for (const chunk of [second!, third!])
    stream.add('snappy', snappy.compressSync(chunk, { copyOutputData: true }), () => chunk)
  map.add({ offset: 0n, length: 65536n, targetOffset: 0n, target: STREAM })
  map.addSymbolic(65536n, 32768n, 'zero')
  map.addSymbolic(98304n, 32768n, 0xff)
  map.addSymbolic(131072n, 4096n, 'unreadable')
  map.add({ offset: 135168n, length: 3584n, targetOffset: 65536n, target: STREAM })
  await volume.finish()
  return sink.bytes()
}

test('the golden volume has the members, hashes and records that every reader has confirmed', async (t) => {
  const bytes = await goldenVolume()
  const source = bufferSource(bytes)
  const { members, comment } = await readDirectory(source)
  t.is(comment, VOLUME)
  const load = async (name: string) => Buffer.from(await readMember(source, members.get(name)!, 1n << 20n))
  const map = 'aff4%3A%2F%2F00000000-0000-4000-8000-000000000003'
  const stream = 'aff4%3A%2F%2F00000000-0000-4000-8000-000000000004'

  const points = await load(`${map}/map`)
  t.is(
    points.toString('hex'),
    [
      '00000000000000000000010000000000000000000000000000000000',
      '00000100000000000080000000000000000001000000000001000000',
      '00800100000000000080000000000000008001000000000002000000',
      '00000200000000000010000000000000000002000000000003000000',
      '0010020000000000000e000000000000000001000000000000000000',
    ].join(''),
  )
  t.is(
    (await load(`${map}/idx`)).toString(),
    `${STREAM}\n${ZERO}\n${aff4('SymbolicStreamFF')}\n${aff4('UnreadableData')}\n`,
  )
  const index = await load(`${stream}/00000000.index`)
  t.is(index.toString('hex', 0, 12), '000000000000000000800000')
  t.is(index.readBigUInt64LE(12), 32768n)
  t.is(
    (await load(`${stream}/00000000.blockHash.md5`)).toString('hex'),
    '3124e05d9bc6fd29bd312ccf7dbbc05e92eeb6fdfb9d463f2b56dd3f34a1be77070ed3a85bf1193d090dd397cbdf52cc',
  )
  t.is(
    (await load(`${stream}/00000000.blockHash.sha1`)).toString('hex'),
    'c301914e72a051816fe3c6b9965c4bbe8bcc0b7a401a9b3d02745eaaed072b8de96a54dcbd2018f26a4087f59a267cea3224da6ede6ae6ff41476e02',
  )

  const { graph } = await openVolume(source)
  const hashes: [string, string, string, string][] = [
    [
      MAP,
      'mapPointHash',
      'SHA512',
      'd8a47899f5c478dadde11da3008d2f5eedcb243cd3bd48b4e0381066014fd220e8219b0437e49d4fe307714050a6b3162eda344a2c40a9c3f7aa0092fda5cab1',
    ],
    [
      MAP,
      'mapIdxHash',
      'SHA512',
      '7465e43298805b4794b7c2656eea1f023aa8c524bde59e5a0e3b7de3fc831e473dcb6cdcd028efedca9eb3ab79fd65185811185d952bd0e460429fcb088b7c58',
    ],
    [
      MAP,
      'mapHash',
      'SHA512',
      '9177bc5e6b5ed08ea8e341c9dff068dbc4168e90518828cc31d7f8cd86442dbb23f35faf13431b55dd66332d78f1b927bf3d2fc40e5b3333b20affd7aa7f7054',
    ],
    [
      MAP,
      'blockMapHash',
      'SHA512',
      'af94a432f0dac51fa5caa0829d9b3cb27cff59e8a7cb825eb0e1a29ed56901395680831316ae105474908a30cb086a84d246fe3807c0305446ed70daaecf8495',
    ],
    [
      IMAGE,
      'hash',
      'blockMapHashSHA512',
      'af94a432f0dac51fa5caa0829d9b3cb27cff59e8a7cb825eb0e1a29ed56901395680831316ae105474908a30cb086a84d246fe3807c0305446ed70daaecf8495',
    ],
    [
      `${STREAM}/blockhash.md5`,
      'hash',
      'SHA512',
      'd8ca6f2ba36c4f76776df3960ebe7f725752ab074653c3b323df0cb661bd55299367b68e686e0376f8cd50cab2f228ae07bf868de832887fe341ae425994982c',
    ],
    [
      `${STREAM}/blockhash.sha1`,
      'hash',
      'SHA512',
      '14aa51234cedcd05ad58fbca76e803339c6fd656853be6c413052b4664156c313864d188c9d6f43f083bd00857bb1b45f2b07aada0f043f531684764c75b5929',
    ],
  ]
  for (const [subject, property, datatype, hex] of hashes)
    t.deepEqual(
      graph.all(subject, aff4(property)).map(({ id }) => id),
      [digestLiteral(datatype, hex).id],
      property,
    )
  t.is(graph.integer(MAP, aff4('size')), 138752n)
  t.is(graph.integer(IMAGE, aff4('size')), 138752n)
  t.is(graph.integer(STREAM, aff4('size')), 98304n)

  t.is(
    bytes.toString('hex', 0, 94),
    `504b03042d000000000000002100bb3d032a2b0000002b00000015000000${Buffer.from(`container.description${VOLUME}`).toString('hex')}`,
  )
  const tail = bytes.subarray(bytes.length - 56 - 20 - 22 - VOLUME.length)
  t.is(
    tail.toString('hex', 0, 40),
    '504b06062c000000000000002d032d00000000000000000009000000000000000900000000000000',
  )
  const directorySize = tail.readBigUInt64LE(40)
  t.is(tail.readBigUInt64LE(48) + directorySize, BigInt(bytes.length - tail.length))
  t.is(tail.toString('hex', 56, 64), '504b060700000000')
  t.is(tail.readBigUInt64LE(64), BigInt(bytes.length - tail.length))
  t.is(tail.toString('hex', 72, 76), '01000000')
  t.is(
    tail.toString('hex', 76),
    `504b05060000000009000900ffffffffffffffff2b00${Buffer.from(VOLUME).toString('hex')}`,
  )
})

test('the golden volume reads back with the linear hashes that every reader has confirmed', async (t) => {
  const volume = await openVolume(bufferSource(await goldenVolume()))
  const digest = async (urn: string, algorithm: string) => {
    const stream = await openStream([volume], urn)
    return createHash(algorithm)
      .update(await stream.read(0n, Number(stream.size)))
      .digest('hex')
  }
  for (const urn of [IMAGE, MAP]) {
    t.is(await digest(urn, 'md5'), '2e44263b6521dee606040f796f771a09')
    t.is(await digest(urn, 'sha1'), '296b81bf05b95ccb40b5680b21be83173aa56a92')
    t.is(await digest(urn, 'sha256'), '68468b9590afd86342e168440dce085326cb17bffe18282ff2a6618304aea2f8')
  }
  t.is(await digest(STREAM, 'md5'), 'fa2f27e51c62be1cdd92ea395ba240ca')
  t.is(await digest(STREAM, 'sha1'), '3d5616ac0a117d5346b9c1d818971aff278c8803')
})
