import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { createEncryptedSink } from '../../../../src/formats/aff4/encryption/encrypted-sink.js'
import {
  createEncryptedVolume,
  createSeal,
  type Seal,
} from '../../../../src/formats/aff4/encryption/encrypted-volume.js'
import { freshKey, wrapForPassword } from '../../../../src/formats/aff4/encryption/key-bag.js'
import { encryptedStreamOf, unlock } from '../../../../src/formats/aff4/encryption/unlock.js'
import { createUnitCipher } from '../../../../src/formats/aff4/encryption/xts.js'
import { aff4, iri, pmem, RDF_TYPE, text } from '../../../../src/formats/aff4/lexicon.js'
import { openStream } from '../../../../src/formats/aff4/reader.js'
import { openVolume, type Volume } from '../../../../src/formats/aff4/volume.js'
import type { VolumeWriter } from '../../../../src/formats/aff4/writer.js'
import type { ByteSource, Bytes } from '../../../../src/formats/byte-source.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'
import { unzipComplaints } from '../python.js'
import { decryptWithPython } from './decrypt.js'

const BEVY = 4 << 20
const MiB = 1 << 20

/** A seal for the password `password`, quicker to open than those of the tools. */
async function quickSeal(): Promise<Seal> {
  const key = freshKey()
  const bag = await wrapForPassword(key, Buffer.from('password'), 10)
  return { bags: [bag], encrypt: createUnitCipher(key, 'encrypt') }
}

const secrets = { password: async () => Buffer.from('password'), privateKey: async () => undefined }

async function openOuter(bytes: Bytes): Promise<{ outer: Volume; plain: ByteSource }> {
  const outer = await openVolume(bufferSource(bytes))
  return { outer, plain: await unlock(outer, encryptedStreamOf(outer)!, secrets) }
}

const openInner = async (bytes: Bytes): Promise<Volume> => openVolume((await openOuter(bytes)).plain)

/** Bytes that are nowhere else. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 8 <= length; at += 8)
    bytes.writeBigUInt64LE((BigInt(at) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn, at)
  return bytes
}

const SOURCE = pattern(2 * BEVY + 3000)

test('what is written in pieces of any size reads back at any offset', async (t) => {
  const seal = await quickSeal()
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 3000 }),
    fc.constantFrom(BEVY - 1, BEVY, BEVY + 1, 2 * BEVY, SOURCE.length),
  )
  const reads = fc.array(fc.record({ at: fc.nat(), length: fc.oneof(fc.nat(2000), fc.nat(3 * MiB)) }), {
    maxLength: 8,
  })
  const steps = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 100_000, max: 6 * MiB }))
  await fc.assert(
    fc.asyncProperty(sizes, steps, reads, async (size, step, wanted) => {
      const sink = bufferSink()
      const encrypted = await createEncryptedSink(
        sink,
        { tool: 'test', now: new Date(0) },
        seal.bags,
        seal.encrypt,
      )
      for (let at = 0; at < size; at += Math.max(step, size / 200))
        await encrypted.write(
          SOURCE.subarray(Math.ceil(at), Math.min(Math.ceil(at + Math.max(step, size / 200)), size)),
        )
      t.is(encrypted.position, BigInt(size))
      await encrypted.finish('complete')
      const { outer, plain } = await openOuter(sink.bytes())
      t.is(plain.size, BigInt(size))
      t.is(outer.graph.value(outer.urn, pmem('status')), 'complete')
      for (const { at, length } of [...wanted, { at: 0, length: size }]) {
        const from = at % (size + 10)
        const read = await plain.read(BigInt(from), length)
        t.true(
          SOURCE.subarray(0, size)
            .subarray(from, from + length)
            .equals(read),
        )
      }
    }),
    { numRuns: 15 },
  )
})

/** An image of so many bytes in bevies of 1 MiB. */
async function writeImage(volume: VolumeWriter, size: number): Promise<string> {
  const urn = `${volume.urn}/image`
  volume.graph.add(urn, RDF_TYPE, iri(aff4('Image')))
  const map = volume.map({ image: urn })
  const stream = volume.imageStream({ chunkSize: 32768, chunksPerBevy: 32 }, map)
  for (let done = 0; done < size; ) {
    const targetOffset = stream.position
    const taken = stream.append(SOURCE.subarray(done, size))
    map.add({ offset: BigInt(done), length: BigInt(taken), targetOffset, target: stream.urn })
    done += taken
    if (stream.full) await stream.flush()
  }
  return urn
}

test('Python decrypts the volume, and what is inside is a whole ZIP file that ends with a chunk', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pmem-encrypted-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const seal = await createSeal(Buffer.from('pässword'), [])
  for (const size of [0, 1000, 9 * MiB]) {
    const sink = bufferSink()
    const volume = await createEncryptedVolume(sink, { tool: 'test' }, seal)
    await volume.segment(`${volume.urn}/etc/a name`, Buffer.from('content '.repeat(100)))
    await writeImage(volume, Math.min(size, SOURCE.length))
    await volume.finish()
    const [outer, inner] = [path.join(folder, `${size}.aff4`), path.join(folder, `${size}.inner.aff4`)]
    writeFileSync(outer, sink.bytes())
    t.is(unzipComplaints(outer), '')
    const { kinds } = decryptWithPython(outer, inner, 'pässword')
    t.deepEqual(kinds, ['PasswordWrappedKeyBag'])
    t.is(unzipComplaints(inner), '')
    const { plain } = await unlockWith(sink.bytes(), 'pässword')
    t.is(plain.size % 512n, 0n)
    const { members } = await openVolume(plain)
    t.true(members.has('etc/a name'))
  }
})

