import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { takeInventory } from '../../../src/formats/aff4/inventory.js'
import { aff4 } from '../../../src/formats/aff4/lexicon.js'
import { listStreams, openStream } from '../../../src/formats/aff4/reader.js'
import { openVolumeFile } from '../../../src/formats/aff4/volume-file.js'
import { packageFile } from '../../frames/support.js'
import { scratch } from '../../sinks/pipeline.js'

/** What the Python that wrote a set of volumes says of it. */
interface Case {
  title: string
  files: string[]
  generation: string
  streams: Expected[]
  /** Original names by URN. */
  names?: Record<string, string>
  /** What is listed, and backs nothing else. */
  top?: string[]
  /** How streams are listed, by URN. */
  shown?: Record<string, { name: string; stored: string; compression: string }>
}
interface Expected {
  urn: string
  size: string
  /** Offset, length, SHA-256. */
  reads: [number | string, number, string][]
  /** It can't be opened for this reason. */
  error?: string
  /** It can't be read for this reason. */
  read_error?: string
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('volumes of every generation, written by Python, read as it says', async (t) => {
  const folder = await scratch(t)
  const script = fileURLToPath(packageFile('test/formats/aff4/generations.py'))
  const { stdout, stderr, status } = spawnSync('/usr/bin/python3', [script, folder], { encoding: 'utf8' })
  t.is(status, 0, stderr)
  for (const { title, files, generation, streams, names = {}, top, shown = {} } of JSON.parse(
    stdout,
  ) as Case[]) {
    const volumes = await Promise.all(files.map((file) => openVolumeFile(path.join(folder, file))))
    t.deepEqual([...new Set(volumes.map(({ dialect }) => dialect.generation))], [generation], title)
    const listed = await listStreams(volumes)
    if (top)
      t.deepEqual(
        listed
          .filter(({ backing }) => !backing)
          .map(({ urn }) => urn)
          .sort(),
        [...top].sort(),
        title,
      )
    for (const { urn, size, reads, error, read_error } of streams) {
      if (error !== undefined) {
        const thrown = await t.throwsAsync(openStream(volumes, urn), undefined, title)
        t.true(thrown?.message.includes(error), `${title}: ${thrown?.message}`)
        continue
      }
      t.true(
        listed.some((entry) => entry.urn === urn),
        `${title}: ${urn} is listed`,
      )
      const stream = await openStream(volumes, urn)
      if (read_error !== undefined) {
        const thrown = await t.throwsAsync(stream.read(0n, 1), undefined, title)
        t.true(thrown?.message.includes(read_error), `${title}: ${thrown?.message}`)
        continue
      }
      t.is(String(stream.size), size, title)
      for (const [at, length, digest] of reads)
        t.is(sha256(await stream.read(BigInt(at), length)), digest, `${title}: ${urn} at ${at}`)
    }
    for await (const { urn, name, stored, compression } of takeInventory(volumes)) {
      const expected = shown[urn]
      if (expected)
        t.deepEqual({ name, stored: String(stored), compression: compression.join() }, expected, title)
      delete shown[urn]
    }
    t.deepEqual(shown, {}, `${title}: all are listed`)
    for (const [urn, name] of Object.entries(names))
      t.is(volumes[0]!.graph.value(urn, aff4('originalFileName')), name, title)
  }
})
