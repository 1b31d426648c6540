import { NtfsError } from '../finding.js'
import { type Acl, decodeAcl } from './acl.js'
import { decodeSid } from './sid.js'

/** Self-relative descriptor: u8 revision 1, u8, u16 control, u32 offsets of owner, group, SACL, DACL; 0 for none. */
const HEADER_SIZE = 20
const REVISION = 1

export const CONTROL = {
  DACL_PRESENT: 0x0004,
  SACL_PRESENT: 0x0010,
  DACL_AUTO_INHERIT_REQUIRED: 0x0100,
  SACL_AUTO_INHERIT_REQUIRED: 0x0200,
  DACL_AUTO_INHERITED: 0x0400,
  SACL_AUTO_INHERITED: 0x0800,
  DACL_PROTECTED: 0x1000,
  SACL_PROTECTED: 0x2000,
  SELF_RELATIVE: 0x8000,
} as const

export interface SecurityDescriptor {
  readonly control: number
  /** SIDs. */
  readonly owner?: string
  readonly group?: string
  /** `null`: present but empty of an ACL, which grants everything to everybody. */
  readonly sacl?: Acl | null
  readonly dacl?: Acl | null
  /** What of it is left out, and why. */
  readonly complaints: readonly string[]
}

/** @throws {NtfsError} when it has no header, or one of another revision */
export function decodeSecurityDescriptor(bytes: Buffer): SecurityDescriptor {
  if (bytes.length < HEADER_SIZE)
    throw new NtfsError(`a security descriptor of ${bytes.length} bytes is cut off`)
  if (bytes[0] !== REVISION) throw new NtfsError(`a security descriptor of revision ${bytes[0]}`)
  const control = bytes.readUInt16LE(2)
  const complaints: string[] = []
  const sid = (what: string, field: number) => {
    const offset = bytes.readUInt32LE(field)
    if (offset === 0) return undefined
    const found = decodeSid(bytes, offset, bytes.length)
    if (!found) complaints.push(`the ${what} is no SID`)
    return found?.sid
  }
  const acl = (what: string, field: number, present: number) => {
    if ((control & present) === 0) return undefined
    const offset = bytes.readUInt32LE(field)
    if (offset === 0) return null
    const found = decodeAcl(bytes, offset)
    if (!found) complaints.push(`the ${what} lies past the end`)
    else if (found.complaint) complaints.push(`${what}: ${found.complaint}`)
    return found
  }
  const owner = sid('owner', 4)
  const group = sid('group', 8)
  const sacl = acl('SACL', 12, CONTROL.SACL_PRESENT)
  const dacl = acl('DACL', 16, CONTROL.DACL_PRESENT)
  return {
    control,
    ...(owner !== undefined && { owner }),
    ...(group !== undefined && { group }),
    ...(sacl !== undefined && { sacl }),
    ...(dacl !== undefined && { dacl }),
    complaints,
  }
}