async function unlockWith(bytes: Bytes, password: string): Promise<{ plain: ByteSource }> {
  const outer = await openVolume(bufferSource(bytes))
  const given = { ...secrets, password: async () => Buffer.from(password) }
  return { plain: await unlock(outer, encryptedStreamOf(outer)!, given) }
}

test('nothing of what is inside stands outside, whole or cut', async (t) => {
  const sink = bufferSink()
  const volume = await createEncryptedVolume(sink, { tool: 'test' }, await quickSeal())
  const marks = ['a secret name', 'a secret fact', 'a secret content', 'PhysicalMemory']
  volume.graph.add(`${volume.urn}/a secret name`, pmem('fact'), text('a secret fact'))
  volume.graph.add(volume.urn, pmem('status'), text('failed'))
  volume.graph.add(volume.urn, pmem('incomplete'), text('failed: a secret fact'))
  await volume.segment(`${volume.urn}/PhysicalMemory`, Buffer.from('a secret content'))
  await writeImage(volume, 5 * MiB)
  const halves = [sink.bytes()]
  await volume.finish()
  halves.push(sink.bytes())
  for (const bytes of halves) {
    for (const mark of [...marks, volume.urn, volume.urn.slice(7)]) t.is(bytes.indexOf(mark), -1, mark)
    // A sample of the image: anything of it would show.
    for (let at = 0; at < 5 * MiB; at += 65536) t.is(bytes.indexOf(SOURCE.subarray(at + 16, at + 32)), -1)
  }
  const inner = await openInner(sink.bytes())
  t.is(inner.graph.value(inner.urn, pmem('incomplete')), 'failed: a secret fact')
})

test('two volumes of the same content have nothing in common', async (t) => {
  const written = await Promise.all(
    [1, 2].map(async () => {
      const sink = bufferSink()
      const volume = await createEncryptedVolume(
        sink,
        { tool: 'test', urn: 'aff4://00000000-0000-4000-8000-000000000001', now: new Date(0) },
        await createSeal(Buffer.from('password'), []),
      )
      await writeImage(volume, 100_000)
      await volume.finish()
      return sink.bytes()
    }),
  )
  const blocks = (bytes: Buffer) =>
    new Set(
      Array.from({ length: 1000 }, (_, index) =>
        bytes.toString('hex', 20_000 + 16 * index, 20_016 + 16 * index),
      ),
    )
  const [first, second] = written.map(blocks)
  t.true([...first!].every((block) => !second!.has(block)))
})

test('when the disk is full at any point, everything before the failed write opens', async (t) => {
  const seal = await quickSeal()
  const size = SOURCE.length - 100_000
  let full = 0
  for (const percent of [1, 45, 50, 55, 95, 98]) {
    const sink = bufferSink(Math.floor((percent / 100) * (size + 500_000)))
    const volume = await createEncryptedVolume(sink, { tool: 'test' }, seal)
    try {
      await writeImage(volume, size)
      await volume.finish()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      full++
      const held = volume.finishBytes
      await volume.dropUnflushed()
      sink.truncate(volume.intact)
      sink.capacity = Number(volume.intact) + held
      await volume.finish()
    }
    const inner = await openInner(sink.bytes())
    const stream = await openStream([inner], `${inner.urn}/image`)
    let bytes = 0
    for (const { start, length } of stream.runs) {
      const read = await stream.read(start, Number(length))
      t.true(SOURCE.subarray(Number(start), Number(start + length)).equals(read))
      bytes += read.length
    }
    // A bevy of either kind is what a full disk costs.
    const room = Math.min(size, (percent / 100) * (size + 500_000))
    t.true(bytes >= room - BEVY - 3 * MiB, `${percent} %: ${bytes} of ${room}`)
  }
  t.true(full >= 5)
})

test('what was accepted is not lost when a write fails, and writing goes on behind it', async (t) => {
  const seal = await quickSeal()
  for (const [capacity, accepted] of [
    [MiB, 2 * MiB],
    [BEVY + 102_000, BEVY + 1000],
    [BEVY + 200_000, 2 * BEVY],
  ] as const) {
    const sink = bufferSink(capacity)
    const encrypted = await createEncryptedSink(
      sink,
      { tool: 'test', now: new Date(0) },
      seal.bags,
      seal.encrypt,
    )
    await encrypted.write(SOURCE.subarray(0, accepted))
    const good = encrypted.position
    await t.throwsAsync(
      encrypted.write(SOURCE.subarray(accepted, accepted + 3000)).then(() => encrypted.finish(undefined)),
      { code: 'ENOSPC' },
    )
    await encrypted.rewind(good)
    t.is(encrypted.position, good)
    sink.truncate(encrypted.intact)
    sink.capacity = Number(encrypted.intact) + encrypted.finishBytes(10)
    await encrypted.write(Buffer.from('0123456789'))
    await encrypted.finish('failed')
    const { plain } = await openOuter(sink.bytes())
    t.is(plain.size, good + 10n)
    const sum = createHash('md5').update(await plain.read(0n, Number(plain.size)))
    const expected = createHash('md5').update(SOURCE.subarray(0, accepted)).update('0123456789')
    t.is(sum.digest('hex'), expected.digest('hex'))
  }
})

test('a certificate whose key cannot do it is refused', async (t) => {
  await t.throwsAsync(createSeal(randomBytes(8), [{ publicKey: { asymmetricKeyType: 'ec' } } as never]), {
    instanceOf: RangeError,
  })
})
