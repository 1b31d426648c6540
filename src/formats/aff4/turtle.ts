import { EventEmitter } from 'node:events'
import { getHeapStatistics } from 'node:v8'
import { FormatError } from '../format-error.js'
import { NAMESPACES, RDF_TYPE } from './lexicon.js'
import { type BlankNode, type Literal, type NamedNode, Parser, type Quad } from './n3.js'

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
  readonly statements: readonly Statement[]
  /** How long `formatTurtle` of all statements is at most, in bytes. */
  readonly turtleBytes: number
  add(subject: string, predicate: string, ...objects: Node[]): void
  /** Subjects, in the order of arrival. */
  subjects(): Iterable<string>
  predicates(subject: string): Iterable<string>
  all(subject: string, predicate: string): Node[]
  /** The value of the first object. */
  value(subject: string, predicate: string): string | undefined
  /** The first object as a whole number that is not negative; undefined when there is none that is one. */
  integer(subject: string, predicate: string): bigint | undefined
  isA(subject: string, type: string): boolean
}

/** Up to so many statements a subject is searched from end to end: volumes have many subjects, each with a few. */
const SEARCHED = 32

export function createGraph(): Graph {
  const statements: Statement[] = []
  const bySubject = new Map<string, Statement[]>()
  /** Of subjects with more statements. */
  const large = new Map<string, Map<string, Map<string, Node>>>()
  const predicateNames = new Map<string, string>()
  /** Of so many statements: whoever only reads does not ask. */
  let turtleBytes = byteLength(prefixLines({ '': '', ...NAMESPACES })) + 2
  let measured = 0

  function indexed(subject: string, facts: readonly Statement[]): Map<string, Map<string, Node>> {
    let index = large.get(subject)
    if (index) return index
    index = new Map()
    large.set(subject, index)
    for (const fact of facts) enter(index, fact)
    return index
  }

  function enter(index: Map<string, Map<string, Node>>, { predicate, object }: Statement): void {
    const values = index.get(predicate)
    if (values) values.set(object.id, object)
    else index.set(predicate, new Map([[object.id, object]]))
  }

  function find(subject: string, predicate: string): Iterable<Node> {
    const facts = bySubject.get(subject) ?? []
    if (facts.length > SEARCHED) return indexed(subject, facts).get(predicate)?.values() ?? []
    return facts.filter((fact) => fact.predicate === predicate).map(({ object }) => object)
  }

  function has(subject: string, predicate: string, id: string): boolean {
    const facts = bySubject.get(subject) ?? []
    if (facts.length > SEARCHED) return indexed(subject, facts).get(predicate)?.has(id) ?? false
    return facts.some((fact) => fact.predicate === predicate && fact.object.id === id)
  }

  function nameOf(predicate: string): string {
    const known = predicateNames.get(predicate)
    if (known === undefined) predicateNames.set(predicate, predicate)
    return known ?? predicate
  }

  const graph: Graph = {
    statements,
    get turtleBytes() {
      for (; measured < statements.length; measured++) {
        const statement = statements[measured]!
        const { subject, predicate, object } = statement
        if (bySubject.get(subject)?.[0] === statement)
          turtleBytes += byteLength(formatName(subject, NAMESPACES)) + 8
        turtleBytes +=
          byteLength(formatName(predicate, NAMESPACES)) + byteLength(formatNode(object, NAMESPACES)) + 16
      }
      return turtleBytes
    },
    add(subject, predicate, ...objects) {
      for (const object of objects) {
        if (has(subject, predicate, object.id)) continue
        let facts = bySubject.get(subject)
        if (!facts) {
          facts = []
          bySubject.set(subject, facts)
        }
        const statement = { subject, predicate: nameOf(predicate), object }
        facts.push(statement)
        statements.push(statement)
        const index = large.get(subject)
        if (index) enter(index, statement)
      }
    },
    subjects: () => bySubject.keys(),
    predicates: (subject) => new Set((bySubject.get(subject) ?? []).map(({ predicate }) => predicate)),
    all: (subject, predicate) => [...find(subject, predicate)],
    value(subject, predicate) {
      for (const { value } of find(subject, predicate)) return value
      return undefined
    },
    integer(subject, predicate) {
      const value = graph.value(subject, predicate)
      return value !== undefined && /^\s*(?:\+?[0-9]{1,20}|0x[0-9a-f]{1,16})\s*$/i.test(value)
        ? BigInt(value.trim())
        : undefined
    },
    isA: (subject, type) => has(subject, RDF_TYPE, type),
  }
  return graph
}

/** Turtle that may come without a statement being complete: literals and nesting are held in memory until then. */
const LONGEST_STATEMENT = 4 << 20

/** What a statement takes in memory, besides its text. */
const STATEMENT_BYTES = 512
/** What all statements may take: beyond, Node would die of it without a word. */
const MOST_BYTES = (getHeapStatistics().heap_size_limit * 3) / 4

/** Takes Turtle in pieces, and tells each statement as it is complete. */
export interface TurtleReader {
  /** @throws {FormatError} naming the line */
  write(piece: string): void
  /** @throws {FormatError} when a statement is cut */
  end(): void
}

/**
 * @param base what `<>` means
 * @param onPrefix told of each prefix that is bound
 */
export function createTurtleReader(
  base: string | undefined,
  each: (statement: Statement) => void,
  onPrefix?: (prefix: string, namespace: string) => void,
): TurtleReader {
  const input = new EventEmitter()
  let failure: Error | undefined
  let pending = 0
  let held = 0
  const parser = new Parser({ format: 'text/turtle', ...(base === undefined ? {} : { baseIRI: base }) })
  const take = (error: Error | null, quad: Quad | null) => {
    failure ??= error ?? undefined
    if (!quad || failure) return
    pending = 0
    held += STATEMENT_BYTES
    each({ subject: quad.subject.id, predicate: quad.predicate.id, object: quad.object as Node })
  }
  parser.parse(input, take, (prefix, namespace) => onPrefix?.(prefix, namespace.value))
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
      held += piece.length
      feed('data', piece)
      if (held > MOST_BYTES)
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

/** The same with other prefixes. */
export const formatTurtleWith = (statements: Iterable<Statement>, prefixes: Prefixes): string =>
  prefixLines(prefixes) + formatSubjects(statements, prefixes)

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
