import { crc32 } from 'node:zlib'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { hintFor, UNZIP } from '../recognise.js'
import type { Container, Member } from './container.js'
import { type Dialect, dialectOf, STANDARD, translate, translateOnMap } from './dialect.js'
import { aff4, text } from './lexicon.js'
import {
  CONTAINER_DESCRIPTION,
  createPartFinder,
  INFORMATION_TURTLE,
  memberLookup,
  VERSION_TXT,
} from './names.js'
import { addOriginalNames, unwrapPythonBytes } from './original-names.js'
import { createGraph, createTurtleReader, type Graph, type Statement, type TurtleReader } from './turtle.js'
import { openZip } from './zip/reader.js'

/** Bounds for what is held in memory. */
const LARGEST_TURTLE = 512n << 20n
const LARGEST_LABEL = 4096n
/** A comment has room for 64 KiB of anything. */
const LONGEST_SHOWN = 100
/** Turtle that is read at a time. */
const BLOCK = 64 << 10

export interface VolumeVersion {
  readonly major: number
  readonly minor: number
  readonly tool?: string
}

/** A volume that is being read: its directory and its facts; evidence only when asked for. */
export interface Volume {
  readonly name: string
  readonly urn: string
  /** Undefined where version.txt is missing. */
  readonly version: VolumeVersion | undefined
  /** How its generation lays out what the Standard lays out otherwise. */
  readonly dialect: Dialect
  /** What it says, in the terms of the Standard. */
  readonly graph: Graph
  /** What it says, in its own terms, and the prefixes that it binds. */
  asWritten(): Promise<{ graph: Graph; prefixes: ReadonlyMap<string, string> }>
  /** What is odd about it, for people. */
  readonly warnings: readonly string[]
  readonly members: ReadonlyMap<string, Member>
  /** The member that holds a URN. */
  find(urn: string): Member | undefined
  /** The content of a member: stored bytes are read where they lie. */
  open(member: Member): Promise<ByteSource>
  /**
   * The whole content of a member, checked against its CRC.
   * @param limit a larger one is refused before anything is allocated
   */
  read(member: Member, limit: bigint): Promise<Bytes>
}

/**
 * Reads the directory and the turtle of a volume in a ZIP file.
 * @throws {FormatError} naming the source, when it is no volume, is damaged there, or of a generation that is not
 * read
 */
export const openVolume = (source: ByteSource): Promise<Volume> =>
  named(source.name, async () => readVolume(await openZip(source)))

/** The same of a volume whose members lie elsewhere. */
export const openVolumeIn = (container: Container): Promise<Volume> =>
  named(container.name, () => readVolume(container))

async function named<T>(name: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof FormatError && !error.message.startsWith(`${name}: `))
      error.message = `${name}: ${error.message}`
    throw error
  }
}

async function readVolume(container: Container): Promise<Volume> {
  const { members, comment } = container
  const warnings: string[] = []
  const load = async (name: string) => {
    const member = members.get(name)
    return member ? decodeText(await container.read(member, LARGEST_LABEL)) : ''
  }
  const refuse = (why: string, hint?: string): never => {
    throw new FormatError(why, undefined, hint)
  }

  const label = trimmed(comment)
  const described = trimmed(await load(CONTAINER_DESCRIPTION))
  if (label && described && label !== described)
    warnings.push(
      `the zip comment says ${label.slice(0, LONGEST_SHOWN)}, ${CONTAINER_DESCRIPTION} ${described}`,
    )
  const urn =
    described ||
    label ||
    refuse('not an AFF4 volume: nothing in it says its URN', hintFor(UNZIP, container.name))
  const version = parseVersion(await load(VERSION_TXT))
  if (version && version.major > 2) refuse(`AFF4 version ${version.major}.${version.minor} is not known`)
  if (version && !KNOWN_VERSIONS.has(`${version.major}.${version.minor}`))
    warnings.push(`version ${version.major}.${version.minor} is not known, and read as one before it`)
  const written = members.get(INFORMATION_TURTLE) ?? refuse(`no ${INFORMATION_TURTLE}`)
  const { graph, dialect, prefixes, translated } = await readFacts(container, written, urn, version)
  const named = addOriginalNames(graph)

  const lookup = memberLookup(members, urn, version !== undefined && (version.major > 1 || version.minor > 0))
  const partOf = isByPyaff4(version) ? createPartFinder(() => objectsWithParts(graph)) : () => undefined
  return {
    name: container.name,
    urn,
    version,
    dialect,
    graph,
    async asWritten() {
      if (!translated && !named) return { graph, prefixes }
      const plain = createGraph()
      const reader = createTurtleReader(
        urn,
        ({ subject, predicate, object }) => plain.add(subject, predicate, object),
        { held: () => plain.byteLength },
      )
      await readTurtle(container, written, reader)
      return { graph: plain, prefixes }
    },
    warnings,
    members,
    find(urn) {
      // In a folder, c-aff4 says under which name it had to keep what the file system can't name.
      const file = graph.value(urn, FILE_NAME)
      const member = (file === undefined ? undefined : members.get(file)) ?? lookup(urn)
      if (member) return member
      const part = partOf(urn)
      return part === undefined ? undefined : lookup(part)
    },
    open: container.open,
    read: container.read,
  }
}

