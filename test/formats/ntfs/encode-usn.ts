import type { FileReference } from '../../../src/formats/ntfs/file-reference.js'
import type { UsnRecord } from '../../../src/formats/ntfs/usn-journal/record.js'

export const PAGE = 4096
export const TIME = 131960901064811892n

export type Content = Omit<UsnRecord, 'offset' | 'length' | 'usn' | 'minor'>

const put = (bytes: Buffer, { record, sequence }: FileReference, at: number) => {
  bytes.writeUIntLE(record, at, 6)
  bytes.writeUInt16LE(sequence, at + 6)
}

/** As the documentation of USN_RECORD_V2, V3 and V4 lays them out. */
export function encodeRecord(content: Content, usn: bigint): Buffer {
  const wide = content.major > 2 ? 8 : 0
  const name = Buffer.from(content.name ?? '', 'utf16le')
  const extents = content.extents ?? []
  const bytes = Buffer.alloc(
    content.major === 4 ? 64 + 16 * extents.length : Math.ceil((60 + 2 * wide + name.length) / 8) * 8,
  )
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(content.major, 4)
  put(bytes, content.file, 8)
  put(bytes, content.parent, 16 + wide)
  bytes.writeBigInt64LE(usn, 24 + 2 * wide)
  if (content.major === 4) {
    bytes.writeUInt32LE(content.reasons, 48)
    bytes.writeUInt32LE(content.sources, 52)
    bytes.writeUInt32LE(content.extentsLeft!, 56)
    bytes.writeUInt16LE(extents.length, 60)
    bytes.writeUInt16LE(16, 62)
    for (const [index, { offset, length }] of extents.entries()) {
      bytes.writeBigInt64LE(offset, 64 + 16 * index)
      bytes.writeBigInt64LE(length, 72 + 16 * index)
    }
    return bytes
  }
  const tail = 32 + 2 * wide
  bytes.writeBigInt64LE(content.time!, tail)
  bytes.writeUInt32LE(content.reasons, tail + 8)
  bytes.writeUInt32LE(content.sources, tail + 12)
  bytes.writeUInt32LE(content.securityId!, tail + 16)
  bytes.writeUInt32LE(content.flags!, tail + 20)
  bytes.writeUInt16LE(name.length, tail + 24)
  bytes.writeUInt16LE(tail + 28, tail + 26)
  name.copy(bytes, tail + 28)
  return bytes
}

/** A journal of these records, whose first byte has this offset; none crosses a page. */
export function encodeJournal(
  contents: readonly Content[],
  first = 0n,
): { bytes: Buffer; offsets: bigint[] } {
  const pieces: Buffer[] = []
  const offsets: bigint[] = []
  let size = 0
  for (const content of contents) {
    const { length } = encodeRecord(content, 0n)
    const room = PAGE - (size % PAGE)
    if (length > room) {
      pieces.push(Buffer.alloc(room))
      size += room
    }
    const usn = first + BigInt(size)
    pieces.push(encodeRecord(content, usn))
    offsets.push(usn)
    size += length
  }
  return { bytes: Buffer.concat(pieces), offsets }
}

/** A file that was created in the root. */
export const content = (name: string, over: Partial<Content> = {}): Content => ({
  major: 2,
  file: { record: 40, sequence: 1 },
  parent: { record: 5, sequence: 5 },
  reasons: 0x100,
  sources: 0,
  time: TIME,
  securityId: 0,
  flags: 0x20,
  name,
  ...over,
})
