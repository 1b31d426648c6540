import { asBuffer } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { aff4 } from './lexicon.js'
import type { SymbolicContent } from './symbolic.js'
import { hex2 } from './turtle.js'

/**
 * A map (AFF4 Standard v1.0 §4) is two members: `idx`, a URN a line, and `map`, entries of 28 bytes:
 *
 *      0  8  offset in the map          16  8  offset in the target
 *      8  8  length                     24  4  target: line of `idx`, from 0
 */
export const MAP_ENTRY_SIZE = 28

export interface MapEntry {
  readonly offset: bigint
  readonly length: bigint
  readonly targetOffset: bigint
  /** URN of an image stream, or IRI of a symbolic one. */
  readonly target: string
}

export const mapUrn = (map: string): string => `${map}/map`
export const idxUrn = (map: string): string => `${map}/idx`

export interface PackedEntry {
  readonly offset: bigint
  readonly length: bigint
  readonly targetOffset: bigint
  readonly targetId: number
}

export function writeMapEntry(view: DataView, at: number, entry: PackedEntry): void {
  view.setBigUint64(at, entry.offset, true)
  view.setBigUint64(at + 8, entry.length, true)
  view.setBigUint64(at + 16, entry.targetOffset, true)
  view.setUint32(at + 24, entry.targetId, true)
}

/** The same as the suite of 2015 has it: the offset in the target stands before the length. */
export function readMapEntry2015(view: DataView, at: number): PackedEntry {
  const { offset, length, targetOffset, targetId } = readMapEntry(view, at)
  return { offset, length: targetOffset, targetOffset: length, targetId }
}

export function readMapEntry(view: DataView, at: number): PackedEntry {
  return {
    offset: view.getBigUint64(at, true),
    length: view.getBigUint64(at + 8, true),
    targetOffset: view.getBigUint64(at + 16, true),
    targetId: view.getUint32(at + 24, true),
  }
}

/** A target for each line; LF, because CRLF breaks readers. */
export const encodeIdx = (targets: Iterable<string>): Bytes =>
  Buffer.from([...targets].map((target) => `${target}\n`).join(''), 'utf8')

export function decodeIdx(bytes: Bytes): string[] {
  const lines = asBuffer(bytes).toString('utf8').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

const SYMBOLIC_BYTE = aff4('SymbolicStream')
const NAMED: Record<Exclude<SymbolicContent, number>, string> = {
  zero: aff4('Zero'),
  unreadable: aff4('UnreadableData'),
  unknown: aff4('UnknownData'),
}
/** What other generations and readers call them. */
const LEGACY_NAMES = 'http://afflib.org/2009/aff4#'
const LEGACY_BYTE = 'http://afflib.org/2012/SymbolicStream#'
const SYMBOLIC = new Map<string, SymbolicContent>([
  ...Object.entries(NAMED).map(([content, iri]) => [iri, content as keyof typeof NAMED] as const),
  [aff4('FFDevice'), 0xff],
  [`${LEGACY_NAMES}Zero`, 'zero'],
  [`${LEGACY_NAMES}UnreadableData`, 'unreadable'],
  [`${LEGACY_NAMES}UnknownData`, 'unknown'],
  [`${LEGACY_NAMES}FF`, 0xff],
])

/** The stream that holds nothing else (AFF4 Standard v1.0 §4.4). */
export const symbolicUrn = (content: SymbolicContent): string =>
  typeof content === 'number' ? SYMBOLIC_BYTE + hex2(content) : NAMED[content]

/** What a symbolic stream holds; undefined for any other URN. */
export function symbolicContent(urn: string): SymbolicContent | undefined {
  const known = SYMBOLIC.get(urn)
  if (known !== undefined) return known
  const prefix = [SYMBOLIC_BYTE, LEGACY_BYTE].find((one) => urn.startsWith(one))
  if (prefix === undefined) return undefined
  const byte = urn.slice(prefix.length)
  if (!/^[0-9A-Fa-f]{2}$/.test(byte)) return undefined
  const value = Number.parseInt(byte, 16)
  return value === 0 ? 'zero' : value
}

/** Entries as the suite of 2015 writes them: the offset in the target stands before the length. */
export function targetFirst(entries: Bytes): Bytes {
  const swapped = Buffer.from(entries)
  for (let at = 0; at < swapped.length; at += MAP_ENTRY_SIZE) {
    swapped.set(entries.subarray(at + 16, at + 24), at + 8)
    swapped.set(entries.subarray(at + 8, at + 16), at + 16)
  }
  return swapped
}
