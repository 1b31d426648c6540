/*
 * How a path becomes the URN of an AFF4-L image (version 1.1), as pyaff4 makes it:
 *
 *     /src/a file.txt, src/a file.txt   <volume>//src/a%20file.txt
 *     c:\foo\bar                        <volume>//c:/foo/bar
 *     \\host\share\f                    <volume>/host/share/f
 */

import { isReserved } from './names.js'

/** A member's name has 16 bits for its length, and others are made from it. */
const LONGEST = 32 << 10

/**
 * The URN of a file, folder or link in a volume of version 1.1. Components that lead out are dropped.
 * @param path with `/` between components, or one of Windows with its drive or share
 * @returns undefined for a path that would be nothing, one of the volume's own members, or too long
 */
export function logicalUrn(path: string, volume: string): string | undefined {
  if (path.length > LONGEST) return undefined
  const windows = /^([A-Za-z]:|\\\\)/.test(path)
  const share = path.startsWith('\\\\')
  const parts = (windows ? path.replaceAll('\\', '/') : path)
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
  if (parts.length === 0) return undefined
  if (share && isReserved(parts[0]!)) return undefined
  const urn = `${volume}${share ? '/' : '//'}${parts.map(escapePart).join('/')}`
  return Buffer.byteLength(urn, 'utf8') > LONGEST ? undefined : urn
}

/** What an IRI, or somebody's code that takes it apart, cannot bear. Letters of any script stay. */
function escapePart(part: string): string {
  // Half a character has no bytes of its own.
  return Buffer.from(part, 'utf8')
    .toString('utf8')
    .replace(
      /[\p{Cc} "%#?<>\\^`{|}[\]]/gu,
      (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
}
