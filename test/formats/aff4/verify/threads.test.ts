import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { aff4, digestLiteral } from '../../../../src/formats/aff4/lexicon.js'
import { createVolume } from '../../../../src/formats/aff4/writer.js'
import { readDirectory } from '../../../../src/formats/aff4/zip/reader.js'
import { openFileSource } from '../../../../src/formats/file-source.js'
import { scratch } from '../../../sinks/pipeline.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { dataStart, flipBit } from '../flip.js'
import { contentOf, expectedBytes, type Range, writeRecipe } from '../recipe.js'
import { check, checkSources, faults, told } from './check.js'

const MiB = 1 << 20
/** More than the first jobs, which need no threads; the last chunk is cut, and some bevies end within a job. */
const RANGES: readonly Range[] = [0, 1, 2, 3].map((seed) => ({
  offset: seed * 4 * MiB + (seed > 1 ? 5000 : 0),
  length: 3 * MiB + seed * 777,
  content: 'bytes',
  seed,
}))

async function sample(): Promise<Buffer> {
  const sink = bufferSink()
  const recipe = { codec: 'snappy', chunkSize: 32768, chunksPerBevy: 100, appended: false } as const
  const { volume, image } = await writeRecipe(sink, { ...recipe, ranges: RANGES })
  const hash = createHash('sha256').update(expectedBytes(RANGES)).digest('hex')
  volume.graph.add(image, aff4('hash'), digestLiteral('SHA256', hash))
  await volume.finish()
  return sink.bytes()
}

/** What is found in a file, which threads read for themselves, and in memory: it has to be the same. */
async function found(t: ExecutionContext, bytes: Buffer): Promise<string[]> {
  const file = path.join(await scratch(t), 'volume.aff4')
  await writeFile(file, bytes)
  const source = openFileSource(file)
  const findings = await checkSources(source)
  await source.close()
  const named = findings.map((finding) => told(finding).replaceAll(file, 'volume 0'))
  t.deepEqual(named, (await check(bytes)).map(told))
  t.is(faults(findings).length, named.filter((line) => line.startsWith('mismatched')).length)
  return named
}

const bevyOf = async (bytes: Buffer, suffix: string) => {
  const { members } = await readDirectory(bufferSource(bytes))
  return [...members.values()].find(({ name }) => name.endsWith(suffix))!
}

test('chunks that threads decode are held against every digest', async (t) => {
  const lines = await found(t, await sample())
  t.deepEqual(
    lines.filter((line) => line.startsWith('mismatched')),
    [],
  )
  const expected = [/chunks .* 387 decode/, /hash SHA256/, /block hashes MD5 .* 387/, /CRC \| volume 0 \| of/]
  for (const pattern of expected)
    t.true(
      lines.some((line) => pattern.test(line)),
      `${pattern}`,
    )
})

test('a bit that is flipped in a chunk far behind is found where it is, and in that chunk alone', async (t) => {
  const bytes = await sample()
  const raw = await bevyOf(bytes, '/00000001')
  const compressed = await bevyOf(bytes, '/00000003')
  flipBit(bytes, dataStart(raw) + Number(raw.size) - 5)
  // The length before the block.
  flipBit(bytes, dataStart(compressed), 4)
  const lines = (await found(t, bytes)).filter((line) => line.startsWith('mismatched'))
  const expected = [
    /block hash MD5 .* chunk 99 is not what/,
    /block hash SHA256 .* chunk 99 is not what/,
    /CRC .*\/00000001/,
    /chunk 0 \| .*\/00000003 .* chunk 0 of bevy 3: snappy/,
    /CRC .*\/00000003/,
    /hash SHA256 \| .* what it covers is damaged/,
    /block hashes MD5 .* 1 of 386 differ/,
    /block hashes SHA256 .* 1 of 386 differ/,
  ]
  for (const pattern of expected)
    t.true(
      lines.some((line) => pattern.test(line)),
      `${pattern}`,
    )
  t.is(lines.length, expected.length)
})

test('streams that a map takes pieces of in turn are checked, however many share the threads', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  const image = `${volume.urn}/image`
  const map = volume.map({ image })
  const piece = 40_000
  const streams = Array.from({ length: 12 }, () =>
    volume.imageStream({ chunkSize: 4096, chunksPerBevy: 16, blockHashes: ['sha1'] }, map),
  )
  const hash = createHash('sha256')
  let offset = 0n
  for (let turn = 0; turn < 6; turn++)
    for (const [number, stream] of streams.entries()) {
      const bytes = contentOf(turn * 31 + number, piece)
      hash.update(bytes)
      for (let rest: Buffer = bytes; rest.length > 0; ) {
        const targetOffset = stream.position
        const length = stream.append(rest)
        map.add({ offset, length: BigInt(length), targetOffset, target: stream.urn })
        offset += BigInt(length)
        rest = rest.subarray(length)
        if (stream.full) await stream.flush()
      }
    }
  volume.graph.add(image, aff4('hash'), digestLiteral('SHA256', hash.digest('hex')))
  await volume.finish()
  const lines = await found(t, sink.bytes())
  t.deepEqual(
    lines.filter((line) => line.startsWith('mismatched')),
    [],
  )
  t.true(lines.includes(`matched | hash SHA256 | ${image}`))
})

test('chunks of one byte, more than go in one job, and of more bytes than one job has are checked', async (t) => {
  for (const [chunkSize, chunksPerBevy, length] of [
    [1, 4999, 5000],
    [3 * MiB, 2, 7 * MiB],
  ] as const) {
    const sink = bufferSink()
    const recipe = { codec: 'zlib', chunkSize, chunksPerBevy, appended: true } as const
    const range = { offset: 0, length, content: 'bytes', seed: 3 } as const
    const { volume } = await writeRecipe(sink, { ...recipe, ranges: [range] })
    await volume.finish()
    const lines = await found(t, sink.bytes())
    t.deepEqual(
      lines.filter((line) => line.startsWith('mismatched')),
      [],
    )
    const count = Math.ceil(length / chunkSize)
    t.true(lines.some((line) => line.endsWith(`| ${count} decode`)))
  }
})
