import { adler32 } from '../../codecs/adler32.js'
import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

// Expert Witness Compression Format (ASR Data 2002; J. Metz, "EWF specification"): integers are little-endian, and an
// Adler-32 stands behind what it sums up.

/** Where a field stands, and how many bytes it has: 8 make a bigint. */
type Fields = Readonly<Record<string, readonly [offset: number, size: 1 | 2 | 4 | 8]>>
type Struct<F extends Fields> = { -readonly [K in keyof F]: F[K][1] extends 8 ? bigint : number }

const FILE_HEADER = {
  startOfFields: [8, 1],
  segment: [9, 2],
  endOfFields: [11, 2],
} as const

const SECTION = {
  next: [16, 8],
  size: [24, 8],
} as const

const VOLUME = {
  mediaType: [0, 1],
  chunks: [4, 4],
  sectorsPerChunk: [8, 4],
  bytesPerSector: [12, 4],
  sectors: [16, 8],
  cylinders: [24, 4],
  heads: [28, 4],
  sectorsPerTrack: [32, 4],
  mediaFlags: [36, 1],
  palmStart: [40, 4],
  smartLogsStart: [48, 4],
  compression: [52, 1],
  errorGranularity: [56, 4],
} as const

/** Of the original format and SMART. */
const OLD_VOLUME = {
  reserved: [0, 4],
  chunks: [4, 4],
  sectorsPerChunk: [8, 4],
  bytesPerSector: [12, 4],
  sectors: [16, 4],
} as const

const TABLE_HEADER = {
  entries: [0, 4],
  base: [8, 8],
} as const

const ERROR_HEADER = { entries: [0, 4] } as const

const ERROR_ENTRY = {
  firstSector: [0, 4],
  sectors: [4, 4],
} as const

const SECTION_TYPE_SIZE = 16
const SET_ID = [64, 80] as const
const OLD_SIGNATURE = [85, 90] as const
const MD5 = [0, 16] as const
const SHA1 = [16, 36] as const

/** Sizes in bytes, checksums included. */
export const SIZES = {
  fileHeader: 13,
  section: 76,
  volume: 1052,
  oldVolume: 94,
  tableHeader: 24,
  tableEntry: 4,
  hash: 36,
  digest: 80,
  errorHeader: 520,
  errorEntry: 8,
  checksum: 4,
} as const

/** The eight bytes that files begin with: physical evidence, logical evidence. */
export const SIGNATURES = {
  physical: 'EVF\x09\x0d\x0a\xff\x00',
  logical: 'LVF\x09\x0d\x0a\xff\x00',
} as const
export type SignatureName = keyof typeof SIGNATURES

export const MEDIA_TYPE = { removable: 0, fixed: 1, optical: 3, logical: 0x0e, memory: 0x10 } as const
export const MEDIA_FLAG = { image: 1, physical: 2, fastbloc: 4, tableau: 8 } as const
export const COMPRESSION = { none: 0, fast: 1, best: 2 } as const

/** The bit of a table entry that says that a chunk is compressed; the others are where it stands. */
export const ENTRY_COMPRESSED = 0x8000_0000
export const ENTRY_OFFSET = 0x7fff_ffff

/** What the checksum behind a structure says. Logicube's imagers write none. */
export type Checksum = 'right' | 'absent' | 'wrong'

export interface FileHeader {
  readonly signature: SignatureName
  /** From 1 on. */
  readonly segment: number
}

export interface Section {
  /** `header`, `volume`, `sectors`, `table` … */
  readonly type: string
  /** Where the next one begins in the file; its own place in the last one. */
  readonly next: bigint
  /** With this descriptor; 0 in the last one, and in all of Expert Witness 1.35. */
  readonly size: bigint
}

export interface Volume extends Struct<typeof VOLUME> {
  /** A GUID that all segments of a set share; zeros where there is none. */
  readonly setId: Bytes
}
export interface OldVolume extends Omit<Struct<typeof OLD_VOLUME>, 'reserved'> {
  /** `SMART`, or what the file begins with. */
  readonly signature: string
}
export type TableHeader = Struct<typeof TABLE_HEADER>
/** A range of sectors that could not be read. */
export type ErrorEntry = Struct<typeof ERROR_ENTRY>

