import { createInternedNames, isAscii } from './interned-names.js'
import { DataFactory, termFromId } from './n3.js'
import type { Node } from './turtle.js'

/*
 * Facts as bytes, since volumes have millions of them, and an object for each took 1.1 GB for 100,000 files. They
 * stand one after another in slabs, in blocks of facts of one subject that came together:
 *
 *     0  4  where the next block of the subject begins; 0 when there is none
 *     4  4  number of the subject
 *     8  4  length of the facts
 *    12     facts
 *
 * A fact, its numbers in seven bits a byte, the lowest first, the upper bit of all but the last one set:
 *
 *     length of what follows
 *     number of the predicate
 *     4 * number of what follows the value of a literal, of `IRI`, of `BLANK`, or of the node itself, + its form
 *     the value, in ASCII (form 0) or UTF-16 (form 1), or nothing (form 2: an IRI that many facts name)
 *
 * The same fact is always the same bytes. A place is a slab and an offset in it in one number.
 */
const HEADER = 12
const SLAB = 1 << 20
/** Many graphs are of one file. */
const FIRST_SLAB = 1 << 10

const ASCII = 0
const UTF16 = 1
const KNOWN = 2
const IRI = 0
const BLANK = 1
/** So many IRIs are written once: types, the volume, whatever comes first. */
const MOST_KNOWN = 1 << 12

/** Up to so many facts a subject is searched from end to end: volumes have many subjects, each with a few. */
const SEARCHED = 32
/** A fact without its subject, which is a number. */
export interface Fact {
  readonly predicate: string
  readonly object: Node
}

export interface PackedFacts {
  /** What all of it takes in memory, about. */
  readonly byteLength: number
  /** @returns false for a fact that is there already */
  add(subject: number, predicate: string, object: Node): boolean
  has(subject: number, predicate: string, object: Node): boolean
  /** Where facts of a subject are, in the order of arrival; all of them, or those with one predicate. */
  places(subject: number, predicate?: string): readonly number[]
  fact(place: number): Fact
  /** The value of the object alone. */
  value(place: number): string
  /** Where facts that come from now on begin. */
  mark(): number
  /** Blocks of facts behind a mark, in the order of arrival. */
  blocks(from: number): Iterable<{ subject: number; first: boolean; places: readonly number[] }>
}

/** What a subject with many facts has besides. */
interface Index {
  readonly byPredicate: Map<number, number[]>
  readonly all: number[]
  /** Places + 1 by the hash of the bytes; a power of two of them. */
  table: Uint32Array
}

/** What is encoded is compared before it is kept. */
let scratch = Buffer.allocUnsafeSlow(1 << 12)
/** Where the last number that was read ends. */
let end = 0

