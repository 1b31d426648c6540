import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { type ChunkReader, openChunkReader, type ReadChunks } from '../../src/codecs/chunk-reader.js'
import { decompress } from '../../src/codecs/codec.js'
import type { WritableCodec } from '../../src/codecs/codec-error.js'
import { noise, sample } from './samples.js'

const MIB = 1 << 20
const CHUNK = 32 << 10

/** A file that is open for a test. */
function opened(t: ExecutionContext, bytes: Uint8Array): number {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pmem-test-'))
  const file = path.join(folder, 'file')
  fs.writeFileSync(file, bytes)
  const fd = fs.openSync(file, 'r')
  fs.rmSync(folder, { recursive: true })
  t.teardown(() => fs.closeSync(fd))
  return fd
}

function reader(t: ExecutionContext, codec: WritableCodec, chunkSize = CHUNK): ChunkReader {
  const opened = openChunkReader(codec, chunkSize)
  t.teardown(opened.close)
  return opened
}

/** What was read, as it was in the file. */
function decoded({ codec, chunkSize }: ChunkReader, { runs }: ReadChunks, length: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(length / chunkSize) * chunkSize)
  for (const { first, lengths, bytes: stored, crc } of runs) {
    if (crc32(stored) !== crc) throw new Error('the CRC is of other bytes')
    let at = 0
    for (const [index, each] of lengths.entries()) {
      const chunk = stored.subarray(at, at + each)
      bytes.set(each === chunkSize ? chunk : decompress(codec, chunk, chunkSize), (first + index) * chunkSize)
      at += each
    }
    if (at !== stored.length) throw new Error('more is stored than the lengths say')
  }
  if (!bytes.subarray(length).every((byte) => byte === 0)) throw new Error('padded with other than zeros')
  return bytes.subarray(0, length)
}

/** Mebibytes of every kind, and holes within them. */
const mixed = Buffer.concat([
  ...(['text', 'zero', 'noise', 'pointers', 'mixed'] as const).map((kind) => sample(kind, MIB)),
  sample('zero', CHUNK),
  ...Array.from({ length: 60 }, (_, i) =>
    i % 3 === 1 ? Buffer.alloc(CHUNK) : noise(CHUNK / 2, i).toString('hex'),
  ).map((bytes) => Buffer.from(bytes)),
])

/** Reads a whole file as the imager does, so many reads ahead. */
async function readAll(from: ChunkReader, fd: number, size: number): Promise<Buffer> {
  const reads: { length: number; read: ReturnType<ChunkReader['read']> }[] = []
  const parts: Buffer[] = []
  for (let at = 0; at < size || reads.length > 0; ) {
    while (at < size && reads.length < from.depth) {
      const length = Math.min(from.size, size - at)
      reads.push({ length, read: from.read({ fd, position: BigInt(at) }, length) })
      at += length
    }
    const { length, read } = reads.shift()!
    const found = (await read)!
    parts.push(decoded(from, found, length))
    found.release()
  }
  return Buffer.concat(parts)
}

for (const codec of ['zlib', 'snappy', 'lz4'] as const)
  test(`${codec}: files come back whole, whatever they hold and however they end`, async (t) => {
    const from = reader(t, codec)
    from.start()
    for (const size of [mixed.length, mixed.length - 1, 3 * MIB + 777, CHUNK, 1])
      t.true((await readAll(from, opened(t, mixed.subarray(0, size)), size)).equals(mixed.subarray(0, size)))
  })

test('chunks of any size, and larger than a read', async (t) => {
  for (const chunkSize of [512, 4096, 100_000, 3 * MIB]) {
    const from = reader(t, 'snappy', chunkSize)
    t.is(from.size % chunkSize, 0)
    t.true((await readAll(from, opened(t, mixed), mixed.length)).equals(mixed))
  }
})

test('what nothing shortens is stored as it is, and zeros are not', async (t) => {
  const from = reader(t, 'zlib')
  const fd = opened(t, Buffer.concat([Buffer.alloc(CHUNK), noise(2 * CHUNK), Buffer.alloc(CHUNK)]))
  const found = await from.read({ fd, position: 0n }, 4 * CHUNK)
  t.deepEqual(
    found?.runs.map(({ first, lengths }) => ({ first, lengths })),
    [{ first: 1, lengths: [CHUNK, CHUNK] }],
  )
})

test('what cannot be read whole is told as such, and what comes then is read', async (t) => {
  const from = reader(t, 'snappy')
  const fd = opened(t, mixed.subarray(0, MIB))
  t.is(await from.read({ fd, position: 1n }, MIB), undefined)
  t.is(await from.read({ fd: 1 << 20, position: 0n }, MIB), undefined)
  t.is(await from.read({ fd, position: BigInt(2 * MIB) }, CHUNK), undefined)
  const found = await from.read({ fd, position: 0n }, MIB)
  t.true(decoded(from, found!, MIB).equals(mixed.subarray(0, MIB)))
})

test('stored bytes stay until they are released, and longer while they are held', async (t) => {
  const from = reader(t, 'snappy')
  const content = noise(40 * MIB)
  const fd = opened(t, content)
  const read = async (index: number) => (await from.read({ fd, position: BigInt(index * MIB) }, MIB))!
  const kept = await read(0)
  const held = await read(1)
  const letGo = [held.hold(), held.hold()]
  held.release()
  const memories = new Set<ArrayBufferLike>()
  for (let index = 2; index < 20; index++) {
    const found = await read(index)
    memories.add(found.runs[0]!.bytes.buffer)
    found.release()
  }
  t.is(memories.size, 1)
  letGo[0]!()
  for (let index = 20; index < 40; index++) await read(index)
  t.true(decoded(from, kept, MIB).equals(content.subarray(0, MIB)))
  t.true(decoded(from, held, MIB).equals(content.subarray(MIB, 2 * MIB)))
  letGo[1]!()
  t.throws(() => held.hold(), { instanceOf: RangeError })
})

test('more reads than agreed are refused; closing ends what is under way', async (t) => {
  const from = openChunkReader('zlib', CHUNK)
  const fd = opened(t, mixed)
  from.start()
  const reads = Array.from({ length: from.depth }, () => from.read({ fd, position: 0n }, MIB))
  t.throws(() => from.read({ fd, position: 0n }, MIB), { instanceOf: RangeError })
  const ended = Promise.allSettled(reads)
  await from.close()
  for (const { status } of await ended) t.true(status === 'fulfilled' || status === 'rejected')
  await t.throwsAsync(from.read({ fd, position: 0n }, MIB), { message: 'the threads are closed' })
})
