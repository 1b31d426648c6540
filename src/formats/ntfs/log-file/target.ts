import { ATTRIBUTE } from '../attribute-type.js'
import { decodeFileName, type FileName, type FileTimes, holdsFileName } from '../file-name.js'
import {
  ON_MFT_RECORD,
  WITH_ATTRIBUTE,
  WITH_FILE_FACTS,
  WITH_INDEX_ENTRY,
  WITH_RECORD,
} from './operations.js'
import type { LogUpdate } from './record.js'

const BLOCK = 512n
/** Key of an index entry. */
const ENTRY_KEY = 16
const RESIDENT_HEADER = 24
/** Of an MFT record: where the first attribute stands; 1,024 bytes hold 42 attributes at most, 4,096 four times that. */
const FIRST_ATTRIBUTE = 20
const RECORD_HEADER = 42
const TIMES_SIZE = 32

/** Number of the MFT record that an update is made to; undefined when it is made to something else. */
export function targetRecord(
  { redo, undo, targetVcn, clusterBlock }: LogUpdate,
  clusterSize: number,
  recordSize: number,
): number | undefined {
  if (!ON_MFT_RECORD.has(redo) && !ON_MFT_RECORD.has(undo)) return undefined
  const record = (targetVcn * BigInt(clusterSize) + BigInt(clusterBlock) * BLOCK) / BigInt(recordSize)
  return record >= 0n && record < 2n ** 32n ? Number(record) : undefined
}

/**
 * The $FILE_NAME that redo or, where something is taken away, undo brings along: in a new record, a new attribute, an
 * index entry.
 */
export const embeddedFileName = ({ redo, undo, redoData, undoData }: LogUpdate): FileName | undefined =>
  fileNameOf(redo, redoData) ?? fileNameOf(undo, undoData)

/** Times that an update of a $FILE_NAME writes over those of its index entry. */
export function updatedTimes({ redo, redoData }: LogUpdate): FileTimes | undefined {
  if (!WITH_FILE_FACTS.has(redo) || redoData.length < TIMES_SIZE) return undefined
  return {
    created: redoData.readBigInt64LE(0),
    modified: redoData.readBigInt64LE(8),
    changed: redoData.readBigInt64LE(16),
    accessed: redoData.readBigInt64LE(24),
  }
}

function fileNameOf(operation: number, data: Buffer): FileName | undefined {
  if (WITH_INDEX_ENTRY.has(operation)) return fileNameAt(data, ENTRY_KEY, keyLength(data))
  if (WITH_ATTRIBUTE.has(operation)) return fileNameIn(data, 0)
  if (!WITH_RECORD.has(operation) || data.length < RECORD_HEADER) return undefined
  let at = data.readUInt16LE(FIRST_ATTRIBUTE)
  while (at + RESIDENT_HEADER <= data.length) {
    const found = fileNameIn(data, at)
    if (found) return found
    const length = data.readUInt32LE(at + 4)
    if (length < RESIDENT_HEADER) return undefined
    at += length
  }
  return undefined
}

const keyLength = (entry: Buffer): number => (entry.length >= ENTRY_KEY ? entry.readUInt16LE(10) : 0)

/** Of the resident attribute at `at`, if it is a name. */
function fileNameIn(data: Buffer, at: number): FileName | undefined {
  if (
    at + RESIDENT_HEADER > data.length ||
    data.readUInt32LE(at) !== ATTRIBUTE.FILE_NAME ||
    data[at + 8] !== 0
  )
    return undefined
  return fileNameAt(data, at + data.readUInt16LE(at + 20), data.readUInt32LE(at + 16))
}

const fileNameAt = (data: Buffer, at: number, length: number): FileName | undefined =>
  holdsFileName(data, at, length) ? decodeFileName(data, at, length) : undefined
