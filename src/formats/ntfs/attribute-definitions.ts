/**
 * An entry of $AttrDef: name (UTF-16LE, 128), type (4), display rule (4), collation (4), flags (4), smallest size (8),
 * largest size (8, -1 for any). For display alone: nothing is read by what stands here.
 */
const ENTRY_SIZE = 160
const NAME_SIZE = 128
/** Volumes bear 16; the file's size is checked against nothing else. */
const MOST_ENTRIES = 1024

export interface AttributeDefinition {
  readonly name: string
  readonly type: number
  readonly displayRule: number
  readonly collation: number
  readonly flags: number
  readonly smallest: bigint
  readonly largest: bigint
}

/** The definitions up to the first entry of type 0. */
export function decodeAttributeDefinitions(value: Buffer): AttributeDefinition[] {
  const definitions: AttributeDefinition[] = []
  const end = Math.min(value.length, MOST_ENTRIES * ENTRY_SIZE)
  for (let at = 0; at + ENTRY_SIZE <= end; at += ENTRY_SIZE) {
    const type = value.readUInt32LE(at + NAME_SIZE)
    if (type === 0) break
    definitions.push({
      name: value.toString('utf16le', at, at + NAME_SIZE).replace(/\0.*$/s, ''),
      type,
      displayRule: value.readUInt32LE(at + 132),
      collation: value.readUInt32LE(at + 136),
      flags: value.readUInt32LE(at + 140),
      smallest: value.readBigUInt64LE(at + 144),
      largest: value.readBigInt64LE(at + 152),
    })
  }
  return definitions
}
