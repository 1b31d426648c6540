import { EventEmitter } from 'node:events'
import { getHeapStatistics } from 'node:v8'
import { FormatError } from '../format-error.js'
import { createInternedNames } from './interned-names.js'
import { iri, RDF_TYPE } from './lexicon.js'
import { type BlankNode, type Literal, type NamedNode, Parser, type Quad } from './n3.js'
import { NAMESPACES } from './namespaces.js'
import { createPackedFacts } from './packed-facts.js'

export type Node = NamedNode | BlankNode | Literal
/** A subject or predicate is its IRI, or `_:label`. */
export interface Statement {
  readonly subject: string
  readonly predicate: string
  readonly object: Node
}

/** The facts about the objects of a volume. A fact that is there already is not added again. */
export interface Graph {
  /** In the order of arrival. */
  readonly statements: Iterable<Statement>
  /** How long `formatTurtle` of all statements is at most, in bytes. */
  readonly turtleBytes: number
  /** What it takes in memory, about. */
  readonly byteLength: number
  add(subject: string, predicate: string, ...objects: Node[]): void
  /** Where statements that come from now on begin. */
  mark(): number
  /** Statements that came behind a mark, in the order of arrival. */
  since(mark: number): Iterable<Statement>
  /** Subjects, in the order of arrival. */
  subjects(): Iterable<string>
  /** The statements about a subject. */
  about(subject: string): Statement[]
  predicates(subject: string): Iterable<string>
  all(subject: string, predicate: string): Node[]
  /** The value of the first object. */
  value(subject: string, predicate: string): string | undefined
  /** The first object as a whole number that is not negative; undefined when there is none that is one. */
  integer(subject: string, predicate: string): bigint | undefined
  isA(subject: string, type: string): boolean
}

export function createGraph(): Graph {
  const subjects = createInternedNames()
  const facts = createPackedFacts()
  /** Of what came before `measured`: whoever only reads does not ask. */
  let turtleBytes = byteLength(prefixLines({ '': '', ...NAMESPACES })) + 2
  let measured = 0

  function places(subject: string, predicate?: string): readonly number[] {
    const number = subjects.find(subject)
    return number === undefined ? [] : facts.places(number, predicate)
  }

  function* since(mark: number): Generator<Statement> {
    for (const block of facts.blocks(mark)) {
      const subject = subjects.name(block.subject)
      for (const place of block.places) yield { subject, ...facts.fact(place) }
    }
  }

  const graph: Graph = {
    statements: { [Symbol.iterator]: () => since(0) },
    get turtleBytes() {
      const mark = facts.mark()
      if (mark === measured) return turtleBytes
      for (const block of facts.blocks(measured)) {
        if (block.first) turtleBytes += byteLength(formatName(subjects.name(block.subject), NAMESPACES)) + 8
        for (const place of block.places) {
          const { predicate, object } = facts.fact(place)
          turtleBytes +=
            byteLength(formatName(predicate, NAMESPACES)) + byteLength(formatNode(object, NAMESPACES)) + 16
        }
      }
      measured = mark
      return turtleBytes
    },
    get byteLength() {
      return subjects.byteLength + facts.byteLength
    },
    add(subject, predicate, ...objects) {
      for (const object of objects) facts.add(subjects.number(subject), predicate, object)
    },
    mark: facts.mark,
    since,
    subjects: subjects.all,
    about: (subject) => places(subject).map((place) => ({ subject, ...facts.fact(place) })),
    predicates: (subject) => new Set(places(subject).map((place) => facts.fact(place).predicate)),
    all: (subject, predicate) => places(subject, predicate).map((place) => facts.fact(place).object),
    value(subject, predicate) {
      const [first] = places(subject, predicate)
      return first === undefined ? undefined : facts.value(first)
    },
    integer(subject, predicate) {
      const value = graph.value(subject, predicate)
      return value !== undefined && /^\s*(?:\+?[0-9]{1,20}|0x[0-9a-f]{1,16})\s*$/i.test(value)
        ? BigInt(value.trim())
        : undefined
    },
    isA(subject, type) {
      const number = subjects.find(subject)
      return number !== undefined && facts.has(number, RDF_TYPE, iri(type))
    },
  }
  return graph
}

/** Turtle that may come without a statement being complete: literals and nesting are held in memory until then. */
const LONGEST_STATEMENT = 4 << 20

/** What a statement takes in memory as an object. */
const STATEMENT_BYTES = 512
/** V8 counts into its limit what only young objects may fill: three half-spaces, of 64 MiB each from Node 24 on. */
const YOUNG_BYTES = 3 * (64 << 20)
const HEAP_BYTES = getHeapStatistics().heap_size_limit
/** What all statements may take: beyond, Node would die of it without a word. */
const MOST_BYTES = (Math.max(HEAP_BYTES - YOUNG_BYTES, HEAP_BYTES / 3) * 3) / 4

/** Takes Turtle in pieces, and tells each statement as it is complete. */
export interface TurtleReader {
  /** @throws {FormatError} naming the line */
  write(piece: string): void
  /** @throws {FormatError} when a statement is cut */
  end(): void
}

/**
 * @param base what `<>` means
 * @param about.onPrefix told of each prefix that is bound
 * @param about.held what the statements take where they are kept otherwise than as objects
 */