/** Its habits are its own. */
export const isByPyaff4 = (version: VolumeVersion | undefined): boolean =>
  version?.tool?.startsWith('pyaff4') ?? false

function* objectsWithParts(graph: Graph): Generator<string> {
  for (const urn of graph.subjects())
    if (graph.isA(urn, aff4('ImageStream')) || graph.isA(urn, aff4('Map'))) yield urn
}

const KNOWN_VERSIONS = new Set(['1.0', '1.1', '1.2', '2.1'])
const FILE_NAME = aff4('directory/filename')

async function readFacts(
  container: Container,
  member: Member,
  urn: string,
  version: VolumeVersion | undefined,
): Promise<Facts> {
  const graph = createGraph()
  const prefixes = new Map<string, string>()
  const wrapped = isByPyaff4(version)
  let translated = false
  const take = (statement: Statement) => {
    const { subject, predicate, object } = translate(statement, STANDARD)
    const value = wrapped && object.termType === 'Literal' ? unwrapPythonBytes(object.value) : undefined
    translated ||= predicate !== statement.predicate || object !== statement.object || value !== undefined
    graph.add(subject, predicate, value === undefined ? object : text(value))
  }
  const reader = createTurtleReader(urn, take, {
    onPrefix: (prefix, namespace) => prefixes.set(prefix, namespace),
    held: () => graph.byteLength,
  })
  await readTurtle(container, member, reader)
  const dialect = dialectOf(graph.statements)
  if (dialect === STANDARD) return { graph, dialect, prefixes, translated }
  return { graph: translateGraph(graph, dialect), dialect, prefixes, translated: true }
}

interface Facts {
  readonly graph: Graph
  readonly dialect: Dialect
  readonly prefixes: ReadonlyMap<string, string>
  /** The terms of the graph are not all as they are written. */
  readonly translated: boolean
}

/** The same facts in the terms of the Standard. */
export function translateGraph(graph: Graph, dialect: Dialect): Graph {
  const standard = createGraph()
  const maps = new Set<string>()
  for (const written of graph.statements) {
    const { subject, object } = translate(written, dialect)
    if (object.value === aff4('Map')) maps.add(subject)
  }
  for (const written of graph.statements) {
    const statement = translate(written, dialect)
    const { subject, predicate, object } = maps.has(statement.subject) ? translateOnMap(statement) : statement
    standard.add(subject, predicate, object)
  }
  return standard
}

/** Reads a member as Turtle, piece by piece, and checks its CRC. */
async function readTurtle(container: Container, member: Member, reader: TurtleReader): Promise<void> {
  if (member.size > LARGEST_TURTLE)
    throw new FormatError(`${member.name}: ${member.size} bytes are too many`, member.headerOffset)
  const source = await container.open(member)
  const decoder = new TextDecoder()
  const room = Buffer.allocUnsafe(BLOCK)
  let crc = 0
  for (let done = 0n; done < source.size; done += BigInt(BLOCK)) {
    const block = await source.read(done, BLOCK, room)
    crc = crc32(block, crc)
    reader.write(decoder.decode(block, { stream: true }))
  }
  await source.close()
  if (member.crc !== undefined && crc !== member.crc)
    throw new FormatError(`zip: ${member.name}: CRC does not match`, member.headerOffset)
  reader.write(decoder.decode())
  reader.end()
}

const decodeText = (bytes: Bytes) => asBuffer(bytes).toString('utf8')

/** Writers end labels with line ends and NULs. */
const trimmed = (label: string) => label.replace(/[\0\s]+$/, '')

function parseVersion(content: string): VolumeVersion | undefined {
  const lines = content.split(/\r\n|\r|\n/).map((line) => {
    const at = line.indexOf('=')
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const
  })
  const { major, minor, tool } = Object.fromEntries(lines)
  if (!/^\d{1,4}$/.test(major ?? '') || !/^\d{1,4}$/.test(minor ?? '')) return undefined
  return { major: Number(major), minor: Number(minor), ...(tool === undefined ? {} : { tool }) }
}
