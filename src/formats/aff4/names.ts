import { randomUUID } from 'node:crypto'
import { hex2 } from './turtle.js'

/** How URNs and the names of ZIP members belong together: AFF4 Standard v1.0 §5.1, and what readers do of it. */

export const CONTAINER_DESCRIPTION = 'container.description'
export const VERSION_TXT = 'version.txt'
export const INFORMATION_TURTLE = 'information.turtle'

const SCHEME = 'aff4://'
const ESCAPED_SCHEME = 'aff4%3A%2F%2F'

export const freshUrn = (): string => SCHEME + randomUUID()

/** The URN of an object that is called by its number, where none may be random. */
export const numberedUrn = (volume: string, number: number): string => `${volume}/~${number}`

/** What no path may begin with: names of the volume's own members and objects. */
export const isReserved = (part: string): boolean =>
  [CONTAINER_DESCRIPTION, VERSION_TXT, INFORMATION_TURTLE].includes(part) || /^~\d+$/.test(part)

/** The member that holds a URN in a volume of version 1.0. */
export function memberName(urn: string, volume: string): string {
  const tail = tailOf(urn, volume)
  if (tail !== undefined) return escapeName(tail.replace(/^\//, ''))
  return urn.startsWith(SCHEME) ? ESCAPED_SCHEME + escapeName(urn.slice(SCHEME.length)) : escapeName(urn)
}

/**
 * The member that holds a URN in a volume of version 1.1, spaces plain, or 1.2: the URN as it is, or its tail. pyaff4
 * writes plain spaces in 1.2, too, and does not find them again.
 */
export function rawMemberName(urn: string, volume: string, minor = 1): string {
  const name = tailOf(urn, volume)?.slice(1) ?? urn
  return minor === 1 ? name.replaceAll('%20', ' ') : name
}

/** What follows the URN of the volume, its slash included; undefined for a URN that does not lie below it. */
function tailOf(urn: string, volume: string): string | undefined {
  return urn.startsWith(`${volume}/`) ? urn.slice(volume.length) : undefined
}

/** The characters that c-aff4 escapes, so that all readers find the member. */
function escapeName(name: string): string {
  return name
    .replace(/[!$\\:*%?"<>|]/g, (character) => `%${hex2(character.charCodeAt(0))}`)
    .replace(/\/\//g, '%2F%2F')
}

/** Percent escapes resolved; what is not one stands for itself. */
export function decodeName(name: string): string {
  if (!name.includes('%')) return name
  const escaped = name.replace(/%(?![0-9A-Fa-f]{2})/g, '%25')
  try {
    return decodeURIComponent(escaped)
  } catch {
    return name
  }
}

/**
 * Finds members by URN, whatever the writer made of it: the tail below the volume's URN, escaped in upper or
 * lower case, or the raw URN (AFF4-L).
 * @param raw whether names are raw as a rule: from version 1.1 on
 */
export function memberLookup<T>(
  members: ReadonlyMap<string, T>,
  volume: string,
  raw = false,
): (urn: string) => T | undefined {
  /** Of the names that have escapes. */
  let decoded: Map<string, T> | undefined
  return (urn) => {
    const tail = tailOf(urn, volume)
    const usual = (raw ? rawMemberName : memberName)(urn, volume)
    const candidates = [usual, urn, ...(tail === undefined ? [] : [tail.slice(1), tail])]
    for (const name of candidates) {
      const member = members.get(name)
      if (member !== undefined) return member
    }
    decoded ??= decodedNames(members)
    for (const name of candidates) {
      const plain = decodeName(name)
      const member = decoded.get(plain) ?? members.get(plain)
      if (member !== undefined) return member
    }
    return undefined
  }
}

function decodedNames<T>(members: ReadonlyMap<string, T>): Map<string, T> {
  const decoded = new Map<string, T>()
  for (const [name, member] of members) {
    const plain = decodeName(name)
    if (plain !== name) decoded.set(plain, member)
  }
  return decoded
}

/**
 * Where pyaff4 keeps a bevy, an index or a map of a file whose path has `#` or `?` in it: it takes what follows for no
 * part of the path.
 * @param objects those that have such parts
 * @returns finds the URN for that of a part; undefined where several objects would have the same
 */
export function createPartFinder(objects: () => Iterable<string>): (urn: string) => string | undefined {
  const cut = (object: string) => object.split(/[#?]/, 1)[0]!
  let holders: Map<string, number> | undefined
  return (urn) => {
    const slash = urn.lastIndexOf('/')
    const object = urn.slice(0, slash)
    if (cut(object) === object) return undefined
    if (!holders) {
      holders = new Map()
      for (const one of objects()) holders.set(cut(one), (holders.get(cut(one)) ?? 0) + 1)
    }
    return holders.get(cut(object)) === 1 ? cut(object) + urn.slice(slash) : undefined
  }
}

/**
 * The URN below a volume under which a file keeps its path, for people who look into the volume as a ZIP file:
 * `/proc/kallsyms` becomes `<volume>/proc/kallsyms`, `C:\Windows` becomes `<volume>/C:/Windows`.
 * @returns undefined for a path that would be nothing, or one of the volume's own members
 */
export function pathUrn(path: string, volume: string): string | undefined {
  if (path.length > LONGEST_PATH) return undefined
  const slashed = /^([A-Za-z]:|\\\\)/.test(path) ? path.replaceAll('\\', '/') : path
  const parts = slashed.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
  if (parts.length === 0) return undefined
  if (isReserved(parts[0]!) || parts[0]!.startsWith('aff4:')) return undefined
  const urn = `${volume}/${parts.map(escapePart).join('/')}`
  return Buffer.byteLength(urn, 'utf8') > LONGEST_PATH ? undefined : urn
}

/** A member's name has 16 bits for its length, and others are made from it. */
const LONGEST_PATH = 32 << 10

/** What an IRI, or somebody's code that takes it apart, cannot bear. Letters of any script stay. */
function escapePart(part: string): string {
  return part.replace(/[\p{Cc} "%#?<>\\^`{|}[\]]/gu, (character) => `%${hex2(character.charCodeAt(0))}`)
}
