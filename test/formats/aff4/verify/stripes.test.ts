import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import { createZipWriter } from '../../../../src/formats/aff4/zip/writer.js'
import { scratch } from '../../../sinks/pipeline.js'
import { bufferSink } from '../../buffer-sink.js'
import { check, faults, told } from './check.js'
import { matchedDigests, trueDigests } from './independent.js'

const urn = (digit: number) => `aff4://${String(digit).repeat(8)}-0000-4000-8000-000000000000`
const IMAGE = urn(9)
const hash = (algorithm: string, ...pieces: Buffer[]) =>
  createHash(algorithm).update(Buffer.concat(pieces)).digest()
const sha512 = (...pieces: Buffer[]) => hash('sha512', ...pieces)

const CHUNK = 4096
/** A stripe: its volume, the map in it, its stream and the other one's, and what fills its chunk. */
const STRIPES = [
  {
    volume: urn(1),
    map: urn(4),
    stream: urn(5),
    other: urn(6),
    otherVolume: urn(2),
    content: Buffer.alloc(CHUNK, 'A'),
  },
  {
    volume: urn(2),
    map: urn(3),
    stream: urn(6),
    other: urn(5),
    otherVolume: urn(1),
    content: Buffer.alloc(CHUNK, 'B'),
  },
] as const
type Stripe = (typeof STRIPES)[number]

const MAP = Buffer.alloc(56)
MAP.writeBigUInt64LE(4096n, 8)
MAP.writeBigUInt64LE(4096n, 28)
MAP.writeBigUInt64LE(4096n, 36)
MAP.writeUInt32LE(1, 52)
const IDX = Buffer.from(`${urn(5)}\n${urn(6)}\n`)

const blockHash = ({ content }: Stripe) => hash('md5', content)
const blockMapHash = (stripe: Stripe) => sha512(sha512(blockHash(stripe)), sha512(MAP), sha512(IDX))

/** As Evimetry lays stripes out: each has its map over both streams, and copies of the other one's block hashes. */
async function write(
  stripe: Stripe,
  copied = STRIPES.find(({ stream }) => stream === stripe.other)!,
): Promise<Buffer> {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const put = (name: string, content: Buffer | string) =>
    zip.write({ name: name.replace('aff4://', 'aff4%3A%2F%2F'), pieces: [Buffer.from(content)] })
  const index = Buffer.alloc(12)
  index.writeUInt32LE(CHUNK, 8)
  const inOrder = [...STRIPES].sort((a, b) => (a.map < b.map ? -1 : 1)).map(blockMapHash)
  await put('container.description', stripe.volume)
  await put('version.txt', 'major=1\nminor=0\ntool=test\n')
  await put(`${stripe.stream}/00000000`, stripe.content)
  await put(`${stripe.stream}/00000000.index`, index)
  await put(`${stripe.stream}/00000000.blockHash.md5`, blockHash(stripe))
  await put(`${stripe.other}/00000000.blockHash.md5`, blockHash(copied))
  await put(`${stripe.map}/map`, MAP)
  await put(`${stripe.map}/idx`, IDX)
  await put(
    'information.turtle',
    `@prefix aff4: <http://aff4.org/Schema#> .
<${IMAGE}> a aff4:DiskImage, aff4:Image ; aff4:dataStream <${stripe.map}> ; aff4:size 8192 ;
  aff4:hash "${sha512(...inOrder).toString('hex')}"^^aff4:blockMapHashSHA512 .
<${stripe.map}> a aff4:Map ; aff4:size 8192 ; aff4:dependentStream <${urn(5)}>, <${urn(6)}> ;
  aff4:hash "${hash('sha1', STRIPES[0].content, STRIPES[1].content).toString('hex')}"^^aff4:SHA1 ;
  aff4:blockMapHash "${blockMapHash(stripe).toString('hex')}"^^aff4:SHA512 .
<${stripe.stream}> a aff4:ImageStream ; aff4:size 4096 ; aff4:chunkSize 4096 ; aff4:chunksInSegment 1 ;
  aff4:compressionMethod aff4:NullCompressor ; aff4:stored <${stripe.volume}> ; aff4:target <${stripe.map}> .
<${stripe.other}> a aff4:ImageStream ; aff4:stored <${stripe.otherVolume}> ; aff4:target <${stripe.map}> .
<${stripe.stream}/blockhash.md5> a aff4:BlockHashes ;
  aff4:hash "${sha512(blockHash(stripe)).toString('hex')}"^^aff4:SHA512 .`,
  )
  await zip.finish(stripe.volume)
  return sink.bytes()
}

test('the hash of a striped image covers the maps of all stripes, as an independent reader finds', async (t) => {
  const folder = await scratch(t)
  const files: string[] = []
  const volumes = await Promise.all(STRIPES.map((stripe) => write(stripe)))
  for (const [index, bytes] of volumes.entries()) {
    files.push(path.join(folder, `${index}.aff4`))
    await writeFile(files[index]!, bytes)
  }
  const findings = await check(...volumes)
  t.deepEqual(
    findings.filter(({ outcome }) => outcome !== 'matched'),
    [],
  )
  const [independent] = trueDigests([files])
  t.deepEqual(matchedDigests(findings), independent!)
  t.true(independent!.includes(`${IMAGE} hash blockmaphashsha512`))
  t.true(independent!.includes(`${STRIPES[0].map} hash sha1`))
})

test('what a stripe alone cannot tell is left unchecked, and the volume that is missing is named', async (t) => {
  const findings = await check(await write(STRIPES[0]))
  t.deepEqual(faults(findings), [])
  const unchecked = findings.filter(({ outcome }) => outcome === 'unchecked')
  for (const property of ['hash blockMapHashSHA512', 'hash SHA1', 'map'])
    t.true(
      unchecked.some(
        (finding) => finding.property === property && told(finding).includes(`is in volume ${urn(2)}`),
      ),
      property,
    )
  t.true(
    findings.some(({ outcome, property }) => outcome === 'matched' && property === 'blockMapHash SHA512'),
  )
})

test('a copy of block hashes that differs from the chunks of the other stripe is told', async (t) => {
  const findings = await check(await write(STRIPES[0], STRIPES[0]), await write(STRIPES[1]))
  t.regex(
    faults(findings).map(told).join('\n'),
    /block hash MD5 \| volume 1: \S+\/00000000 \| chunk 0 is not what volume 0: aff4%3A%2F%2F66666666\S+blockHash\.md5 says/,
  )
})
