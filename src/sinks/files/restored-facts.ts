import type { TreeFacts } from '../../cli/tree.js'
import { aff4, pmem } from '../../formats/aff4/lexicon.js'
import { parseTurtle, type Statement } from '../../formats/aff4/turtle.js'
import { FormatError } from '../../formats/format-error.js'
import type { ExtendedAttribute } from '../../platform/linux/extended-attributes.js'

export const NO_FACTS: TreeFacts = { attributes: [] }

const BASE = 'aff4://stream'
/** All of 32 bits but the one that means "leave it". */
const LARGEST_ID = 0xffff_fffe

/**
 * Takes what a META says of its stream. What is not as it should be is passed over.
 * @throws {FormatError} when it is no Turtle
 */
export function readFacts(turtle: string): TreeFacts {
  const own = parseTurtle(turtle, BASE).filter(({ subject }) => subject === BASE)
  const mode = objectOf(own, pmem('mode'))
  const [uid, gid] = [idOf(own, 'uid'), idOf(own, 'gid')]
  const written = timeOf(own, 'lastWritten')
  const accessed = timeOf(own, 'lastAccessed') ?? written
  const identity = identityOf(own)
  return {
    ...(mode !== undefined && /^[0-7]{1,4}$/.test(mode) && { mode: Number.parseInt(mode, 8) }),
    ...(uid !== undefined && gid !== undefined && { owner: { uid, gid } }),
    ...(written !== undefined && accessed !== undefined && { times: { written, accessed } }),
    attributes: attributesOf(own),
    ...(identity !== undefined && { identity }),
  }
}

/** Facts come in one META or in several. */
export const addFacts = (known: TreeFacts, more: TreeFacts): TreeFacts => ({
  ...known,
  ...more,
  attributes: [...known.attributes, ...more.attributes],
})

/** What a META adds to what is known; nothing where it is no Turtle. */
export function addReadable(known: TreeFacts, turtle: string): TreeFacts {
  try {
    return addFacts(known, readFacts(turtle))
  } catch (error) {
    if (error instanceof FormatError) return known
    throw error
  }
}

function objectOf(facts: readonly Statement[], predicate: string): string | undefined {
  return facts.find((fact) => fact.predicate === predicate)?.object.value
}

function idOf(facts: readonly Statement[], term: string): number | undefined {
  const value = objectOf(facts, pmem(term))
  if (value === undefined || !/^[0-9]{1,10}$/.test(value)) return undefined
  return Number(value) <= LARGEST_ID ? Number(value) : undefined
}

const SECOND = 1_000_000_000n

/** Nanoseconds since the epoch of an xsd:dateTime. */
function timeOf(facts: readonly Statement[], term: string): bigint | undefined {
  const value = objectOf(facts, aff4(term)) ?? ''
  const match = /^(-?\d{4,9})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?$/.exec(
    value,
  )
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const whole = date.getTime()
  if (Number.isNaN(whole)) return undefined
  const zone = match[8] ?? 'Z'
  const shift = zone === 'Z' ? 0n : BigInt(`${zone[0]}1`) * minutesOf(zone.slice(1)) * 60n * SECOND
  return BigInt(whole) * 1_000_000n + BigInt((match[7] ?? '').padEnd(9, '0')) - shift
}

function minutesOf(zone: string): bigint {
  const [hours, minutes] = zone.split(':')
  return BigInt(hours!) * 60n + BigInt(minutes!)
}

/** Values as file-cat writes them: Base64, a space, the name. */
function attributesOf(facts: readonly Statement[]): ExtendedAttribute[] {
  const found: ExtendedAttribute[] = []
  for (const { predicate, object } of facts) {
    const raw = predicate === pmem('extendedAttributeRaw')
    if (!raw && predicate !== pmem('extendedAttribute')) continue
    const space = object.value.indexOf(' ')
    if (space < 0) continue
    const name = Buffer.from(object.value.slice(space + 1), raw ? 'base64' : 'utf8')
    const value = Buffer.from(object.value.slice(0, space), 'base64')
    if (name.length > 0 && !name.includes(0)) found.push({ name, value })
  }
  return found
}

function identityOf(facts: readonly Statement[]): string | undefined {
  const [links, device, inode] = ['hardLinks', 'device', 'inode'].map((term) => objectOf(facts, pmem(term)))
  if (!device || !inode || !/^[0-9]+$/.test(links ?? '') || Number(links) < 2) return undefined
  // Numbers of two machines may be the same.
  return [objectOf(facts, pmem('transmission')) ?? '', device, inode].join(' ')
}
