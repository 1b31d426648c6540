import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { type Checksum, checksumOf, decode } from '../ewf/structs.js'

// Expert Witness Compression Format, version 2 (J. Metz, "EWF 2 specification" 0.0.9): integers are little-endian.
// Structures are padded with zeros to 16 bytes, and an Adler-32 stands behind what it sums up.

const FILE_HEADER = {
  majorVersion: [8, 1],
  minorVersion: [9, 1],
  compression: [10, 2],
  segment: [12, 4],
} as const
const SET_ID = [16, 32] as const

const SECTION = {
  type: [0, 4],
  flags: [4, 4],
  previous: [8, 8],
  dataSize: [16, 8],
  descriptorSize: [24, 4],
  padding: [28, 4],
} as const
const DATA_MD5 = [32, 48] as const

const TABLE_HEADER = {
  first: [0, 8],
  entries: [8, 4],
} as const

const TABLE_ENTRY = {
  offset: [0, 8],
  size: [8, 4],
  flags: [12, 4],
} as const

const ERROR_HEADER = { entries: [0, 4] } as const

const ERROR_ENTRY = {
  firstSector: [0, 8],
  sectors: [8, 4],
} as const

/** Sizes in bytes; of headers with what pads them. */
export const SIZES = {
  fileHeader: 32,
  section: 64,
  /** Of a table: 16 bytes, their checksum, 12 zeros. */
  arrayHeader: 32,
  tableEntry: 16,
  errorEntry: 16,
  checksum: 4,
} as const
const ARRAY_HEADER_SUMMED = 16
const SECTION_SUMMED = SIZES.section - SIZES.checksum

export const SIGNATURE = 'EVF2\x0d\x0a\x81\x00'
export const MAJOR_VERSION = 2

/** What the file header says of all that is compressed. */
export const COMPRESSION = { none: 0, zlib: 1, bzip2: 2 } as const

/** Types of sections, by their numbers. */
export const SECTION_TYPES = new Map([
  [0x01, 'device information'],
  [0x02, 'case data'],
  [0x03, 'sector data'],
  [0x04, 'sector table'],
  [0x05, 'error table'],
  [0x06, 'session table'],
  [0x07, 'increment data'],
  [0x08, 'MD5 hash'],
  [0x09, 'SHA1 hash'],
  [0x0a, 'restart data'],
  [0x0b, 'encryption keys'],
  [0x0c, 'memory extents table'],
  [0x0d, 'next'],
  [0x0e, 'final information'],
  [0x0f, 'done'],
  [0x10, 'analytical data'],
] as const)
export type SectionType = NonNullable<ReturnType<(typeof SECTION_TYPES)['get']>>

export const SECTION_FLAG = { hashed: 1, encrypted: 2 } as const

/** What a table says of a chunk; `pattern` counts only with `compressed`, and repeats what stands in place of the offset. */
export const CHUNK_FLAG = { compressed: 1, checksummed: 2, pattern: 4 } as const

export interface FileHeader {
  readonly majorVersion: number
  readonly minorVersion: number
  readonly compression: number
  /** From 1 on. */
  readonly segment: number
  /** A GUID that all segments of a set share, in hexadecimal. */
  readonly setId: string
}

export interface Section {
  readonly type: number
  readonly flags: number
  /** Where the descriptor of the section before it stands; 0 in the first. */
  readonly previous: bigint
  /** With padding; the data stand before the descriptor. */
  readonly dataSize: bigint
  readonly descriptorSize: number
  /** MD5 of the data, where `flags` says so. */
  readonly md5: Bytes
}

/** Whether a file begins as an Ex01 does. */
export const isEx01 = (head: Bytes): boolean => asBuffer(head).toString('latin1', 0, 8) === SIGNATURE

/** What a segment begins with (32 bytes); undefined where it is none. */
export function decodeFileHeader(bytes: Bytes): FileHeader | undefined {
  if (bytes.length < SIZES.fileHeader || !isEx01(bytes)) return undefined
  return { ...decode(FILE_HEADER, bytes), setId: asBuffer(bytes).toString('hex', ...SET_ID) }
}

/** A section descriptor (64 bytes). */
export function decodeSection(bytes: Bytes): Section & { readonly checksum: Checksum } {
  return {
    ...decode(SECTION, bytes),
    md5: Uint8Array.from(bytes.subarray(...DATA_MD5)),
    checksum: checksumOf(bytes, SECTION_SUMMED),
  }
}

/** What a sector table begins with (32 bytes). */
export const decodeTableHeader = (bytes: Bytes) => ({
  ...decode(TABLE_HEADER, bytes),
  checksum: checksumOf(bytes, ARRAY_HEADER_SUMMED),
})

/** The entry at `at` of `bytes`. */
export const decodeTableEntry = (bytes: Bytes, at: number) => decode(TABLE_ENTRY, bytes, at)

/** What an error table begins with (32 bytes). */
export const decodeErrorHeader = (bytes: Bytes) => ({
  ...decode(ERROR_HEADER, bytes),
  checksum: checksumOf(bytes, ARRAY_HEADER_SUMMED),
})

/** The entry at `at` of `bytes`. */
export const decodeErrorEntry = (bytes: Bytes, at: number) => decode(ERROR_ENTRY, bytes, at)