export function createPackedFacts(): PackedFacts {
  const slabs: Buffer[] = [Buffer.allocUnsafe(FIRST_SLAB)]
  /** Of the last slab, and of those before. */
  let used = 0
  const filled: number[] = []
  let slabBytes = FIRST_SLAB
  /** The block that facts are added to, its subject, and the header's offset in the last slab. */
  let open: { subject: number; header: number } | undefined
  /** By the number of the subject. */
  const firstBlock: number[] = []
  const lastBlock: number[] = []
  const counts: number[] = []
  const indexes = new Map<number, Index>()
  const predicates = createInternedNames()
  const suffixes = createInternedNames()
  const known = createInternedNames()
  const knownNodes: Node[] = []
  suffixes.number('iri')
  suffixes.number('blank')

  const slabOf = (place: number) => slabs[Math.floor(place / SLAB)]!

  /** @returns length of the fact in `scratch`, after which its own length is not yet there */
  function encode(predicate: number, object: Node): number {
    const { value } = object
    if (scratch.length < 2 * value.length + 32) scratch = Buffer.allocUnsafeSlow(4 * value.length)
    let at = putNumber(scratch, 0, predicate)
    if (object.termType === 'NamedNode') {
      const number = known.find(value) ?? (known.count < MOST_KNOWN ? known.number(value) : undefined)
      if (number !== undefined) {
        knownNodes[number] ??= DataFactory.namedNode(known.name(number))
        return putNumber(scratch, at, 4 * number + KNOWN)
      }
    }
    const suffix =
      object.termType === 'Literal'
        ? suffixes.number(object.id.slice(value.length + 1))
        : object.termType === 'NamedNode'
          ? IRI
          : BLANK
    const plain = isAscii(value)
    at = putNumber(scratch, at, 4 * suffix + (plain ? ASCII : UTF16))
    return at + scratch.write(value, at, plain ? 'latin1' : 'utf16le')
  }

  function isEncoded(place: number, length: number): boolean {
    const slab = slabOf(place)
    const own = getNumber(slab, place % SLAB)
    const at = end
    if (own !== length || slab[at] !== scratch[0] || slab[at + length - 1] !== scratch[length - 1])
      return false
    return scratch.compare(slab, at, at + length, 0, length) === 0
  }

  /** Whether the subject has the fact in `scratch`. */
  function isThere(subject: number, length: number): boolean {
    const index = indexOf(subject)
    if (!index) return walk(subject, (place) => isEncoded(place, length))
    const { table } = index
    for (let at = hash(scratch, 0, length) & (table.length - 1); ; at = (at + 1) & (table.length - 1)) {
      const place = table[at]!
      if (place === 0) return false
      if (isEncoded(place - 1, length)) return true
    }
  }

  /** @returns whether `each` has said that it is enough */
  function walk(subject: number, each: (place: number) => boolean): boolean {
    for (let block = firstBlock[subject] ?? -1; block >= 0; ) {
      const slab = slabOf(block)
      const at = block % SLAB
      const stop = at + HEADER + slab.readUInt32LE(at + 8)
      for (let fact = at + HEADER; fact < stop; ) {
        if (each(block - at + fact)) return true
        const length = getNumber(slab, fact)
        fact = end + length
      }
      block = slab.readUInt32LE(at) || -1
    }
    return false
  }

  function indexOf(subject: number): Index | undefined {
    if ((counts[subject] ?? 0) <= SEARCHED) return undefined
    let index = indexes.get(subject)
    if (!index) {
      index = { byPredicate: new Map(), all: [], table: new Uint32Array(8 * SEARCHED) }
      indexes.set(subject, index)
      const into = index
      walk(subject, (place) => enter(into, place))
    }
    return index
  }

  function enter(index: Index, place: number): false {
    const { all, byPredicate } = index
    const predicate = predicateOf(place)
    const places = byPredicate.get(predicate)
    if (places) places.push(place)
    else byPredicate.set(predicate, [place])
    all.push(place)
    if (2 * all.length > index.table.length) {
      index.table = new Uint32Array(2 * index.table.length)
      for (const one of all) putInto(index.table, one)
    } else putInto(index.table, place)
    return false
  }

  function putInto(table: Uint32Array, place: number): void {
    const slab = slabOf(place)
    const length = getNumber(slab, place % SLAB)
    let at = hash(slab, end, length) & (table.length - 1)
    while (table[at] !== 0) at = (at + 1) & (table.length - 1)
    table[at] = place + 1
  }

  function predicateOf(place: number): number {
    const slab = slabOf(place)
    getNumber(slab, place % SLAB)
    return getNumber(slab, end)
  }

  /** Where `length` bytes go that may stand in the open block, or else in a new one. */
  function roomFor(subject: number, length: number): number {
    if (open?.subject !== subject || used + length > slabs.at(-1)!.length) {
      makeRoom(HEADER + length)
      const header = used
      const block = (slabs.length - 1) * SLAB + header
      const slab = slabs.at(-1)!
      slab.fill(0, header, header + HEADER).writeUInt32LE(subject, header + 4)
      const last = lastBlock[subject]
      if (last === undefined) firstBlock[subject] = block
      else slabOf(last).writeUInt32LE(block, last % SLAB)
      lastBlock[subject] = block
      open = { subject, header }
      used += HEADER
    }
    const at = used
    used += length
    slabs.at(-1)!.writeUInt32LE(used - open.header - HEADER, open.header + 8)
    return at
  }

  /** The first slab grows, others follow. */
  function makeRoom(length: number): void {
    const slab = slabs.at(-1)!
    if (used + length <= slab.length) return
    if (slabs.length === 1 && used + length <= SLAB) {
      const larger = Buffer.allocUnsafeSlow(Math.min(SLAB, Math.max(2 * slab.length, used + length)))
      slab.copy(larger, 0, 0, used)
      slabs[0] = larger
      slabBytes = larger.length
      return
    }
    filled.push(used)
    slabs.push(Buffer.allocUnsafeSlow(Math.max(SLAB, length)))
    slabBytes += slabs.at(-1)!.length
    used = 0
  }

  return {
    get byteLength() {
      const names = predicates.byteLength + suffixes.byteLength + known.byteLength
      return slabBytes + names + 24 * firstBlock.length
    },
    add(subject, predicate, object) {
      const length = encode(predicates.number(predicate), object)
      if (isThere(subject, length)) return false
      const prefix = lengthOfNumber(length)
      const at = roomFor(subject, prefix + length)
      const slab = slabs.at(-1)!
      putNumber(slab, at, length)
      scratch.copy(slab, at + prefix, 0, length)
      counts[subject] = (counts[subject] ?? 0) + 1
      const index = indexes.get(subject)
      if (index) enter(index, (slabs.length - 1) * SLAB + at)
      return true
    },
    has(subject, predicate, object) {
      const number = predicates.find(predicate)
      return number !== undefined && isThere(subject, encode(number, object))
    },
    places(subject, predicate) {
      const index = indexOf(subject)
      const number = predicate === undefined ? undefined : predicates.find(predicate)
      if (predicate !== undefined && number === undefined) return []
      if (index) return number === undefined ? index.all : (index.byPredicate.get(number) ?? [])
      const found: number[] = []
      walk(subject, (place) => {
        if (number === undefined || predicateOf(place) === number) found.push(place)
        return false
      })
      return found
    },
    fact(place) {
      const slab = slabOf(place)
      const length = getNumber(slab, place % SLAB)
      const stop = end + length
      const predicate = predicates.name(getNumber(slab, end))
      const header = getNumber(slab, end)
      const form = header % 4
      const number = (header - form) / 4
      if (form === KNOWN) return { predicate, object: knownNodes[number]! }
      const value = slab.toString(form === ASCII ? 'latin1' : 'utf16le', end, stop)
      if (number === IRI) return { predicate, object: DataFactory.namedNode(value) }
      if (number === BLANK) return { predicate, object: DataFactory.blankNode(value) }
      return { predicate, object: termFromId(`"${value}${suffixes.name(number)}`) as Node }
    },
    value(place) {
      const slab = slabOf(place)
      const length = getNumber(slab, place % SLAB)
      const stop = end + length
      getNumber(slab, end)
      const header = getNumber(slab, end)
      const form = header % 4
      if (form === KNOWN) return known.name((header - form) / 4)
      return slab.toString(form === ASCII ? 'latin1' : 'utf16le', end, stop)
    },
    mark() {
      open = undefined
      return (slabs.length - 1) * SLAB + Math.min(used, SLAB)
    },
    *blocks(from) {
      for (let number = Math.floor(from / SLAB); number < slabs.length; number++) {
        const base = number * SLAB
        let at = from > base ? from - base : 0
        while (at < (filled[number] ?? used)) {
          const slab = slabs[number]!
          const stop = at + HEADER + slab.readUInt32LE(at + 8)
          const places: number[] = []
          for (let fact = at + HEADER; fact < stop; ) {
            places.push(base + fact)
            const length = getNumber(slab, fact)
            fact = end + length
          }
          const subject = slab.readUInt32LE(at + 4)
          yield { subject, first: firstBlock[subject] === base + at, places }
          at = stop
        }
      }
    },
  }
}

/** @returns where what follows it goes */
function putNumber(into: Buffer, at: number, number: number): number {
  let left = number
  let next = at
  for (; left >= 0x80; left = Math.floor(left / 0x80)) into[next++] = (left % 0x80) | 0x80
  into[next++] = left
  return next
}

/** Reads a number, and sets `end`. */
function getNumber(from: Buffer, at: number): number {
  let byte = from[at]!
  end = at + 1
  if (byte < 0x80) return byte
  let number = byte & 0x7f
  for (let unit = 0x80; byte >= 0x80; unit *= 0x80) {
    byte = from[end++]!
    number += (byte & 0x7f) * unit
  }
  return number
}

function lengthOfNumber(number: number): number {
  let length = 1
  for (let left = number; left >= 0x80; left = Math.floor(left / 0x80)) length++
  return length
}

/** FNV-1a. */
function hash(bytes: Buffer, from: number, length: number): number {
  let sum = 0x811c9dc5
  for (let at = from; at < from + length; at++) sum = Math.imul(sum ^ bytes[at]!, 0x01000193)
  return sum >>> 0
}
