import { formatGuid, GUID_SIZE } from '../../guid.js'
import { decodeSid } from './sid.js'

/**
 * ACL: u8 revision, u8 0, u16 size, u16 entries, u16 0.
 * Entry: u8 type, u8 flags, u16 size, u32 access mask, then the SID; in object forms u32 flags and the GUIDs these
 * announce come before it, in callback forms and attributes data behind it.
 */
const ACL_HEADER = 8
const ACE_HEADER = 8
const OBJECT_TYPE_PRESENT = 1
const INHERITED_OBJECT_TYPE_PRESENT = 2

/** Words of SDDL for types of entries. */
export const ACE_TYPES: ReadonlyMap<number, string> = new Map([
  [0x00, 'A'],
  [0x01, 'D'],
  [0x02, 'AU'],
  [0x03, 'AL'],
  [0x05, 'OA'],
  [0x06, 'OD'],
  [0x07, 'OU'],
  [0x08, 'OL'],
  [0x09, 'XA'],
  [0x0a, 'XD'],
  [0x0b, 'ZA'],
  [0x0d, 'XU'],
  [0x11, 'ML'],
  [0x12, 'RA'],
  [0x13, 'SP'],
  [0x14, 'TL'],
  [0x15, 'FL'],
])
/** Object forms, with callback and without. */
const OBJECT_TYPES = new Set([0x05, 0x06, 0x07, 0x08, 0x0b, 0x0c, 0x0f, 0x10])

export interface Ace {
  readonly type: number
  readonly flags: number
  readonly mask: number
  readonly objectType?: string
  readonly inheritedObjectType?: string
  /** undefined when its bytes are none. */
  readonly sid: string | undefined
  /** What stands behind the SID: a condition, an attribute. */
  readonly data: Buffer
}

export interface Acl {
  readonly revision: number
  readonly entries: readonly Ace[]
  /** Why entries are left out. */
  readonly complaint?: string
}

/** The ACL at `at`, with the entries before the first that is not sound; undefined when it has no header. */
export function decodeAcl(bytes: Buffer, at: number): Acl | undefined {
  if (at + ACL_HEADER > bytes.length) return undefined
  const size = bytes.readUInt16LE(at + 2)
  const count = bytes.readUInt16LE(at + 4)
  const end = Math.min(at + size, bytes.length)
  const entries: Ace[] = []
  const revision = bytes[at]!
  let next = at + ACL_HEADER
  for (let index = 0; index < count; index++) {
    const length = next + 4 <= end ? bytes.readUInt16LE(next + 2) : 0
    if (length < ACE_HEADER || next + length > end)
      return { revision, entries, complaint: `entry ${index} of ${count} does not fit into the ACL` }
    entries.push(decodeAce(bytes, next, next + length))
    next += length
  }
  return { revision, entries }
}

function decodeAce(bytes: Buffer, at: number, end: number): Ace {
  const type = bytes[at]!
  const head = { type, flags: bytes[at + 1]!, mask: bytes.readUInt32LE(at + 4) }
  const guids: { objectType?: string; inheritedObjectType?: string } = {}
  let sidAt = at + ACE_HEADER
  if (OBJECT_TYPES.has(type) && sidAt + 4 <= end) {
    const present = bytes.readUInt32LE(sidAt)
    sidAt += 4
    if ((present & OBJECT_TYPE_PRESENT) !== 0 && sidAt + GUID_SIZE <= end) {
      guids.objectType = formatGuid(bytes, sidAt)
      sidAt += GUID_SIZE
    }
    if ((present & INHERITED_OBJECT_TYPE_PRESENT) !== 0 && sidAt + GUID_SIZE <= end) {
      guids.inheritedObjectType = formatGuid(bytes, sidAt)
      sidAt += GUID_SIZE
    }
  }
  const found = decodeSid(bytes, sidAt, end)
  return { ...head, ...guids, sid: found?.sid, data: bytes.subarray(sidAt + (found?.length ?? 0), end) }
}
