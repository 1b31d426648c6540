import { bevyUrn } from './image-stream.js'
import { AFF4L, aff4 } from './lexicon.js'
import { DataFactory } from './n3.js'
import { NAMESPACES } from './namespaces.js'
import type { Node, Statement } from './turtle.js'

/**
 * The generations of AFF4. All of them have the same objects; what differs is how they are spelt and laid out:
 *
 *                       standard                pmem2015               evimetry (before the Standard)
 *     terms             Schema#, camelCase      Schema#, snake_case    2009/aff4#
 *     index of a bevy   <bevy>.index            <bevy>/index           <bevy>/index
 *                       u64 offset, u32 length  u32 offsets            u32 offsets
 *     block hashes      <bevy>.blockHash.<alg>  none                   <bevy>/blockHash.<alg>
 *     entry of a map    offset, length, target  offset, target, length offset, length, target
 *     stored length     raw                     compressed all the     raw
 *       = chunk size                            same
 *
 * Whoever reads a volume asks for terms of the Standard: those of the others are translated when it opens.
 */
export interface Dialect {
  readonly generation: 'standard' | 'pmem2015' | 'evimetry'
  /** Terms that the Standard spells otherwise. */
  readonly terms: ReadonlyMap<string, string>
  /** Namespaces, and those in which the Standard has the same terms. */
  readonly namespaces: readonly (readonly [string, string])[]
  /** What stands between the name of a bevy and that of what belongs to it. */
  readonly separator: '.' | '/'
  /** `offsets`: the starts of the chunks where the first one is 0, else their ends. */
  readonly index: 'entries' | 'offsets'
  readonly mapEntry: 'length-first' | 'target-first'
  /** A chunk that is stored in as many bytes as it holds is raw. */
  readonly rawChunks: boolean
}

const LEGACY = 'http://afflib.org/2009/aff4#'

const spellings = (namespace: string, pairs: Record<string, string>) =>
  Object.entries(pairs).map(([old, term]) => [namespace + old, aff4(term)] as const)

/** What writers of Standard volumes still spell as before. */
const LEFTOVERS = spellings(NAMESPACES.aff4, {
  zip_volume: 'ZipVolume',
  zip_segment: 'ZipSegment',
  original_filename: 'originalFileName',
})

export const STANDARD: Dialect = {
  generation: 'standard',
  terms: new Map(LEFTOVERS),
  // The draft of AFF4-L spells its own namespace both ways.
  namespaces: [[AFF4L.replace('http:', 'https:'), AFF4L]],
  separator: '.',
  index: 'entries',
  mapEntry: 'length-first',
  rawChunks: true,
}

export const PMEM2015: Dialect = {
  generation: 'pmem2015',
  terms: new Map([
    ...LEFTOVERS,
    ...spellings(NAMESPACES.aff4, {
      image: 'ImageStream',
      map: 'Map',
      chunk_size: 'chunkSize',
      chunks_per_segment: 'chunksInSegment',
      compression: 'compressionMethod',
    }),
  ]),
  namespaces: [],
  separator: '/',
  index: 'offsets',
  mapEntry: 'target-first',
  rawChunks: false,
}

