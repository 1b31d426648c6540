import test from 'ava'
import fc from 'fast-check'
import { createEncryptedVolume, type Seal } from '../../../../src/formats/aff4/encryption/encrypted-volume.js'
import { freshKey, wrapForPassword } from '../../../../src/formats/aff4/encryption/key-bag.js'
import { encryptedStreamOf, unlock } from '../../../../src/formats/aff4/encryption/unlock.js'
import { createUnitCipher } from '../../../../src/formats/aff4/encryption/xts.js'
import { openVolume } from '../../../../src/formats/aff4/volume.js'
import { createZipWriter } from '../../../../src/formats/aff4/zip/writer.js'
import type { Bytes } from '../../../../src/formats/byte-source.js'
import { FormatError } from '../../../../src/formats/format-error.js'
import { LockedError } from '../../../../src/formats/locked-error.js'
import { bufferSink } from '../../buffer-sink.js'
import { bufferSource } from '../../buffer-source.js'

const LARGEST_READ = 2 << 20
const secrets = { password: async () => Buffer.from('password'), privateKey: async () => undefined }

async function sample(): Promise<Buffer> {
  const key = freshKey()
  const bag = await wrapForPassword(key, Buffer.from('password'), 10)
  const seal: Seal = { bags: [bag], encrypt: createUnitCipher(key, 'encrypt') }
  const sink = bufferSink()
  const volume = await createEncryptedVolume(sink, { tool: 'test' }, seal)
  await volume.segment(`${volume.urn}/file`, Buffer.from('content '.repeat(1000)))
  await volume.finish()
  return sink.bytes()
}

/** The same volume with other members. */
async function changed(
  bytes: Bytes,
  change: (name: string, content: Buffer) => Buffer | undefined,
): Promise<Buffer> {
  const volume = await openVolume(bufferSource(bytes))
  const sink = bufferSink()
  const zip = createZipWriter(sink)
  for (const [name, member] of volume.members) {
    const content = change(name, Buffer.from(await volume.read(member, 1n << 20n)))
    if (content) await zip.write({ name, pieces: [content] })
  }
  await zip.finish(volume.urn)
  return sink.bytes()
}

const turtle = (from: RegExp, to: string) => (name: string, content: Buffer) => {
  if (name !== 'information.turtle') return content
  const text = content.toString()
  if (!from.test(text)) throw new Error(`no ${from}`)
  return Buffer.from(text.replace(from, to))
}

async function open(bytes: Bytes): Promise<void> {
  const source = bufferSource(bytes)
  const outer = await openVolume(source)
  const stream = encryptedStreamOf(outer)
  if (stream === undefined) return
  const inner = await openVolume(await unlock(outer, stream, secrets))
  for (const member of inner.members.values()) await inner.read(member, 1n << 20n)
  if (source.largestRead > LARGEST_READ) throw new Error(`${source.largestRead} bytes at once`)
}

const size = /aff4:size "\d+"/
const chunkSize = /aff4:chunkSize "512"/
const chunks = /aff4:chunksInSegment "8192"/
const isBevy = (name: string) => /\/00000000$/.test(name)
const isIndex = (name: string) => /\/00000000\.index$/.test(name)

function indexed(edit: (index: Buffer) => void) {
  return (name: string, content: Buffer) => {
    if (isIndex(name)) edit(content)
    return content
  }
}

