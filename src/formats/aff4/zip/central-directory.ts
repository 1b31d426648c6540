import { asBuffer } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import { flagsOf, type MemberFacts, VERSION_NEEDED } from './local-header.js'
import { dosTime, timeExtra } from './times.js'
import { readZip64, zip64Extra } from './zip64.js'

/**
 * Central directory entry (APPNOTE 6.3.10 §4.3.12), then name, extra field, comment:
 *
 *      0  4  signature 50 4b 01 02      24  4  uncompressed size
 *      4  2  version made by            28  2  name length
 *      6  2  version needed             30  2  extra length
 *      8  2  flags                      32  2  comment length
 *     10  2  method                     34  2  disk
 *     12  2  DOS time                   36  2  internal attributes
 *     14  2  DOS date                   38  4  external attributes
 *     16  4  CRC-32                     42  4  offset of the local header
 *     20  4  compressed size
 */
export const ENTRY_SIZE = 46
const SIGNATURE = 0x02014b50
/** Unix, 4.5. */
export const MADE_BY = 0x032d
const REGULAR_FILE_0600 = 0o100600 * 0x10000
/** Some readers take offsets as signed: from here on all three fields go to the zip64 extra field. */
const PLAIN_LIMIT = 0x7fffffffn

export interface DirectoryEntry extends MemberFacts {
  /** Where the local header stands, as the directory counts. */
  readonly headerOffset: bigint
  /** External attributes: the mode of a file, and its kind. */
  readonly attributes?: number
}

/** How long an entry is at most. */
export const entryBytes = (name: string): number => ENTRY_SIZE + Buffer.byteLength(name, 'utf8') + 28

export function encodeEntry(entry: DirectoryEntry): Bytes {
  const name = Buffer.from(entry.name, 'utf8')
  const { size, compressedSize, headerOffset } = entry
  const plain = [size, compressedSize, headerOffset].every((value) => value < PLAIN_LIMIT)
  const wide = plain ? Buffer.alloc(0) : zip64Extra(size, compressedSize, headerOffset)
  const extra = Buffer.concat([wide, timeExtra(entry.modified)])
  const field = (value: bigint) => (plain ? Number(value) : 0xffffffff)
  const bytes = Buffer.alloc(ENTRY_SIZE)
  bytes.writeUInt32LE(SIGNATURE, 0)
  bytes.writeUInt16LE(MADE_BY, 4)
  bytes.writeUInt16LE(VERSION_NEEDED, 6)
  bytes.writeUInt16LE(flagsOf(name, entry.described), 8)
  bytes.writeUInt16LE(entry.method, 10)
  bytes.writeUInt32LE(dosTime(entry.modified), 12)
  bytes.writeUInt32LE(entry.crc, 16)
  bytes.writeUInt32LE(field(compressedSize), 20)
  bytes.writeUInt32LE(field(size), 24)
  bytes.writeUInt16LE(name.length, 28)
  bytes.writeUInt16LE(extra.length, 30)
  bytes.writeUInt32LE(entry.attributes ?? REGULAR_FILE_0600, 38)
  bytes.writeUInt32LE(field(headerOffset), 42)
  return Buffer.concat([bytes, name, extra])
}

/**
 * Decodes one entry.
 * @param at where it stands in the volume, for messages
 * @returns the entry and its length; undefined when `bytes` hold only its beginning
 * @throws {FormatError} when there is none
 */
export function decodeEntry(bytes: Bytes, at: bigint): { entry: DirectoryEntry; length: number } | undefined {
  const view = asBuffer(bytes)
  if (view.length < ENTRY_SIZE) return undefined
  if (view.readUInt32LE(0) !== SIGNATURE) throw new FormatError('zip: no central directory entry', at)
  const nameEnd = ENTRY_SIZE + view.readUInt16LE(28)
  const extraEnd = nameEnd + view.readUInt16LE(30)
  const length = extraEnd + view.readUInt16LE(32)
  if (view.length < length) return undefined
  const [size, compressedSize, headerOffset] = readZip64(
    view.subarray(nameEnd, extraEnd),
    [view.readUInt32LE(24), view.readUInt32LE(20), view.readUInt32LE(42)],
    at,
  )
  const entry = {
    name: view.toString('utf8', ENTRY_SIZE, nameEnd),
    method: view.readUInt16LE(10),
    crc: view.readUInt32LE(16),
    size: size!,
    compressedSize: compressedSize!,
    headerOffset: headerOffset!,
  }
  return { entry, length }
}