const EVIMETRY: Dialect = {
  generation: 'evimetry',
  terms: new Map(
    spellings(LEGACY, {
      zip_volume: 'ZipVolume',
      volume: 'Volume',
      stream: 'ImageStream',
      map: 'Map',
      caseNotes: 'CaseNotes',
      chunk_size: 'chunkSize',
      chunks_in_segment: 'chunksInSegment',
      CompressionMethod: 'compressionMethod',
      nullCompressor: 'NullCompressor',
      CreationTime: 'creationTime',
      StartTime: 'startTime',
      EndTime: 'endTime',
      Operation: 'operation',
      TimeSource: 'timeSource',
      make: 'diskMake',
      model: 'diskModel',
      serial: 'diskSerial',
      firmwareString: 'diskFirmware',
      deviceName: 'diskDeviceName',
      deviceRole: 'diskDeviceRole',
      DeviceType: 'diskDeviceType',
      blockCount: 'sectorCount',
      numberOfPartitions: 'diskNumberOfPartitions',
      partitionTableType: 'diskPartitionTableType',
      ClientName: 'clientName',
      ClientVersion: 'clientVersion',
      ClientBuildInformation: 'clientBuildInformation',
      ClientDescription: 'clientDescription',
      ClientChannelDescription: 'clientChannelDescription',
      ClientChannelID: 'clientChannelID',
      ClientConnectionCipher: 'clientCipher',
      ClientLocation: 'clientLocation',
      ClientPersonality: 'clientPersonality',
      ClientPort: 'clientPort',
      ClientType: 'clientType',
    }),
  ),
  namespaces: [[LEGACY, NAMESPACES.aff4]],
  separator: '/',
  index: 'offsets',
  mapEntry: 'length-first',
  rawChunks: true,
}

/** Properties that mean something else on a map than on other objects. */
const ON_A_MAP = new Map(
  spellings(NAMESPACES.aff4, { contains: 'dependentStream', blockHashesHash: 'blockMapHash' }),
)

/** What tells the generations apart; both spellings together are those of the Standard. */
const TELLING = {
  standard: new Set(['ImageStream', 'Map', 'chunkSize', 'dataStream'].map(aff4)),
  pmem2015: new Set(['image', 'map', 'chunk_size', 'chunks_per_segment'].map(aff4)),
}

/**
 * The dialect of a volume. Its terms decide; version.txt, which came with the Standard, only where they are silent,
 * and that is where it makes no difference.
 */
export function dialectOf(statements: Iterable<Statement>): Dialect {
  let old = false
  for (const { predicate, object } of statements)
    for (const term of [predicate, object.value]) {
      if (TELLING.standard.has(term)) return STANDARD
      if (term.startsWith(LEGACY)) return EVIMETRY
      old ||= TELLING.pmem2015.has(term)
    }
  return old ? PMEM2015 : STANDARD
}

/** A statement in the words of the Standard. */
export function translate(statement: Statement, dialect: Dialect): Statement {
  const { subject, predicate, object } = statement
  return { subject, predicate: termOf(predicate, dialect), object: translateNode(object, dialect) }
}

/** A statement in the words of a dialect other than the Standard's. */
export function spell({ subject, predicate, object }: Statement, dialect: Dialect): Statement {
  if (dialect === STANDARD) return { subject, predicate, object }
  const terms = new Map([...dialect.terms].map(([old, term]) => [term, old]))
  const written = { ...dialect, terms, namespaces: [] }
  return translate({ subject, predicate, object }, written)
}

/** What only the type of its subject tells. @param onMap the subject is a map */
export function translateOnMap(statement: Statement): Statement {
  return { ...statement, predicate: ON_A_MAP.get(statement.predicate) ?? statement.predicate }
}

function termOf(iri: string, { terms, namespaces }: Dialect): string {
  const known = terms.get(iri)
  if (known !== undefined) return known
  for (const [old, namespace] of namespaces) if (iri.startsWith(old)) return namespace + iri.slice(old.length)
  return iri
}

function translateNode(node: Node, dialect: Dialect): Node {
  if (node.termType === 'BlankNode') return node
  const iri = node.termType === 'Literal' ? node.datatype.value : node.value
  const term = termOf(iri, dialect)
  if (term === iri) return node
  const named = DataFactory.namedNode(term)
  return node.termType === 'Literal' ? DataFactory.literal(node.value, named) : named
}

/** The member that holds the index of a bevy. */
export const indexOf = (stream: string, number: number, { separator }: Dialect): string =>
  `${bevyUrn(stream, number)}${separator}index`
/** The member that holds the block hashes of a bevy. @param digest as `DIGESTS` calls it */
export const blockHashesOf = (
  stream: string,
  number: number,
  digest: string,
  { separator }: Dialect,
): string => `${bevyUrn(stream, number)}${separator}blockHash.${digest}`
