import { createHash } from 'node:crypto'
import type { Bytes } from '../byte-source.js'
import type { NewMember } from './zip/writer.js'

/**
 * What a volume is called that takes its name from its content, as long as that is not all there: no longer and no
 * shorter than a name. Where it stays, in the checkpoints, it means the volume that it stands in.
 */
export const UNNAMED = 'aff4://b5d3f7a0-2f64-4c1e-9d0a-6e0c3f0a8d11'
const UNNAMED_BYTES = Buffer.from(UNNAMED, 'latin1')

/** The name of a volume that only one with the same bytes can have. */
export interface ContentName {
  /** Told of each member that is about to be written, and of whatever else makes the volume what it is. */
  take(member: Pick<NewMember, 'name' | 'pieces'>): void
  /** Nothing comes any more. @returns the URN, the same whenever it is asked for */
  conclude(): string
}

export function createContentName(): ContentName {
  const sum = createHash('sha256')
  let urn: string | undefined
  return {
    take({ name, pieces }) {
      if (urn !== undefined) return
      sum.update(`${name}\0`)
      for (const piece of pieces) sum.update(piece)
    },
    conclude() {
      urn ??= `aff4://${uuidOf(sum.digest())}`
      return urn
    },
  }
}

/** The 122 bits that a UUID of version 8 (RFC 9562) has for its maker. */
function uuidOf(digest: Bytes): string {
  const bytes = Buffer.from(digest.subarray(0, 16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** A copy that has the name of the volume wherever there was none. @param urn as long as `UNNAMED` */
export function withName(bytes: Bytes, urn: string): Bytes {
  const named = Buffer.from(bytes)
  for (let at = named.indexOf(UNNAMED_BYTES); at >= 0; at = named.indexOf(UNNAMED_BYTES, at + urn.length))
    named.write(urn, at, 'latin1')
  return named
}

/** The same of a text. */
export const textWithName = (text: string, urn: string): string => text.replaceAll(UNNAMED, urn)
