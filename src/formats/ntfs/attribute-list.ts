import { decodeFileReference, type FileReference } from './file-reference.js'

/**
 * Entry of $ATTRIBUTE_LIST, 8-aligned, little-endian:
 *
 *      0  4  attribute type       8  8  lowest VCN of that extent
 *      4  2  entry length        16  8  reference of the record that holds it
 *      6  1  name length         24  2  attribute id in that record
 *      7  1  name offset         26     name
 */
const ENTRY_SIZE = 26

export interface AttributeListEntry {
  readonly type: number
  readonly name: string
  readonly lowestVcn: number
  readonly holder: FileReference
  readonly id: number
}

/** Windows stops at 256 KiB. Clusters of a hostile volume may be the list of each of its files. */
export const LARGEST_ATTRIBUTE_LIST = 1n << 20n

/** The entries up to the first that is damaged. */
export function decodeAttributeList(value: Buffer): {
  readonly entries: readonly AttributeListEntry[]
  readonly complaints: readonly string[]
} {
  const entries: AttributeListEntry[] = []
  let at = 0
  while (at + ENTRY_SIZE <= value.length) {
    const length = value.readUInt16LE(at + 4)
    const nameLength = 2 * value[at + 6]!
    const nameOffset = value[at + 7]!
    if (length < ENTRY_SIZE || length % 8 !== 0 || length > value.length - at)
      return {
        entries,
        complaints: [`its attribute list has an entry of ${length} bytes at ${at}; the rest is not read`],
      }
    if (nameLength > 0 && (nameOffset < ENTRY_SIZE || nameOffset + nameLength > length))
      return {
        entries,
        complaints: [`its attribute list has a name outside its entry at ${at}; the rest is not read`],
      }
    entries.push({
      type: value.readUInt32LE(at),
      name: value.toString('utf16le', at + nameOffset, at + nameOffset + nameLength),
      lowestVcn: Number(value.readBigUInt64LE(at + 8)),
      holder: decodeFileReference(value, at + 16),
      id: value.readUInt16LE(at + 24),
    })
    at += length
  }
  return { entries, complaints: [] }
}
