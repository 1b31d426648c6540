import { readFile } from 'node:fs/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { readDirectory } from '../../../../src/formats/aff4/zip/reader.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { dataStart, flipBit } from '../flip.js'
import { recipes, writeRecipe } from '../recipe.js'
import { check, faults } from './check.js'

/** A volume with every kind of member: chunks raw and compressed, two bevies, block hashes, a map with symbols. */
async function sample(): Promise<Buffer> {
  const ranges = [
    { offset: 4096, length: 3000, content: 'bytes', seed: 3 },
    { offset: 9000, length: 1000, content: 'unreadable', seed: 0 },
    { offset: 10_000, length: 600, content: 'bytes', seed: 1 },
  ] as const
  const sink = bufferSink()
  const recipe = { codec: 'zlib', chunkSize: 512, chunksPerBevy: 5, appended: false, ranges } as const
  const { volume } = await writeRecipe(sink, recipe)
  await volume.segment(`${volume.urn}/notes.txt`, Buffer.from('some words, some words, some words'))
  await volume.finish()
  return sink.bytes()
}

const SIGNATURES = { local: 0x04034b50, entry: 0x02014b50, zip64End: 0x06064b50 }

/**
 * Bytes of a volume that carry nothing a reader of AFF4 uses: version needed, time and date in local headers and in
 * the directory; made by, internal and external attributes in the directory; the versions in the zip64 end record;
 * the end of the last byte of what is deflated; and what no member owns, checkpoints here.
 */
async function idleBytes(bytes: Buffer): Promise<Set<number>> {
  const idle = new Set<number>()
  const add = (start: number, length: number) => {
    for (let at = start; at < start + length; at++) idle.add(at)
  }
  const { members } = await readDirectory(bufferSource(bytes))
  const owned = new Set<number>()
  let directory = bytes.length
  for (const { headerOffset, compressedSize, method } of members.values()) {
    const at = Number(headerOffset)
    add(at + 4, 2)
    add(at + 10, 4)
    const end = at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28) + Number(compressedSize)
    for (let each = at; each < end; each++) owned.add(each)
    if (method === 8) idle.add(end - 1)
  }
  for (let at = bytes.length - 4; at >= 0; at--) {
    const signature = bytes.readUInt32LE(at)
    if (signature === SIGNATURES.zip64End) add(at + 12, 4)
    if (signature !== SIGNATURES.entry || owned.has(at)) continue
    add(at + 4, 4)
    add(at + 12, 4)
    add(at + 36, 6)
    directory = at
  }
  for (let at = 0; at < directory; at++) if (!owned.has(at)) idle.add(at)
  return idle
}

/** @returns offsets at which a flipped bit was not found */
async function unnoticed(bytes: Buffer, flips: Iterable<readonly [number, number]>): Promise<number[]> {
  const found: number[] = []
  for (const [at, bit] of flips) {
    flipBit(bytes, at, bit)
    if (faults(await check(bytes)).length === 0) found.push(at)
    flipBit(bytes, at, bit)
  }
  return found
}

async function holdTo(t: ExecutionContext, bytes: Buffer, flips: Iterable<readonly [number, number]>) {
  const idle = await idleBytes(bytes)
  t.deepEqual(faults(await check(bytes)), [])
  t.deepEqual(
    (await unnoticed(bytes, flips)).filter((at) => !idle.has(at)),
    [],
  )
}

/** A bit of each byte between two offsets, another one each time. */
function* each(from: number, to: number): Generator<[number, number]> {
  for (let at = from; at < to; at++) yield [at, (at * 5) % 8]
}

test('a bit that is flipped in any byte of a volume is found, but where it means nothing', async (t) => {
  const bytes = await sample()
  const { members } = await readDirectory(bufferSource(bytes))
  const sparse = new Set<number>()
  for (const member of members.values()) {
    const start = dataStart(member)
    for (let at = start; at < start + Number(member.compressedSize); at++) if (at % 6 !== 0) sparse.add(at)
  }
  // Of what a CRC covers a sixth is enough.
  await holdTo(
    t,
    bytes,
    [...each(0, bytes.length)].filter(([at]) => !sparse.has(at)),
  )
})

test('the same in a volume of pyaff4, which announces descriptors and writes none', async (t) => {
  const bytes = await readFile('test/data/aff4/dream.aff4')
  await holdTo(t, bytes, each(0, 60))
  await holdTo(t, bytes, each(3500, bytes.length))
})

test('the same in the headers, descriptors and directory of a volume of Evimetry', async (t) => {
  const bytes = await readFile('test/data/aff4/Base-Linear-prestandard.af4')
  const end = 0x8a + 72 + 59
  await holdTo(
    t,
    bytes,
    [...each(0, end)].filter(([at]) => at % 3 === 0),
  )
  await holdTo(
    t,
    bytes,
    [...each(bytes.length - 949, bytes.length)].filter(([at]) => at % 11 === 0),
  )
})

test('bits that are flipped at random in volumes of any shape are found, but where they mean nothing', async (t) => {
  const place = fc.tuple(fc.nat(), fc.nat({ max: 7 }))
  await fc.assert(
    fc.asyncProperty(recipes, fc.array(place, { minLength: 10, maxLength: 10 }), async (recipe, places) => {
      const sink = bufferSink()
      const { volume } = await writeRecipe(sink, recipe)
      await volume.finish()
      const bytes = sink.bytes()
      await holdTo(
        t,
        bytes,
        places.map(([at, bit]) => [at % bytes.length, bit] as const),
      )
    }),
    { numRuns: 40 },
  )
})
