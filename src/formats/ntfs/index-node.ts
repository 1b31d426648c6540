import { decodeIndexEntry, type IndexEntry } from './index-entry.js'

/**
 * Header of a node, in the root and in each block; offsets and sizes count from here:
 *
 *      0  4  offset of the first entry        8  4  bytes allocated
 *      4  4  bytes in use                    12  4  flags
 */
const FIRST_ENTRY = 0
const USED = 4
export const NODE_HEADER_SIZE = 16

export interface IndexNode {
  readonly bytes: Buffer
  /** In order, the last one included. */
  readonly entries: readonly IndexEntry[]
  /** Where old entries may stand: from behind those that count to the end of the node's room. */
  readonly slack: { readonly start: number; readonly end: number }
  /** What is wrong with it; the entries before that are sound. */
  readonly complaints: readonly string[]
}

/**
 * Decodes the node whose header stands at `at`, as far as it is sound.
 * @param bytes of a root, or of a block with fixups undone; they are not copied
 */
export function decodeIndexNode(bytes: Buffer, at: number): IndexNode {
  const entries: IndexEntry[] = []
  const complaints: string[] = []
  const room = bytes.length - at
  let end = at + bytes.readUInt32LE(at + USED)
  if (end > bytes.length) {
    complaints.push(`claims to use ${end - at} of its ${room} bytes`)
    end = bytes.length
  }
  const first = bytes.readUInt32LE(at + FIRST_ENTRY)
  let position = at + first
  if (first < NODE_HEADER_SIZE || first % 2 !== 0 || position >= end) {
    complaints.push(`has its first entry at ${first}`)
    position = Math.min(end, at + NODE_HEADER_SIZE)
  } else {
    for (;;) {
      const entry = decodeIndexEntry(bytes, position, end)
      if (typeof entry === 'string') {
        complaints.push(entry)
        break
      }
      entries.push(entry)
      position += entry.length
      if (entry.last) {
        if (position < end && complaints.length === 0)
          complaints.push(`ends ${end - position} bytes before what it uses`)
        break
      }
      if (entry.keyLength === 0) complaints.push('has an entry without a key')
    }
  }
  return { bytes, entries, slack: { start: position, end: bytes.length }, complaints }
}
