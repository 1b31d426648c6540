/**
 * Entry of an index:
 *
 *      0  8  $I30: reference of the file     10  2  length of the key
 *      0  2  others: offset of the data      12  2  flags
 *      2  2  others: length of the data      16     key
 *      8  2  length, of whole 8 bytes        -8  8  VCN of the child, where there is one
 */
const DATA_OFFSET = 0
const DATA_LENGTH = 2
const LENGTH = 8
const KEY_LENGTH = 10
const FLAGS = 12
const KEY = 16
const CHILD_SIZE = 8

export const ENTRY_HEADER_SIZE = KEY
const HAS_CHILD = 1
const IS_LAST = 2

/** An entry where it stands: what it holds is decoded when it is asked for. */
export interface IndexEntry {
  /** The node's, with fixups undone. */
  readonly bytes: Buffer
  readonly at: number
  readonly length: number
  /** Where its key begins in `bytes`. 0 long: it has none, and only leads to a child. */
  readonly key: number
  readonly keyLength: number
  /** The last one of its node: its child holds what comes behind all other keys. */
  readonly last: boolean
  /** VCN of the node with what comes before its key; not checked. */
  readonly child: number | undefined
}

/**
 * Decodes the entry at `at`.
 * @param end where the node ends
 * @returns what is wrong with it, when the next one cannot be found behind it
 */
export function decodeIndexEntry(bytes: Buffer, at: number, end: number): IndexEntry | string {
  if (at + ENTRY_HEADER_SIZE > end) return 'has no last entry'
  const length = bytes.readUInt16LE(at + LENGTH)
  if (length < ENTRY_HEADER_SIZE || length % 8 !== 0 || at + length > end)
    return `has an entry of ${length} bytes where ${end - at} are left`
  const flags = bytes.readUInt16LE(at + FLAGS)
  const last = (flags & IS_LAST) !== 0
  const hasChild = (flags & HAS_CHILD) !== 0 && length >= ENTRY_HEADER_SIZE + CHILD_SIZE
  const room = length - ENTRY_HEADER_SIZE - (hasChild ? CHILD_SIZE : 0)
  const keyLength = last ? 0 : bytes.readUInt16LE(at + KEY_LENGTH)
  return {
    bytes,
    at,
    length,
    key: at + KEY,
    keyLength: keyLength > room ? 0 : keyLength,
    last,
    child: hasChild ? readVcn(bytes, at + length - CHILD_SIZE) : undefined,
  }
}

/** Exact below 2^53; what is beyond lies in no index. */
export const readVcn = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at + 4) * 0x100000000 + bytes.readUInt32LE(at)

export const entryKey = ({ bytes, key, keyLength }: IndexEntry): Buffer =>
  bytes.subarray(key, key + keyLength)

/** Of an entry of a view index: its data; empty where it lies outside the entry. */
export function entryData({ bytes, at, length }: IndexEntry): Buffer {
  const start = bytes.readUInt16LE(at + DATA_OFFSET)
  const end = start + bytes.readUInt16LE(at + DATA_LENGTH)
  return start < ENTRY_HEADER_SIZE || end > length
    ? bytes.subarray(at, at)
    : bytes.subarray(at + start, at + end)
}
