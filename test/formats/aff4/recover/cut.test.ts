import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readOldVolume } from '../../../../src/formats/aff4/old-volume.js'
import { openStream } from '../../../../src/formats/aff4/reader.js'
import type { Recovery } from '../../../../src/formats/aff4/recover/outcome.js'
import { fillSymbolic } from '../../../../src/formats/aff4/symbolic.js'
import { openVolume } from '../../../../src/formats/aff4/volume.js'
import { continueVolume, createVolume } from '../../../../src/formats/aff4/writer.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { readWithPython, unzipComplaints } from '../python.js'
import { contentOf } from '../recipe.js'
import { recoverBytes } from './recovering.js'
import { chunkEnds, fillVolume, layOut, type Sample, writeSample } from './sample.js'

/** Bytes of all chunks that lie before a cut. */
const chunksBefore = (ends: Map<string, number[]>, cut: number) =>
  [...ends.values()].flat().filter((end) => end <= cut).length

/**
 * Compares a recovered volume with what was written.
 * @returns bytes of chunks that it gave
 */
async function compare(
  t: ExecutionContext,
  sample: Sample,
  bytes: Buffer,
  recovery: Recovery,
): Promise<bigint> {
  const volume = await openVolume(bufferSource(bytes))
  let kept = 0n
  for (const { urn, expected } of sample.images) {
    const object = recovery.objects.find((one) => one.urn === urn)
    if (!object) continue
    const stream = await openStream([volume], urn)
    const wanted = Buffer.from(expected.subarray(0, Number(stream.size)))
    for (const { start, length } of object.lost)
      fillSymbolic('unreadable', start, wanted.subarray(Number(start), Number(start + length)))
    for (const { start, length } of stream.runs) {
      const got = await stream.read(start, Number(length))
      if (!wanted.subarray(Number(start), Number(start + length)).equals(got)) t.fail(`${urn} at ${start}`)
    }
    kept += object.kept
  }
  for (const [urn, content] of sample.files) {
    const object = recovery.objects.find((one) => one.urn === urn)
    if (!object) continue
    const stream = await openStream([volume], urn)
    const length = Number(object.kept)
    const whole = object.lost.length === 0
    t.true(content.subarray(0, length).equals(await stream.read(0n, length)))
    t.is(whole, length === content.length)
  }
  return kept
}

test('a volume cut at any byte gives every chunk before the cut, and says what is lost', async (t) => {
  const sample = await writeSample()
  const size = sample.bytes.length
  const ends = chunkEnds(sample.bytes)
  // As good as random, and the same each time.
  const cuts = Array.from({ length: 200 }, (_, index) => (index * 7_919_000_003) % size)
  let recovered = 0
  for (const cut of cuts) {
    const result = await recoverBytes(sample.bytes.subarray(0, cut))
    if (!result) {
      t.is(chunksBefore(ends, cut), 0, `${cut}`)
      continue
    }
    recovered++
    t.is(
      await compare(t, sample, result.bytes, result.recovery),
      BigInt(chunksBefore(ends, cut) * 4096),
      `${cut}`,
    )
  }
  t.true(recovered > 180)
})

test('a volume cut at every border of its members gives every chunk before, and is whole only with its turtle', async (t) => {
  const sample = await writeSample()
  const ends = chunkEnds(sample.bytes)
  const members = layOut(sample.bytes)
  t.true(members.length > 60)
  for (const cut of members.flatMap(({ start, end }) => [start, end])) {
    const result = await recoverBytes(sample.bytes.subarray(0, cut))
    if (!result) {
      t.is(chunksBefore(ends, cut), 0)
      continue
    }
    t.is(await compare(t, sample, result.bytes, result.recovery), BigInt(chunksBefore(ends, cut) * 4096))
    t.is(result.recovery.complete, cut === members.at(-1)!.end, `${cut}`)
  }
})

test('what is recovered opens with unzip and with Python and rdflib', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pmem-recover-'))
  try {
    const sample = await writeSample()
    const paths: string[] = []
    for (const share of [0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1]) {
      const { bytes } = (await recoverBytes(
        sample.bytes.subarray(0, Math.floor(sample.bytes.length * share)),
      ))!
      const path = join(folder, `${share}.aff4`)
      await writeFile(path, bytes)
      t.is(unzipComplaints(path), '')
      paths.push(path)
    }
    for (const [index, { objects, properties, urn }] of readWithPython(paths, true).entries()) {
      const whole = index === paths.length - 1
      t.is(properties[urn]!['https://pmem.dev/ns#incomplete'] === undefined, whole)
      t.truthy(properties[urn]!['https://pmem.dev/ns#reconstructed'])
      for (const { types, size } of Object.values(objects))
        t.true(types.includes('Image') || size !== undefined)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('after an append that was cut anywhere the old content is whole, and new chunks are kept', async (t) => {
  const old = await writeSample()
  const sink = bufferSink()
  await sink.write(old.bytes)
  const more = await fillVolume(continueVolume(sink, await readOldVolume(bufferSource(old.bytes))))
  const bytes = sink.bytes()
  const sample = {
    bytes,
    images: [...old.images, ...more.images],
    files: new Map([...old.files, ...more.files]),
  }
  const start = bytes.indexOf('PK\x03\x04', old.bytes.length)
  const ends = chunkEnds(bytes, start)
  const before = chunksBefore(chunkEnds(old.bytes), bytes.length)
  const added = bytes.length - start
  for (let index = 0; index < 50; index++) {
    const cut = start + ((index * 7_919_000_003) % added)
    const { recovery, bytes: recovered } = (await recoverBytes(bytes.subarray(0, cut)))!
    const kept = await compare(t, sample, recovered, recovery)
    t.is(kept, BigInt((before + chunksBefore(ends, cut)) * 4096), `${cut}`)
    for (const { urn } of [...old.images, ...old.files.keys()].map((one) =>
      typeof one === 'string' ? { urn: one } : one,
    )) {
      const object = recovery.objects.find((one) => one.urn === urn)!
      t.deepEqual([object.lost, object.unsure, object.remarks], [[], [], []])
    }
  }
  t.true((await recoverBytes(bytes.subarray(0, -20)))!.recovery.complete)
})

test('of an append that was cut, between its members or in the first header, is said that it was', async (t) => {
  const sink = bufferSink()
  const volume = await createVolume(sink, { tool: 'test' })
  await volume.segment(`${volume.urn}/there`, contentOf(1, 3000))
  await volume.finish()
  const old = sink.bytes().length
  const more = continueVolume(sink, await readOldVolume(bufferSource(sink.bytes())))
  for (const [name, seed] of [
    ['first', 2],
    ['second', 3],
  ] as const) {
    await more.segment(`${more.urn}/${name}`, contentOf(seed, 2000))
    more.declare(`${more.urn}/${name}`, 'FileImage', 'ZipSegment')
  }
  await more.finish()
  const bytes = sink.bytes()
  const headers = layOut(bytes, old).map(({ header }) => header)
  t.is(headers.length, 3)
  t.true((await recoverBytes(bytes.subarray(0, old)))!.recovery.complete)
  for (const cut of [old + 1, old + 4, old + 29, ...headers.slice(1), headers[1]! + 10]) {
    const { recovery } = (await recoverBytes(bytes.subarray(0, cut)))!
    t.false(recovery.complete, `${cut}`)
    t.true(recovery.remarks.length > 0)
  }
  t.true((await recoverBytes(bytes))!.recovery.complete)
})
