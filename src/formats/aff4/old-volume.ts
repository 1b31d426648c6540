import { randomBytes } from 'node:crypto'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { type Dialect, PMEM2015 } from './dialect.js'
import { encryptedStreamOf } from './encryption/unlock.js'
import { aff4 } from './lexicon.js'
import { DataFactory } from './n3.js'
import { INFORMATION_TURTLE } from './names.js'
import type { Graph, Statement } from './turtle.js'
import { openVolume } from './volume.js'
import { type OldDirectory, readOldDirectory } from './zip/old-directory.js'
import { readDirectory } from './zip/reader.js'

/** What is known of a volume before something is appended to it. */
export interface OldVolume {
  readonly urn: string
  /** What the ZIP comment says. */
  readonly comment: string
  /** Version 1.0, 1.1 or 1.2. */
  readonly minor: number
  readonly dialect: Dialect
  /** Its information.turtle, which becomes the beginning of the new one. */
  readonly turtle: Bytes
  /** What that says, in the terms of the Standard. */
  readonly graph: Graph
  readonly directory: OldDirectory
  /** Whether it has a member for a URN. */
  has(urn: string): boolean
}

/**
 * Reads what an append goes on from.
 * @throws {FormatError} when it is no volume, or one to which this program cannot append
 */
export async function readOldVolume(source: ByteSource): Promise<OldVolume> {
  const volume = await openVolume(source)
  const { urn, version, graph } = volume
  const refuse = (why: string): never => {
    throw new FormatError(`${source.name}: ${why}`)
  }
  if (version && (version.major !== 1 || version.minor > 2))
    refuse(`volumes of version ${version.major}.${version.minor} are only read`)
  if (volume.dialect.generation === 'evimetry')
    refuse('volumes that Evimetry wrote before the Standard are only read')
  // Who opens it sees what is inside alone.
  if (encryptedStreamOf(volume) !== undefined) refuse('it is encrypted')
  const directory = await readDirectory(source)
  const turtle = volume.members.get(INFORMATION_TURTLE)!
  return {
    urn,
    comment: commentOf(directory.comment) || urn,
    minor: version?.minor ?? 0,
    dialect: version || !saysNothing(graph) ? volume.dialect : PMEM2015,
    turtle: await volume.read(turtle, turtle.size),
    graph,
    directory: await readOldDirectory(source, directory, INFORMATION_TURTLE),
    has: (object) => volume.find(object) !== undefined,
  }
}

/** A longer one is nobody's URN. */
const LONGEST_COMMENT = 255

/** What the new end repeats; nothing where the comment is something else than readers look for in it. */
function commentOf(comment: string): string {
  const trimmed = comment.replace(/[\0\s]+$/, '')
  return Buffer.byteLength(trimmed, 'utf8') > LONGEST_COMMENT ? '' : trimmed
}

/** Nothing in it is spelt in different ways by the generations: then it is old that says no version. */
const saysNothing = (graph: Graph) =>
  ![...graph.subjects()].some((subject) =>
    ['Map', 'ImageStream'].some((type) => graph.isA(subject, aff4(type))),
  )

/** Statements whose blank nodes have labels that no other part of a turtle has. */
export function relabelled(statements: Iterable<Statement>): Statement[] {
  const prefix = `a${randomBytes(8).toString('hex')}_`
  const rename = (name: string) => (name.startsWith('_:') ? `_:${prefix}${name.slice(2)}` : name)
  return Array.from(statements, ({ subject, predicate, object }) => ({
    subject: rename(subject),
    predicate,
    object: object.termType === 'BlankNode' ? DataFactory.blankNode(prefix + object.value) : object,
  }))
}
