import { createHash } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { recoverVolume } from '../../../../src/formats/aff4/recover/recover.js'
import { scanMembers } from '../../../../src/formats/aff4/recover/scan.js'
import type { ByteSource } from '../../../../src/formats/byte-source.js'
import { FormatError } from '../../../../src/formats/format-error.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { contentOf } from '../recipe.js'
import { recoverBytes } from './recovering.js'
import { writeSample } from './sample.js'

const MiB = 1 << 20

/** A source that counts what is read of it. */
function counting(source: ByteSource): ByteSource & { bytesRead: number; largest: number } {
  return {
    ...source,
    bytesRead: 0,
    largest: 0,
    async read(offset, length) {
      const bytes = await source.read(offset, length)
      this.bytesRead += bytes.length
      this.largest = Math.max(this.largest, length)
      return bytes
    },
  }
}

/** @returns how often the source was read, compared with its size */
async function nothingIn(t: ExecutionContext, source: ByteSource): Promise<number> {
  const counted = counting(source)
  await t.throwsAsync(recoverVolume(counted, bufferSink(), { tool: 'test' }), {
    instanceOf: FormatError,
    message: /nothing to recover/,
  })
  t.true(counted.largest <= MiB)
  return counted.bytesRead / Number(source.size)
}

const noise = (length: number, seed: number) => {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 64)
    createHash('sha512').update(`${seed}/${at}`).digest().copy(bytes, at)
  return bytes
}

/** A local header that claims what it likes. */
function header(name: string, size: bigint, crc = 0x12345678): Buffer {
  const bytes = Buffer.alloc(30 + name.length + 20)
  bytes.writeUInt32LE(0x04034b50, 0)
  bytes.writeUInt16LE(45, 4)
  bytes.writeUInt32LE(crc, 14)
  bytes.fill(0xff, 18, 26)
  bytes.writeUInt16LE(name.length, 26)
  bytes.writeUInt16LE(20, 28)
  bytes.write(name, 30)
  bytes.writeUInt16LE(1, 30 + name.length)
  bytes.writeUInt16LE(16, 32 + name.length)
  bytes.writeBigUInt64LE(size, 34 + name.length)
  bytes.writeBigUInt64LE(size, 42 + name.length)
  return bytes
}

test('there is nothing to recover in noise, in zeros, in nothing', async (t) => {
  t.true((await nothingIn(t, bufferSource(noise(4 * MiB, 1)))) < 1.2)
  t.true((await nothingIn(t, bufferSource(Buffer.alloc(3 * MiB)))) < 1.2)
  for (const size of [0, 1, 29, 30]) await nothingIn(t, bufferSource(Buffer.alloc(size, 'PK')))
})

test('a gibibyte of zeros is searched in one pass', async (t) => {
  const zeros = Buffer.alloc(MiB)
  const source: ByteSource = {
    name: 'zeros',
    size: 1n << 30n,
    async read(offset, length) {
      const left = Number((1n << 30n) - offset)
      return length <= MiB ? zeros.subarray(0, Math.min(length, left)) : Buffer.alloc(length)
    },
    async close() {},
  }
  t.true((await nothingIn(t, source)) < 1.01)
})

test('a file full of signatures is searched in bounded time', async (t) => {
  for (const signature of ['PK\x03\x04', 'PK\x01\x02', 'PK\x07\x08', 'PK'])
    t.true((await nothingIn(t, bufferSource(Buffer.alloc(4 * MiB, signature, 'latin1')))) < 20)
})

test('headers that claim exabytes, or one another, cost a few passes', async (t) => {
  const one = header('aff4%3A%2F%2Fx/00000000', 1n << 60n)
  const claims = (of: (left: number) => bigint, count = 20_000) => {
    const bytes = Buffer.alloc(one.length * count)
    for (let index = 0; index < count; index++)
      header('aff4%3A%2F%2Fx/00000000', of((count - index - 1) * one.length)).copy(bytes, index * one.length)
    return bytes
  }
  const cases = {
    exabytes: claims(() => 1n << 60n),
    'all that is left': claims((left) => BigInt(left)),
    'all but an odd end': claims((left) => BigInt(Math.max(1, left - 7))),
    'a hundred others': claims(() => BigInt(one.length * 100 - 3)),
  }
  for (const [what, bytes] of Object.entries(cases)) {
    const counted = counting(bufferSource(bytes))
    const { members } = await scanMembers(counted)
    t.true(counted.bytesRead < 12 * bytes.length, `${what}: ${counted.bytesRead / bytes.length}`)
    t.false(
      members.some(({ state }) => state === 'whole'),
      what,
    )
  }
})

test('a member of exabytes is kept as far as it goes', async (t) => {
  const bytes = Buffer.concat([header('notes.txt', 1n << 60n), contentOf(1, 10_000)])
  const recovered = (await recoverBytes(bytes))!
  t.is(recovered.recovery.objects[0]!.kept, 10_000n)
  t.deepEqual(recovered.recovery.objects[0]!.lost, [{ start: 10_000n, length: (1n << 60n) - 10_000n }])
})

test('bevy numbers and chunk sizes beyond reason ask for no memory', async (t) => {
  const bevy = header('aff4%3A%2F%2F33333333-3333-4333-8333-333333333333/99999999', 1n << 40n)
  const recovered = (await recoverBytes(Buffer.concat([bevy, contentOf(0, 100_000)])))!
  const [object] = recovered.recovery.objects
  t.true(object!.kept <= 100_000n)
  const source = bufferSource(recovered.bytes)
  t.true(source.size < 1n << 20n)
})

test('damage of the header of any member costs that member alone', async (t) => {
  const sample = await writeSample()
  for (const offset of [0, 4, 8, 14, 18, 22, 26, 28]) {
    const bytes = Buffer.from(sample.bytes)
    for (
      let at = bytes.indexOf('PK\x03\x04', 3000);
      at < 60_000;
      at = bytes.indexOf('PK\x03\x04', at + 20_000)
    )
      bytes[at + offset]! ^= 0xff
    const recovered = (await recoverBytes(bytes))!
    t.true(recovered.recovery.objects.length >= sample.images.length + sample.files.size - 1, `${offset}`)
  }
})