/** The fields of a structure at `at` of `bytes`. */
export function decode<F extends Fields>(fields: F, bytes: Bytes, at = 0): Struct<F> {
  const view = asDataView(bytes)
  const struct: Record<string, number | bigint> = {}
  for (const name in fields) {
    const [offset, size] = fields[name]!
    const place = at + offset
    if (size === 8) struct[name] = view.getBigUint64(place, true)
    else if (size === 4) struct[name] = view.getUint32(place, true)
    else struct[name] = size === 2 ? view.getUint16(place, true) : view.getUint8(place)
  }
  return struct as Struct<F>
}

function encode<F extends Fields>(fields: F, struct: Struct<F>, into: Bytes, at = 0): void {
  const view = asDataView(into)
  for (const name in fields) {
    const [offset, size] = fields[name]!
    const place = at + offset
    const value = struct[name]
    if (size === 8) view.setBigUint64(place, BigInt(value), true)
    else if (size === 4) view.setUint32(place, Number(value), true)
    else if (size === 2) view.setUint16(place, Number(value), true)
    else view.setUint8(place, Number(value))
  }
}

/** Compares the Adler-32 that stands behind the first `length` bytes. */
export function checksumOf(bytes: Bytes, length: number): Checksum {
  const stored = asDataView(bytes).getUint32(length, true)
  if (stored === adler32(bytes.subarray(0, length))) return 'right'
  return stored === 0 ? 'absent' : 'wrong'
}

/** Writes the Adler-32 of the first `length` bytes behind them. */
export function sealChecksum(bytes: Bytes, length: number): Bytes {
  asDataView(bytes).setUint32(length, adler32(bytes.subarray(0, length)), true)
  return bytes
}

/** What a file begins with (13 bytes); undefined where it is none of EWF. */
export function decodeFileHeader(bytes: Bytes): FileHeader | undefined {
  if (bytes.length < SIZES.fileHeader) return undefined
  const magic = asBuffer(bytes).toString('latin1', 0, 8)
  const signature = (Object.keys(SIGNATURES) as SignatureName[]).find((name) => SIGNATURES[name] === magic)
  return signature && { signature, segment: decode(FILE_HEADER, bytes).segment }
}

/** @param segment from 1 on */
export function encodeFileHeader(segment: number): Bytes {
  const bytes = Buffer.alloc(SIZES.fileHeader)
  bytes.write(SIGNATURES.physical, 'latin1')
  encode(FILE_HEADER, { startOfFields: 1, segment, endOfFields: 0 }, bytes)
  return bytes
}

/** A section descriptor (76 bytes). */
export function decodeSection(bytes: Bytes): Section & { readonly checksum: Checksum } {
  const type = asBuffer(bytes).toString('latin1', 0, SECTION_TYPE_SIZE).replace(/\0.*$/s, '')
  return { type, ...decode(SECTION, bytes), checksum: checksumOf(bytes, SIZES.section - SIZES.checksum) }
}

export function encodeSection({ type, next, size }: Section): Bytes {
  const bytes = Buffer.alloc(SIZES.section)
  bytes.write(type, 'latin1')
  encode(SECTION, { next, size }, bytes)
  return sealChecksum(bytes, SIZES.section - SIZES.checksum)
}

/** The body of a `volume`, `disk` or `data` section (1052 bytes). */
export function decodeVolume(bytes: Bytes): Volume & { readonly checksum: Checksum } {
  return {
    ...decode(VOLUME, bytes),
    setId: Uint8Array.from(bytes.subarray(...SET_ID)),
    checksum: checksumOf(bytes, SIZES.volume - SIZES.checksum),
  }
}

export function encodeVolume({ setId, ...volume }: Volume): Bytes {
  const bytes = Buffer.alloc(SIZES.volume)
  encode(VOLUME, volume, bytes)
  bytes.set(setId, SET_ID[0])
  return sealChecksum(bytes, SIZES.volume - SIZES.checksum)
}

/** The body of a `volume` section of the original format or of SMART (94 bytes). */
export function decodeOldVolume(bytes: Bytes): OldVolume & { readonly checksum: Checksum } {
  const { reserved, ...volume } = decode(OLD_VOLUME, bytes)
  return {
    ...volume,
    signature: asBuffer(bytes).toString('latin1', ...OLD_SIGNATURE),
    checksum: checksumOf(bytes, SIZES.oldVolume - SIZES.checksum),
  }
}

