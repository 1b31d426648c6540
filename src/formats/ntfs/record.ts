import type { Attribute } from './attribute.js'
import { decodeAttributes } from './attributes.js'
import { decodeFileReference, type FileReference } from './file-reference.js'
import { type Finding, NtfsError } from './finding.js'
import { type Fixups, undoFixups } from './fixups.js'

/**
 * MFT record, little-endian:
 *
 *      0  4  "FILE", "BAAD"                 24  4  bytes in use
 *      4  4  offset, count of fixups        28  4  bytes allocated
 *      8  8  LSN of the last change         32  8  base record; 0: this is one
 *     16  2  sequence number                40  2  next attribute id
 *     18  2  link count                     42  2  (before NTFS 3.1 the fixups begin here)
 *     20  2  offset of the first attribute  44  4  own number (3.1)
 *     22  2  flags
 */
export const HEADER_SIZE = 42
const OWN_NUMBER_END = 48

export const RECORD_FLAG = { IN_USE: 1, DIRECTORY: 2, EXTEND: 4, VIEW_INDEX: 8 } as const

export interface MftRecord {
  readonly number: number
  readonly sequence: number
  readonly linkCount: number
  readonly flags: number
  readonly lsn: bigint
  /** The file that this record extends; undefined: it is the base of its own. */
  readonly base: FileReference | undefined
  readonly nextAttributeId: number
  readonly bytesInUse: number
  /** As they stand in it, in that order. */
  readonly attributes: readonly Attribute[]
  /** Strides of 512 bytes that a write tore. */
  readonly torn: readonly number[]
  /** With fixups undone. */
  readonly bytes: Buffer
  readonly findings: readonly Finding[]
}

export const isInUse = (record: MftRecord): boolean => (record.flags & RECORD_FLAG.IN_USE) !== 0

const SIGNATURE = { FILE: 0x454c4946, BAAD: 0x44414142 }

/** Undoes the fixups of a record in place. @returns undefined when they are where none can be */
export const undoRecordFixups = (bytes: Buffer): Fixups | undefined => undoFixups(bytes, HEADER_SIZE)

/**
 * Decodes a record as far as it is sound; what is torn or damaged stands in its findings.
 * @param raw as on disk; it is left as it is
 * @param number which record of $MFT it is
 * @throws {NtfsError} when it is none, or its header cannot be used
 */
export function decodeRecord(raw: Buffer, number: number): MftRecord {
  const signature = raw.readUInt32LE(0)
  if (signature !== SIGNATURE.FILE && signature !== SIGNATURE.BAAD)
    throw new NtfsError(
      signature === 0 ? `record ${number} has never been used` : `record ${number} has no signature`,
    )
  const bytes = Buffer.from(raw)
  const messages: string[] = []
  const fixups = undoRecordFixups(bytes)
  if (!fixups) throw new NtfsError(`record ${number} has fixups where none can be`, 4n)
  if (signature === SIGNATURE.BAAD) messages.push('it is marked as torn')
  messages.push(...fixups.complaints)
  if (fixups.torn.length > 0)
    messages.push(`its sectors ${fixups.torn.join(', ')} were torn by a write that did not finish`)
  let bytesInUse = bytes.readUInt32LE(24)
  if (bytesInUse > bytes.length) {
    messages.push(`it claims to use ${bytesInUse} of its ${bytes.length} bytes`)
    bytesInUse = bytes.length
  }
  if (bytes.readUInt16LE(4) >= OWN_NUMBER_END) {
    const own = bytes.readUInt32LE(44)
    // mkntfs numbers no record that it leaves for later.
    const isSpare = own === 0 && (bytes.readUInt16LE(22) & RECORD_FLAG.IN_USE) === 0
    if (own !== number % 2 ** 32 && !isSpare) messages.push(`it bears the number ${own}`)
  }
  const { attributes, complaints } = decodeAttributes(bytes.subarray(0, bytesInUse), bytes.readUInt16LE(20))
  messages.push(...complaints)
  const isBase = bytes.readBigUInt64LE(32) === 0n
  return {
    number,
    sequence: bytes.readUInt16LE(16),
    linkCount: bytes.readUInt16LE(18),
    flags: bytes.readUInt16LE(22),
    lsn: bytes.readBigUInt64LE(8),
    base: isBase ? undefined : decodeFileReference(bytes, 32),
    nextAttributeId: bytes.readUInt16LE(40),
    bytesInUse,
    attributes,
    torn: fixups.torn,
    bytes,
    findings: messages.map((message) => ({ message: `record ${number}: ${message}`, record: number })),
  }
}
