import { ATTRIBUTE } from './attribute-type.js'
import { decodeFileName, type FileName, holdsFileName } from './file-name.js'
import { decodeFileReference, type FileReference } from './file-reference.js'
import { undoFixups } from './fixups.js'
import { RECORD_FLAG } from './record.js'
import type { NtfsVolume } from './volume.js'

// Headers of records and resident attributes, as in record.ts and attributes.ts: of the many records of a scan no more
// than names is decoded.
const SIGNATURES = [0x454c4946, 0x44414142]
const HEADER_SIZE = 42
const RESIDENT_HEADER_SIZE = 24
const END = 0xffffffff

const PIECE_SIZE = 1 << 20

/** Records that follow one another; their bytes are those of the volume, and valid until the next ones are asked for. */
interface RecordBatch {
  readonly first: number
  readonly count: number
  readonly bytes: Buffer
}

/** A record that is or was in use, and the names that stand in it. */
export interface ScannedRecord {
  readonly number: number
  readonly sequence: number
  readonly flags: number
  /** The file that it extends; undefined: it is the base of its own. */
  readonly base: FileReference | undefined
  readonly names: readonly FileName[]
  /** Whether its fixups and attributes lead to all names. */
  readonly sound: boolean
}

export const hasInUseFlag = (flags: number): boolean => (flags & RECORD_FLAG.IN_USE) !== 0

/**
 * Every record of $MFT that has a signature, in order, in batches of a MiB. What cannot be read is reported and passed
 * over, and so is what was never written.
 * @param wanted which ones to decode, by their flags
 */
export async function* scanMft(
  volume: NtfsVolume,
  wanted: (flags: number) => boolean = () => true,
): AsyncGenerator<readonly ScannedRecord[]> {
  const { recordSize } = volume.geometry
  /** Numbers of records that something stands in, but not what a record is. */
  const damaged = { count: 0, first: 0 }
  for await (const { first, count, bytes } of readBatches(volume)) {
    const records: ScannedRecord[] = []
    for (let index = 0; index < count; index++) {
      const at = index * recordSize
      const signature = bytes.readUInt32LE(at)
      if (SIGNATURES.includes(signature)) {
        if (!wanted(bytes.readUInt16LE(at + 22))) continue
        const record = decodeScanned(bytes.subarray(at, at + recordSize), first + index)
        records.push(record)
        if (record.sound) continue
      } else if (signature === 0) continue
      if (damaged.count++ === 0) damaged.first = first + index
    }
    yield records
  }
  const { count, first } = damaged
  if (count > 0)
    volume.report({
      message: `$MFT: ${count === 1 ? `record ${first} is` : `${count} records, the first ${first}, are`} damaged; a name in there is not seen`,
      record: first,
    })
}

async function* readBatches({ source, mft, geometry, report }: NtfsVolume): AsyncGenerator<RecordBatch> {
  const { recordSize } = geometry
  let left = source.size
  const slab = Buffer.allocUnsafe(PIECE_SIZE)
  /** The beginning of a record whose end is in the next piece. */
  let cut = { offset: 0, bytes: Buffer.alloc(0) }
  for await (const piece of mft.pieces(0n, mft.size, (_, length) => slab.subarray(0, length))) {
    if (piece.kind === 'unreadable')
      report({
        message: `$MFT: ${piece.length} bytes cannot be read: ${piece.reason}`,
        offset: piece.offset,
      })
    if (piece.kind !== 'bytes') continue
    left -= BigInt(piece.bytes.length)
    if (left < 0n) {
      report({
        message: '$MFT claims more clusters than the volume has; the rest is not searched',
        offset: piece.offset,
      })
      return
    }
    const begins = Number(piece.offset)
    const joins = cut.bytes.length > 0 && cut.offset + cut.bytes.length === begins
    const bytes = joins ? Buffer.concat([cut.bytes, piece.bytes]) : piece.bytes
    const offset = joins ? cut.offset : begins
    const first = Math.ceil(offset / recordSize)
    const start = Math.min(bytes.length, first * recordSize - offset)
    const count = Math.floor((bytes.length - start) / recordSize)
    const end = start + count * recordSize
    cut = { offset: offset + end, bytes: Buffer.from(bytes.subarray(end)) }
    if (count > 0) yield { first, count, bytes: bytes.subarray(start, end) }
  }
}

/** @param bytes of one record, as on disk; fixups are undone in them */
function decodeScanned(bytes: Buffer, number: number): ScannedRecord {
  const isBase = bytes.readUInt32LE(32) === 0 && bytes.readUInt32LE(36) === 0
  const names: FileName[] = []
  const sound = undoFixups(bytes, HEADER_SIZE) !== undefined && collectNames(bytes, names)
  return {
    number,
    sequence: bytes.readUInt16LE(16),
    flags: bytes.readUInt16LE(22),
    base: isBase ? undefined : decodeFileReference(bytes, 32),
    names,
    sound,
  }
}

/** @returns whether all of its attributes could be passed through */
function collectNames(bytes: Buffer, names: FileName[]): boolean {
  const end = Math.min(bytes.readUInt32LE(24), bytes.length)
  for (let at = bytes.readUInt16LE(20); at + 4 <= end; ) {
    const type = bytes.readUInt32LE(at)
    if (type === END) return true
    if (at + 8 > end) return false
    const length = bytes.readUInt32LE(at + 4)
    if (length < RESIDENT_HEADER_SIZE || length % 8 !== 0 || at + length > end) return false
    if (type === ATTRIBUTE.FILE_NAME && bytes[at + 8] === 0) {
      const valueLength = bytes.readUInt32LE(at + 16)
      const value = bytes.readUInt16LE(at + 20)
      if (value + valueLength > length || !holdsFileName(bytes, at + value, valueLength)) return false
      names.push(decodeFileName(bytes, at + value, valueLength))
    }
    at += length
  }
  return false
}
