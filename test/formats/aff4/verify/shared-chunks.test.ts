import { createHash } from 'node:crypto'
import test from 'ava'
import { createZipWriter } from '../../../../src/formats/aff4/zip/writer.js'
import { bufferSink } from '../../buffer-sink.js'
import { flipBit } from '../flip.js'
import { check, faults, told } from './check.js'

const VOLUME = 'aff4://11111111-0000-4000-8000-000000000000'
const STREAM = 'aff4://22222222-0000-4000-8000-000000000000'
const FILE = `${VOLUME}//tree/file`
const PARTS = [Buffer.alloc(3000, 'first '), Buffer.alloc(1500, 'second ')] as const
/** The file has the second part twice. */
const CONTENT = Buffer.concat([PARTS[1], PARTS[0], PARTS[1]])

const nameOf = (part: Buffer) =>
  `aff4:sha512:${createHash('sha512').update(part).digest('base64').replaceAll('+', '-').replaceAll('/', '_')}`

/** As pyaff4 stores files by the digests of their chunks (aff4.md §7.4): a map over names of ranges of one stream. */
async function write(change: (chunk: Buffer) => void = () => {}): Promise<Buffer> {
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  const put = (name: string, content: Buffer | string) => zip.write({ name, pieces: [Buffer.from(content)] })
  const chunk = Buffer.alloc(8192)
  PARTS[0].copy(chunk)
  PARTS[1].copy(chunk, 4096)
  change(chunk)
  const index = Buffer.alloc(12)
  index.writeUInt32LE(8192, 8)
  const map = Buffer.alloc(84)
  let offset = 0
  for (const [entry, id] of [1, 0, 1].entries()) {
    map.writeBigUInt64LE(BigInt(offset), entry * 28)
    map.writeBigUInt64LE(BigInt(PARTS[id]!.length), entry * 28 + 8)
    map.writeUInt32LE(id, entry * 28 + 24)
    offset += PARTS[id]!.length
  }
  await put('version.txt', 'major=1\nminor=1\ntool=pyaff4\n')
  await put('container.description', VOLUME)
  await put(`${STREAM}/00000000`, chunk)
  await put(`${STREAM}/00000000.index`, index)
  await put('/tree/file/map', map)
  await put('/tree/file/idx', `${nameOf(PARTS[0])}\n${nameOf(PARTS[1])}\n`)
  const md5 = createHash('md5').update(CONTENT).digest('hex')
  await put(
    'information.turtle',
    `@prefix aff4: <http://aff4.org/Schema#> .
<${FILE}> a aff4:FileImage, aff4:Image, aff4:Map ; aff4:size ${CONTENT.length} ;
  aff4:originalFileName "/tree/file" ; aff4:hash "${md5}"^^aff4:MD5 .
<${nameOf(PARTS[0])}> aff4:dataStream <${STREAM}[0x0:0x${PARTS[0].length.toString(16)}]> .
<${nameOf(PARTS[1])}> aff4:dataStream <${STREAM}[0x1000:0x${PARTS[1].length.toString(16)}]> .
<${STREAM}> a aff4:ImageStream ; aff4:size 8192 ; aff4:chunkSize 8192 ; aff4:chunksInSegment 1 ;
  aff4:compressionMethod aff4:NullCompressor ; aff4:stored <${VOLUME}> .`,
  )
  await zip.finish(VOLUME)
  return sink.bytes()
}

test('a file that is stored by the digests of its chunks is held against its own', async (t) => {
  const findings = await check(await write())
  t.deepEqual(findings.filter(({ outcome }) => outcome !== 'matched').map(told), [])
  t.true(findings.some(({ property, subject }) => property === 'hash MD5' && subject === FILE))
})

test('a chunk of it that is another one, with a CRC that fits, is found by the digest of the file', async (t) => {
  const changed = await write((chunk) => flipBit(chunk, 4100))
  const found = faults(await check(changed)).map(told)
  t.is(found.length, 1)
  t.regex(found[0]!, /^mismatched \| hash MD5 \| aff4:\S+\/\/tree\/file \| is /)
})
