import { FILE_FLAG } from './file-flags.js'
import { decodeFileName, FIELD, type FileName, MINIMUM_FILE_NAME } from './file-name.js'
import { decodeFileReference, type FileReference } from './file-reference.js'
import { ENTRY_HEADER_SIZE } from './index-entry.js'

/** A $FILE_NAME of an entry of $I30 that was removed, moved or overwritten in part. */
export interface CarvedName {
  /** Where it begins in the bytes that were searched. */
  readonly at: number
  readonly fileName: FileName
  /** What stands where the entry had its reference; without its header around it that may be anything. */
  readonly reference: FileReference
  readonly headerIntact: boolean
  /** high: its parent is the directory whose bytes were searched. */
  readonly confidence: 'high' | 'medium'
}

const TIMES = [FIELD.CREATED, FIELD.MODIFIED, FIELD.CHANGED, FIELD.ACCESSED]

const KNOWN_FLAGS = Object.values(FILE_FLAG).reduce((all, flag) => all | flag, 0)
/** High halves of FILETIMEs from 1980-01-01 to 2100-01-01. */
const EARLIEST = 0x01a8e79f
const LATEST = 0x022f716e
/** Allocated and data sizes are signed, and volumes end long before 2^60. */
const LARGEST_SIZE_HIGH = 0x10000000
const HIGHEST_NAMESPACE = 3
const SLASH = 0x2f

export interface CarveRequest {
  /** With fixups undone. */
  readonly bytes: Buffer
  /** The part of them to search; an entry's header may stand before it. */
  readonly start: number
  readonly end: number
  /** How far a name with this parent is to be believed; undefined: not at all. */
  trust(parent: FileReference): CarvedName['confidence'] | undefined
}

/**
 * Finds names of old entries, first where entries stand, at whole 8 bytes, then at any even place: what lies in the
 * slack of an MFT record may have been shifted. In the order of their places; they do not overlap.
 */
export function carveNames(request: CarveRequest): CarvedName[] {
  const { start, end } = request
  const found = new Map<number, CarvedName>()
  /** For each place of 8 bytes whether a name covers it. */
  const covered = new Uint8Array(Math.max(0, Math.ceil((end - start) / 8)))
  for (const step of [8, 2]) {
    for (let at = Math.ceil(start / step) * step; at + MINIMUM_FILE_NAME <= end; at += step) {
      if (covered[(at - start) >>> 3] === 1) continue
      const name = carveAt(request, at)
      if (!name) continue
      found.set(at, name)
      const behind = at + FIELD.NAME + 2 * name.fileName.name.length
      covered.fill(1, (at - start) >>> 3, Math.ceil((behind - start) / 8))
    }
  }
  return [...found.values()].sort((a, b) => a.at - b.at)
}

function carveAt(request: CarveRequest, at: number): CarvedName | undefined {
  const { bytes, end, trust } = request
  if (!looksLikeName(bytes, at, end)) return undefined
  const confidence = trust(decodeFileReference(bytes, at + FIELD.PARENT))
  // Of no time and another directory, anything may look like a name.
  if (!confidence || (confidence === 'medium' && !hasTime(bytes, at))) return undefined
  const length = FIELD.NAME + 2 * bytes[at + FIELD.NAME_LENGTH]!
  const entry = at - ENTRY_HEADER_SIZE
  return {
    at,
    fileName: decodeFileName(bytes, at, length),
    reference: entry < 0 ? { record: 0, sequence: 0 } : decodeFileReference(bytes, entry),
    headerIntact: entry >= 0 && isHeaderOf(bytes, entry, length),
    confidence,
  }
}

function looksLikeName(bytes: Buffer, at: number, end: number): boolean {
  const units = bytes[at + FIELD.NAME_LENGTH]!
  return (
    units > 0 &&
    bytes[at + FIELD.NAMESPACE]! <= HIGHEST_NAMESPACE &&
    at + FIELD.NAME + 2 * units <= end &&
    (bytes.readUInt32LE(at + FIELD.FLAGS) & ~KNOWN_FLAGS) === 0 &&
    (bytes[at + FIELD.ALLOCATED]! & 7) === 0 &&
    bytes.readUInt32LE(at + FIELD.ALLOCATED + 4) < LARGEST_SIZE_HIGH &&
    bytes.readUInt32LE(at + FIELD.SIZE + 4) < LARGEST_SIZE_HIGH &&
    TIMES.every((time) => isTime(bytes, at + time)) &&
    isName(bytes, at + FIELD.NAME, units)
  )
}

function isTime(bytes: Buffer, at: number): boolean {
  const high = bytes.readUInt32LE(at + 4)
  return (high >= EARLIEST && high <= LATEST) || (high === 0 && bytes.readUInt32LE(at) === 0)
}

const hasTime = (bytes: Buffer, at: number) => TIMES.some((time) => bytes.readUInt32LE(at + time + 4) !== 0)

function isName(bytes: Buffer, at: number, units: number): boolean {
  for (let unit = at; unit < at + 2 * units; unit += 2) {
    const value = bytes.readUInt16LE(unit)
    if (value === 0 || value === SLASH) return false
  }
  return true
}

/** Whether the lengths in the 16 bytes before a key are those of its entry. */
function isHeaderOf(bytes: Buffer, entry: number, keyLength: number): boolean {
  const length = bytes.readUInt16LE(entry + 8)
  return (
    bytes.readUInt16LE(entry + 10) === keyLength &&
    length % 8 === 0 &&
    length >= ENTRY_HEADER_SIZE + keyLength &&
    length < ENTRY_HEADER_SIZE + keyLength + 16
  )
}