const REFUSED: [string, Parameters<typeof changed>[1], RegExp][] = [
  ['a chunk size of 0', turtle(chunkSize, 'aff4:chunkSize "0"'), /chunks of 0 bytes/],
  ['a chunk size of 2^31', turtle(chunkSize, 'aff4:chunkSize "2147483648"'), /chunks of 2147483648 bytes/],
  ['a chunk size of 32 KiB', turtle(chunkSize, 'aff4:chunkSize "32768"'), /not 512/],
  ['no chunk size', turtle(chunkSize, 'aff4:other "512"'), /chunks of no bytes/],
  ['no chunks in a bevy', turtle(chunks, 'aff4:chunksInSegment "0"'), /0 chunks in a bevy/],
  ['2^40 chunks in a bevy', turtle(chunks, `aff4:chunksInSegment "${2 ** 40}"`), /chunks in a bevy/],
  ['no size', turtle(size, 'aff4:other "1"'), /no size/],
  ['a negative size', turtle(size, 'aff4:size "-1"'), /no size/],
  ['a size of 2^63', turtle(size, `aff4:size "${2n ** 63n}"`), /bevy \d+ is not in the volume/],
  ['a size past its chunks', turtle(size, 'aff4:size "1000000"'), /not in the index/],
  ['a size of no bytes', turtle(size, 'aff4:size "0"'), /zip: no end/],
  ['a size that cuts the inner volume', turtle(size, 'aff4:size "700"'), /zip: no end/],
  ['no bevy', (name, content) => (isBevy(name) ? undefined : content), /bevy 0 is not in the volume/],
  ['no index', (name, content) => (isIndex(name) ? undefined : content), /bevy 0 is not in the volume/],
  [
    'a cut bevy',
    (name, content) => (isBevy(name) ? content.subarray(0, -1) : content),
    /past the end of its bevy/,
  ],
  [
    'an empty bevy',
    (name, content) => (isBevy(name) ? content.subarray(0, 0) : content),
    /past the end of its bevy/,
  ],
  ['a cut index', (name, content) => (isIndex(name) ? content.subarray(0, -7) : content), /not in the index/],
  ['a chunk of no bytes', indexed((index) => index.writeUInt32LE(0, 8)), /stored in 0 bytes/],
  [
    'a chunk of 2^31 bytes',
    indexed((index) => index.writeUInt32LE(2 ** 31, 8)),
    /stored in 2147483648 bytes/,
  ],
  ['a chunk far away', indexed((index) => index.writeBigUInt64LE(2n ** 63n, 0)), /past the end of its bevy/],
  ['another order of chunks', indexed((index) => index.copyWithin(0, 12, 24)), /./],
  ['another key', turtle(/aff4:wrappedKey "../, 'aff4:wrappedKey "00'), /wrong password/],
  [
    '2^40 iterations',
    turtle(/aff4:iterations "10"/, `aff4:iterations "${2 ** 40}"`),
    /1099511627776 iterations/,
  ],
  ['no key bag', turtle(/aff4:keyBag/, 'aff4:bag'), /no key bag can be used: there is none/],
  ['a bag of an unknown type', turtle(/aff4:PasswordWrappedKeyBag/, 'aff4:KeyBag'), /KeyBag is not known/],
  [
    'two encrypted streams',
    turtle(/\.\n$/, '.\n<aff4://other> a aff4:EncryptedStream .\n'),
    /2 encrypted streams/,
  ],
]

for (const [what, change, why] of REFUSED)
  test(`${what}: refused with the reason`, async (t) => {
    const error = await t.throwsAsync(open(await changed(await sample(), change)))
    t.true(error instanceof FormatError || error instanceof LockedError, error?.stack)
    t.regex(error!.message, why)
    t.regex(error!.message, /^buffer: /)
  })

test('a volume with bytes changed anywhere is read or refused, never worse', async (t) => {
  const bytes = await sample()
  const change = fc.record({ at: fc.nat(bytes.length - 1), value: fc.nat(255) })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const damaged = Buffer.from(bytes)
      for (const { at, value } of changes) damaged[at] = value
      try {
        await open(damaged)
      } catch (error) {
        t.true(error instanceof FormatError || error instanceof LockedError, (error as Error).stack)
      }
    }),
    { numRuns: 300 },
  )
})

test('a volume cut anywhere is refused', async (t) => {
  const bytes = await sample()
  for (let end = 0; end < bytes.length; end += 61)
    await t.throwsAsync(open(bytes.subarray(0, end)), { instanceOf: FormatError })
})
