import { createHash } from 'node:crypto'

/** What file systems take as one name, in bytes. */
export const LONGEST_NAME = 255
/** What is left of a longer one, before digits that tell it from others. */
const KEPT = 200

const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])[ .]*(\.|$)/i

/**
 * A name that a file can have on any system, also one where a colon leads to another stream or disk, `nul` is a
 * device and a dot at the end is dropped. What cannot stay is spelled out, as in `%3A`.
 */
export function portableName(name: string): string {
  const spelled = name.replace(/[<>:"|?*\\]|\p{Cc}|\p{Cs}|[ .]$/gu, escaped)
  return RESERVED.test(spelled) ? `%${spelled}` : spelled
}

const escaped = (character: string) =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** A name of at most 255 bytes. */
export function shortened(name: Buffer): Buffer {
  if (name.length <= LONGEST_NAME) return name
  let end = KEPT
  // No character is cut in two.
  while (end > KEPT - 4 && (name[end]! & 0xc0) === 0x80) end--
  return Buffer.concat([name.subarray(0, end), Buffer.from(`~${nameDigest(name)}`)])
}

/** Digits that tell a name that was shortened from others. */
export const nameDigest = (name: Buffer | string): string =>
  createHash('sha256').update(name).digest('hex').slice(0, 16)
