import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import test from 'ava'
import type { ByteSource } from '../../../src/formats/byte-source.js'
import { ATTRIBUTE } from '../../../src/formats/ntfs/attribute-type.js'
import { assembleFile, findAttribute } from '../../../src/formats/ntfs/file.js'
import type { FileAttribute } from '../../../src/formats/ntfs/file-attribute.js'
import type { Finding } from '../../../src/formats/ntfs/finding.js'
import { openLogFile } from '../../../src/formats/ntfs/log-file/read.js'
import { scanMft } from '../../../src/formats/ntfs/mft-scan.js'
import { scanSecurityEntries } from '../../../src/formats/ntfs/security/store.js'
import { openStream } from '../../../src/formats/ntfs/stream.js'
import { openVolume, RECORD } from '../../../src/formats/ntfs/volume.js'
import { bufferSource } from '../buffer-source.js'
import { attributeOf, edit } from './images/editor.js'
import { image } from './images/image.js'

const VAST = 1n << 50n

const vast = (attribute: FileAttribute): FileAttribute => ({
  ...attribute,
  sizes: { allocated: VAST, data: VAST, initialised: VAST },
})

async function gather<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const part of parts) all.push(part)
  return all
}

test('a log that claims what it has no clusters for gives the records that it has, and says so in a few words', async (t) => {
  const bytes = gunzipSync(readFileSync('test/data/ntfs/logfile.gz'))
  const space = { clusterSize: 4096, clusterCount: bytes.length / 4096 }
  const attribute: FileAttribute = {
    type: ATTRIBUTE.DATA,
    name: '',
    flags: 0,
    record: RECORD.LOG_FILE,
    id: 1,
    value: undefined,
    indexed: false,
    extents: [],
    runs: [{ vcn: 0, lcn: 0, length: space.clusterCount }],
    endVcn: space.clusterCount,
    sizes: { allocated: VAST, data: VAST, initialised: VAST },
    compressionUnit: 0,
  }
  const read = async (log: ByteSource, report: (finding: Finding) => void) =>
    (await gather((await openLogFile(log, report)).records())).flat()
  const messages = new Set<string>()
  let findings = 0
  const records = await read(openStream(bufferSource(bytes), space, attribute, '$LogFile'), ({ message }) => {
    findings++
    messages.add(message)
  })
  const sound = await read(bufferSource(bytes), () => {})
  t.true(sound.length > 0)
  t.deepEqual(records, sound)
  t.deepEqual(
    [...messages],
    [
      '$LogFile of 274877906944 pages is read up to 1048576',
      '$LogFile: a page is left out: no run covers it',
    ],
  )
  t.true(findings < 5000)
})

test('security descriptors that claim what they have no clusters for are those that there are', async (t) => {
  const volume = await openVolume(bufferSource(edit(await image('small')).bytes), () => {})
  const attribute = findAttribute(await volume.file(RECORD.SECURE), ATTRIBUTE.DATA, '$SDS')!
  const messages = new Set<string>()
  const entries = await gather(
    scanSecurityEntries(volume.stream(vast(attribute)), ({ message }) => messages.add(message)),
  )
  t.true(entries.length > 0)
  t.deepEqual(entries, await gather(scanSecurityEntries(volume.stream(attribute), () => {})))
  t.is(messages.size, 2)
})

test('an attribute list that names records of others is left after 8192 of them, and the file stands', async (t) => {
  const volume = await openVolume(bufferSource(edit(await image('small')).bytes), () => {})
  const { manifest } = await image('small')
  const many = manifest.files.find(({ path }) => path === 'links/many')!.record
  const sound = await volume.file(many)
  const list = Buffer.alloc(32 * 30_000)
  for (let entry = 0; entry < 30_000; entry++) {
    const at = 32 * entry
    list.writeUInt32LE(ATTRIBUTE.FILE_NAME, at)
    list.writeUInt16LE(32, at + 4)
    list.writeUInt8(26, at + 7)
    list.writeUIntLE(1000 + entry, at + 16, 6)
  }
  let asked = 0
  const file = await assembleFile(sound.base, {
    clusterSize: volume.geometry.clusterSize,
    record: () => {
      asked++
      return volume.record(RECORD.ROOT)
    },
    read: async () => list,
  })
  t.is(asked, 8192)
  t.is(file.findings.length, 1001)
  t.is(file.findings.at(-1)!.message, `record ${many}: more is wrong with it than is told`)
  t.deepEqual(
    file.attributes.map(({ type }) => type).sort(),
    sound.base.attributes.map(({ type }) => type).sort(),
  )
})

const AGAIN = 127

test('$MFT whose runs name clusters of the volume twice is searched for no more than the volume has', async (t) => {
  const small = edit(await image('small'))
  const lcn = small.place(0) / small.cluster
  const clusters = small.bytes.length / small.cluster - lcn - 1
  small.edit(RECORD.MFT, (record) => {
    const data = attributeOf(record, ATTRIBUTE.DATA)
    for (const at of [40, 48, 56]) data.writeBigUInt64LE(BigInt((clusters + AGAIN) * small.cluster), at)
    data.writeBigUInt64LE(BigInt(clusters + AGAIN - 1), 24)
    const runs = data.subarray(data.readUInt16LE(32))
    // Where it is, up to the end of the volume; and there again.
    runs[0] = 0x12
    runs.writeUInt16LE(clusters, 1)
    runs.writeInt8(lcn, 3)
    runs.set([0x11, AGAIN, 0, 0], 4)
  })
  const source = bufferSource(small.bytes)
  let bytes = 0
  const counting: ByteSource = {
    ...source,
    read(offset, length, into) {
      bytes += length
      return source.read(offset, length, into)
    },
  }
  const messages: string[] = []
  const volume = await openVolume(counting, ({ message }) => messages.push(message))
  t.is(volume.mft.size, BigInt((clusters + AGAIN) * small.cluster))
  bytes = 0
  const numbers = (await gather(scanMft(volume))).flat().map(({ number }) => number)
  t.true(numbers.length > 100)
  t.true(bytes <= small.bytes.length + (1 << 20), String(bytes))
  t.true(messages.includes('$MFT claims more clusters than the volume has; the rest is not searched'))
})