export function createTurtleReader(
  base: string | undefined,
  each: (statement: Statement) => void,
  about: { onPrefix?: (prefix: string, namespace: string) => void; held?: () => number } = {},
): TurtleReader {
  const input = new EventEmitter()
  let failure: Error | undefined
  let pending = 0
  let statements = 0
  const held = about.held ?? (() => statements * STATEMENT_BYTES)
  const parser = new Parser({ format: 'text/turtle', ...(base === undefined ? {} : { baseIRI: base }) })
  const take = (error: Error | null, quad: Quad | null) => {
    failure ??= error ?? undefined
    if (!quad || failure) return
    pending = 0
    statements++
    each({ subject: quad.subject.id, predicate: quad.predicate.id, object: quad.object as Node })
  }
  parser.parse(input, take, (prefix, namespace) => about.onPrefix?.(prefix, namespace.value))
  /** What is wrong comes to the callback, or is thrown where the parser did not expect it. */
  const feed = (event: 'data' | 'end', piece?: string) => {
    try {
      input.emit(event, piece)
    } catch (error) {
      failure ??= error as Error
    }
    if (failure) throw new FormatError(`turtle: ${failure.message.replace(/\.$/, '')}`)
  }
  return {
    write(piece) {
      pending += piece.length
      feed('data', piece)
      if (held() > MOST_BYTES)
        throw new FormatError(
          'turtle: more statements than memory holds (NODE_OPTIONS=--max-old-space-size=N gives N MiB)',
        )
      if (pending > LONGEST_STATEMENT)
        throw new FormatError(`turtle: a statement of more than ${LONGEST_STATEMENT >> 20} MiB`)
    },
    end() {
      feed('end')
    },
  }
}

/**
 * Reads Turtle.
 * @param base what `<>` means
 * @throws {FormatError} naming the line
 */
export function parseTurtle(turtle: string, base?: string): Statement[] {
  const statements: Statement[] = []
  const reader = createTurtleReader(base, (statement) => statements.push(statement))
  for (let at = 0; at < turtle.length; at += PIECE) reader.write(turtle.slice(at, at + PIECE))
  reader.end()
  return statements
}

const PIECE = 1 << 20

/**
 * Adds what Turtle says to a graph.
 * @param base what `<>` means
 * @throws {FormatError} naming the line
 */
export function addTurtle(graph: Graph, turtle: string, base: string): void {
  for (const { subject, predicate, object } of parseTurtle(turtle, base))
    graph.add(subject, predicate, object)
}

/** Namespaces by their prefixes. */
export type Prefixes = Readonly<Record<string, string>>

/** Writes statements in the subset of Turtle that every known reader of AFF4 takes; types stand first. */
export const formatTurtle = (statements: Iterable<Statement>, volume: string): string =>
  prefixLines({ '': volume, ...NAMESPACES }) + formatSubjects(statements, NAMESPACES)

/** All that a graph says, with other prefixes, in pieces: a subject each. */
export function* formatGraph(graph: Graph, prefixes: Prefixes): Generator<string> {
  yield prefixLines(prefixes)
  for (const subject of graph.subjects()) yield formatSubjects(graph.about(subject), prefixes)
}

/** The statements alone, to stand behind such Turtle. */
export const formatMoreTurtle = (statements: Iterable<Statement>, volume: string): string =>
  formatSubjects(statements, { '': volume, ...NAMESPACES })

function formatSubjects(statements: Iterable<Statement>, prefixes: Prefixes): string {
  const subjects = new Map<string, Map<string, string[]>>()
  for (const { subject, predicate, object } of statements) {
    let predicates = subjects.get(subject)
    if (!predicates) {
      predicates = new Map()
      subjects.set(subject, predicates)
    }
    const values = predicates.get(predicate)
    if (values) values.push(formatNode(object, prefixes))
    else predicates.set(predicate, [formatNode(object, prefixes)])
  }
  const parts: string[] = []
  for (const [subject, predicates] of subjects) {
    const lines = [...predicates]
      .map(([predicate, values]) => `${formatName(predicate, prefixes)} ${values.join(' , ')}`)
      .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    parts.push(`\n${formatName(subject, prefixes)}\n        ${lines.join(' ;\n        ')} .\n`)
  }
  return parts.join('')
}

const rank = (line: string) => (line.startsWith('a ') ? 0 : 1)
const byteLength = (value: string) => Buffer.byteLength(value, 'utf8')

function prefixLines(prefixes: Prefixes): string {
  return Object.entries(prefixes)
    .map(([prefix, namespace]) => `@prefix ${`${prefix}:`.padEnd(6)} <${escapeIri(namespace)}> .\n`)
    .join('')
}

function formatName(name: string, prefixes: Prefixes): string {
  if (name === RDF_TYPE) return 'a'
  if (name.startsWith('_:')) return name
  for (const [prefix, namespace] of Object.entries(prefixes))
    if (name.startsWith(namespace) && /^[A-Za-z][A-Za-z0-9_]*$/.test(name.slice(namespace.length)))
      return `${prefix}:${name.slice(namespace.length)}`
  return `<${escapeIri(name)}>`
}

function formatNode(node: Node, prefixes: Prefixes): string {
  if (node.termType === 'BlankNode') return node.id
  if (node.termType === 'NamedNode')
    return node.value === RDF_TYPE ? `<${RDF_TYPE}>` : formatName(node.value, prefixes)
  const quoted = `"${node.value.replace(/["\\\p{Cc}]/gu, escapeCharacter)}"`
  if (node.language) return `${quoted}@${node.language}`
  const datatype = node.datatype.value
  return datatype === `${NAMESPACES.xsd}string` ? quoted : `${quoted}^^${formatName(datatype, prefixes)}`
}

const SHORT_ESCAPES: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}
const escapeCharacter = (character: string) =>
  SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`

/** What an IRI reference of Turtle cannot hold becomes percent-encoded. */
function escapeIri(value: string): string {
  return value.replace(/[\p{Cc} <>"{}|^`\\]/gu, (character) => `%${hex2(character.charCodeAt(0))}`)
}

export const hex2 = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0')
