import { NtfsError, type Report } from './finding.js'

/**
 * $EA_INFORMATION: u16 size when packed, u16 entries flagged as needed, u32 size of $EA.
 *
 * An entry of $EA, 4-aligned:
 *
 *      0  4  offset of the next entry from this one; 0 for the last
 *      4  1  flags: 0x80 needed to understand the file
 *      5  1  bytes of name, without the NUL behind it
 *      6  2  bytes of value
 *      8     name, NUL, value
 */
const INFORMATION_SIZE = 8
const HEADER_SIZE = 8
const NEEDED = 0x80

export interface ExtendedAttributesInformation {
  readonly packedSize: number
  readonly neededCount: number
  readonly unpackedSize: number
}

export interface ExtendedAttribute {
  /** One character for each byte: the field knows no encoding. */
  readonly name: string
  readonly needed: boolean
  readonly value: Buffer
}

/** What the Linux subsystem of Windows keeps in entries whose names begin with `$LX`. */
export interface LinuxMetadata {
  readonly uid?: number
  readonly gid?: number
  readonly mode?: number
  readonly device?: { readonly major: number; readonly minor: number }
}

/** @throws {NtfsError} when it is cut off */
export function decodeEaInformation(value: Buffer): ExtendedAttributesInformation {
  if (value.length < INFORMATION_SIZE)
    throw new NtfsError(`$EA_INFORMATION of ${value.length} bytes is cut off`)
  return {
    packedSize: value.readUInt16LE(0),
    neededCount: value.readUInt16LE(2),
    unpackedSize: value.readUInt32LE(4),
  }
}

/** The entries as far as they are sound; each is a view of `value`. */
export function decodeExtendedAttributes(value: Buffer, report: Report): ExtendedAttribute[] {
  const found: ExtendedAttribute[] = []
  const stop = (message: string, at: number) => {
    report({ message: `$EA: ${message}; the rest is left out`, offset: BigInt(at) })
    return found
  }
  let at = 0
  while (at < value.length) {
    if (at + HEADER_SIZE > value.length) return stop('an entry is cut off', at)
    const next = value.readUInt32LE(at)
    const nameLength = value[at + 5]!
    const valueAt = at + HEADER_SIZE + nameLength + 1
    const end = valueAt + value.readUInt16LE(at + 6)
    if (end > value.length || (next !== 0 && end > at + next))
      return stop('an entry is longer than its room', at)
    found.push({
      name: value.toString('latin1', at + HEADER_SIZE, valueAt - 1),
      needed: (value[at + 4]! & NEEDED) !== 0,
      value: value.subarray(valueAt, end),
    })
    if (next === 0) break
    if (next % 4 !== 0) return stop(`an entry claims ${next} bytes`, at)
    at += next
  }
  return found
}

/** Of an entry whose value is too short nothing is taken. */
export function linuxMetadata(attributes: readonly ExtendedAttribute[]): LinuxMetadata {
  const word = (name: string) => {
    const value = attributes.find((attribute) => attribute.name === name)?.value
    return value && value.length >= 4 ? value.readUInt32LE(0) : undefined
  }
  const [uid, gid, mode] = [word('$LXUID'), word('$LXGID'), word('$LXMOD')]
  const device = attributes.find(({ name, value }) => name === '$LXDEV' && value.length >= 8)?.value
  return {
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(mode !== undefined && { mode }),
    ...(device && { device: { major: device.readUInt32LE(0), minor: device.readUInt32LE(4) } }),
  }
}
