import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { ByteSource } from '../../src/formats/byte-source.js'
import { FormatError } from '../../src/formats/format-error.js'
import { assembleFile } from '../../src/formats/ntfs/file.js'
import type { FileAttribute } from '../../src/formats/ntfs/file-attribute.js'
import { NtfsError } from '../../src/formats/ntfs/finding.js'
import { decodeRecord, type MftRecord } from '../../src/formats/ntfs/record.js'
import { type ClusterRun, decodeRuns } from '../../src/formats/ntfs/runs.js'
import { openStream } from '../../src/formats/ntfs/stream.js'
import { openVolume } from '../../src/formats/ntfs/volume.js'
import { bufferSource } from '../formats/buffer-source.js'
import { createRandom, mutate } from './mutate.js'

const RECORD = 1024
/** Of Windows 10 and ntfs-3g: system files, attribute lists, extensions full of runs, reparse points. */
const RECORDS = gunzipSync(readFileSync('test/data/ntfs/records.gz'))
const SPACE = { clusterSize: 4096, clusterCount: 32 }
const VOLUME = bufferSource(Buffer.alloc(SPACE.clusterSize * SPACE.clusterCount, 0x5a), 'volume')
const MOST_PIECES = 32
const MOST_BYTES = 1n << 20n

/** Rounds from one volume to the next: it is opened from its boot sector on. */
const VOLUME_EACH = 10

/** A record with this number of the fixture. */
const pristine = (index: number) => RECORDS.subarray(index * RECORD, (index + 1) * RECORD)
const COUNT = RECORDS.length / RECORD

/** @returns undefined where it was refused as it should be */
async function refusable<T>(attempt: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

function checkRuns(runs: readonly ClusterRun[], lowestVcn: number, endVcn: number): void {
  let vcn = lowestVcn
  for (const run of runs) {
    assert.equal(run.vcn, vcn)
    assert.ok(run.length > 0 && Number.isSafeInteger(run.vcn + run.length))
    if (run.lcn !== undefined) assert.ok(run.lcn >= 0 && Number.isSafeInteger(run.lcn + run.length))
    vcn += run.length
  }
  assert.equal(endVcn, vcn)
}

function checkRecord(record: MftRecord): void {
  assert.ok(record.attributes.length <= RECORD / 24)
  for (const attribute of record.attributes) {
    assert.ok(attribute.position + attribute.length <= RECORD)
    if (attribute.resident) assert.ok(attribute.value.length < attribute.length)
    else {
      assert.ok(attribute.runs.length <= attribute.length / 2)
      checkRuns(attribute.runs, attribute.lowestVcn, attribute.endVcn)
    }
  }
}

/** Pieces follow one another from the beginning to the end, however many bytes are claimed. */
async function checkStream(attribute: FileAttribute): Promise<void> {
  const stream = openStream(VOLUME, SPACE, attribute, 'stream')
  let offset = 0n
  let pieces = 0
  for await (const piece of stream.pieces()) {
    assert.equal(piece.offset, offset)
    const length = piece.kind === 'bytes' ? BigInt(piece.bytes.length) : piece.length
    assert.ok(length > 0n)
    offset += length
    if (++pieces === MOST_PIECES) return
  }
  assert.equal(offset, stream.size)
}

async function fuzzFile(index: number, random: (below: number) => number): Promise<void> {
  const raw = mutate(pristine(index), random)
  const before = Buffer.from(raw)
  const record = await refusable(() => decodeRecord(raw, index))
  assert.ok(raw.equals(before), 'the record as read was written to')
  if (!record) return
  checkRecord(record)
  const file = await refusable(() =>
    assembleFile(record, {
      clusterSize: SPACE.clusterSize,
      async record(number) {
        const other = mutate(pristine(number % COUNT), random)
        if (random(2) === 0) other.writeUIntLE(index, 32, 6)
        return decodeRecord(other, number)
      },
      async read(attribute) {
        if (attribute.sizes.data > MOST_BYTES) throw new NtfsError('too large for this test')
        return Buffer.from(
          await openStream(VOLUME, SPACE, attribute, 'list').read(0n, Number(attribute.sizes.data)),
        )
      },
    }),
  )
  for (const attribute of file?.attributes ?? []) await checkStream(attribute)
}

/** Records 0 to 29 of a Windows volume where its boot sector says, and zeros around them. */
const MFT_LCN = 21589
const MFT_PLACE = 4096 * MFT_LCN
const FIRST_RECORDS = RECORDS.subarray(0, 30 * RECORD)
const MOST_READ = 16 << 20

function bootSector(): Buffer {
  const bytes = Buffer.alloc(512)
  bytes.write('NTFS    ', 3, 'latin1')
  bytes.writeUInt16LE(512, 11)
  bytes[13] = 8
  bytes.writeBigUInt64LE(1n << 20n, 40)
  bytes.writeBigUInt64LE(BigInt(MFT_LCN), 48)
  bytes.writeBigUInt64LE(2n, 56)
  bytes.writeInt8(-10, 64)
  bytes[68] = 1
  bytes.writeUInt16LE(0xaa55, 510)
  return bytes
}

async function fuzzVolume(random: (below: number) => number): Promise<void> {
  const boot = random(2) === 0 ? mutate(bootSector(), random) : bootSector()
  const records = random(2) === 0 ? mutate(FIRST_RECORDS, random) : Buffer.from(FIRST_RECORDS)
  mutate(records.subarray(0, RECORD), random).copy(records)
  const source: ByteSource = {
    name: 'volume',
    size: 1n << 29n,
    async read(offset, length) {
      assert.ok(offset >= 0n && length <= MOST_READ, `a read of ${length} bytes at ${offset}`)
      const bytes = Buffer.alloc(offset >= this.size ? 0 : length)
      const put = (part: Buffer, place: number) => {
        const at = place - Number(offset)
        if (at >= 0) part.copy(bytes, Math.min(at, bytes.length))
        else part.copy(bytes, 0, Math.min(-at, part.length))
      }
      put(boot, 0)
      put(records, MFT_PLACE)
      return bytes
    },
    async close() {},
  }
  const volume = await refusable(() => openVolume(source, () => {}))
  if (volume) for (const number of [0, 1, 5, random(64)]) await refusable(() => volume.file(number))
}

function fuzzRuns(random: (below: number) => number): void {
  const at = random(RECORDS.length - 64)
  const bytes =
    random(2) === 0
      ? Buffer.from(Array.from({ length: random(64) }, () => random(256)))
      : mutate(RECORDS.subarray(at, at + 64), random)
  const lowestVcn = random(3) === 0 ? random(2 ** 31) * 2 ** 21 : random(100)
  const { runs, endVcn } = decodeRuns(bytes, lowestVcn)
  checkRuns(runs, lowestVcn, endVcn)
}

/**
 * Damages records and run lists of real volumes and reads what is left of them.
 * @throws what a reader threw that it must not, or what it gave wrong; the message says how to do it again
 */
export async function fuzzNtfsRecords(count: number, seed: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const random = createRandom(seed + round * 7919)
    try {
      await fuzzFile(random(COUNT), random)
      fuzzRuns(random)
      if (round % VOLUME_EACH === 0) await fuzzVolume(random)
    } catch (error) {
      throw new Error(`with seed ${seed + round * 7919}`, { cause: error })
    }
  }
}