/** @param volume with a signature of five characters */
export function encodeOldVolume({ signature, ...volume }: OldVolume): Bytes {
  const bytes = Buffer.alloc(SIZES.oldVolume)
  encode(OLD_VOLUME, { reserved: 1, ...volume }, bytes)
  bytes.write(signature, OLD_SIGNATURE[0], 'latin1')
  return sealChecksum(bytes, SIZES.oldVolume - SIZES.checksum)
}

/** What a `table` or `table2` section begins with (24 bytes). */
export function decodeTableHeader(bytes: Bytes): TableHeader & { readonly checksum: Checksum } {
  return {
    ...decode(TABLE_HEADER, bytes),
    checksum: checksumOf(bytes, SIZES.tableHeader - SIZES.checksum),
  }
}

/**
 * The body of a `table` or `table2` section.
 * @param base what the offsets of the entries count from
 * @param entries offsets of chunks, those of compressed ones with ENTRY_COMPRESSED
 */
export function encodeTable(base: bigint, entries: ArrayLike<number>): Bytes {
  const { tableHeader, tableEntry, checksum } = SIZES
  const length = entries.length * tableEntry
  const bytes = new Uint8Array(tableHeader + length + checksum)
  encode(TABLE_HEADER, { entries: entries.length, base }, bytes)
  sealChecksum(bytes.subarray(0, tableHeader), tableHeader - checksum)
  const array = bytes.subarray(tableHeader)
  const view = asDataView(array)
  for (let i = 0; i < entries.length; i++) view.setUint32(i * tableEntry, entries[i]!, true)
  sealChecksum(array, length)
  return bytes
}

/** The body of a `hash` section (36 bytes): MD5 of the media. */
export function decodeHash(bytes: Bytes): { readonly md5: Bytes; readonly checksum: Checksum } {
  return {
    md5: Uint8Array.from(bytes.subarray(...MD5)),
    checksum: checksumOf(bytes, SIZES.hash - SIZES.checksum),
  }
}

export function encodeHash(md5: Bytes): Bytes {
  const bytes = new Uint8Array(SIZES.hash)
  bytes.set(md5, MD5[0])
  return sealChecksum(bytes, SIZES.hash - SIZES.checksum)
}

/** The body of a `digest` section (80 bytes): MD5 and SHA-1 of the media, zeros for one that was not taken. */
export function decodeDigest(bytes: Bytes): {
  readonly md5: Bytes
  readonly sha1: Bytes
  readonly checksum: Checksum
} {
  return {
    md5: Uint8Array.from(bytes.subarray(...MD5)),
    sha1: Uint8Array.from(bytes.subarray(...SHA1)),
    checksum: checksumOf(bytes, SIZES.digest - SIZES.checksum),
  }
}

export function encodeDigest(md5: Bytes, sha1: Bytes): Bytes {
  const bytes = new Uint8Array(SIZES.digest)
  bytes.set(md5, MD5[0])
  bytes.set(sha1, SHA1[0])
  return sealChecksum(bytes, SIZES.digest - SIZES.checksum)
}

/** What an `error2` section begins with (520 bytes). */
export function decodeErrorHeader(bytes: Bytes): {
  readonly entries: number
  readonly checksum: Checksum
} {
  return {
    ...decode(ERROR_HEADER, bytes),
    checksum: checksumOf(bytes, SIZES.errorHeader - SIZES.checksum),
  }
}

/** The entry at `at` of `bytes`. */
export const decodeErrorEntry = (bytes: Bytes, at: number): ErrorEntry => decode(ERROR_ENTRY, bytes, at)

/** The body of an `error2` section. */
export function encodeErrors(errors: readonly ErrorEntry[]): Bytes {
  const { errorHeader, errorEntry, checksum } = SIZES
  const length = errors.length * errorEntry
  const bytes = new Uint8Array(errorHeader + length + checksum)
  encode(ERROR_HEADER, { entries: errors.length }, bytes)
  sealChecksum(bytes.subarray(0, errorHeader), errorHeader - checksum)
  const array = bytes.subarray(errorHeader)
  for (const [index, error] of errors.entries()) encode(ERROR_ENTRY, error, array, index * errorEntry)
  sealChecksum(array, length)
  return bytes
}
