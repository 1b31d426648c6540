import { deflateRawSync } from 'node:zlib'
import type { Run } from '../address-space.js'
import type { ByteSink, Bytes } from '../byte-source.js'
import { type Checkpoint, graphCheckpoints } from './checkpoint.js'
import { type ContentName, createContentName, UNNAMED, withName } from './content-name.js'
import { type Dialect, STANDARD, spell } from './dialect.js'
import {
  createImageStream,
  type ImageStreamOptions,
  type ImageStreamWriter,
  type OpenImageStream,
} from './image-stream-writer.js'
import { aff4, dateTime, iri, RDF_TYPE } from './lexicon.js'
import { createMapWriter, type MapOptions, type MapWriter, type OpenMap } from './map-writer.js'
import {
  CONTAINER_DESCRIPTION,
  freshUrn,
  INFORMATION_TURTLE,
  memberName,
  numberedUrn,
  rawMemberName,
  VERSION_TXT,
} from './names.js'
import { type OldVolume, relabelled } from './old-volume.js'
import { createSettledFacts } from './settled-facts.js'
import { createGraph, formatTurtle, type Graph, type Statement } from './turtle.js'
import { MAP_STATEMENTS, STATEMENT_BYTES, type VolumeParts, type Written } from './volume-parts.js'
import { createZipWriter, memberOverhead, type ZipWriter } from './zip/writer.js'

/** Readers exist that refuse a smaller file. */
const SMALLEST_VOLUME = 4096

export interface VolumeOptions {
  /** Name and version of the program, for version.txt. */
  readonly tool: string
  readonly urn?: string
  /** Version 1.0, 1.1 (AFF4-L: each file an object of its own) or 1.2 (encrypted). */
  readonly minor?: 0 | 1 | 2
  /** The suite of 2015 reads no volumes of the Standard; what it reads has no version. */
  readonly dialect?: Dialect
  /** A power of two, of which the size of the volume is a multiple. */
  readonly multiple?: number
  /** When the volume was made. */
  readonly now?: Date
  /**
   * Writes where the sink has written before. Where it is given the volume has no time and no random name: all names
   * follow from what it holds, which is known at its end.
   */
  readonly rewrite?: Rewrite
}

type Rewrite = (offset: bigint, bytes: Bytes) => Promise<void>

/**
 * An AFF4 volume, of Standard v1.0 where nothing else is asked for, that is written front to back. One `aff4:Image` a volume: readers open any of
 * several.
 *
 * After a write failed: call `dropUnflushed`, cut the output at `intact` where it can be cut, and `finish` makes a
 * volume of what was written before. It needs no more than `finishBytes` for that.
 */
export interface VolumeWriter {
  /** Of a volume that takes its name from its content, what stands for that as long as it is written. */
  readonly urn: string
  /** Of version 1.0, 1.1 or 1.2. */
  readonly minor: number
  readonly dialect: Dialect
  /** What information.turtle will say. */
  readonly graph: Graph
  /** A URN for what has no name of its own. */
  freshUrn(): string
  /** End of what was written whole. */
  readonly intact: bigint
  /** How many bytes `dropUnflushed` and `finish` write at most, and `finish` alone besides bevies. */
  readonly finishBytes: number
  /** Whether a URN is taken: it has its member, or facts. */
  has(urn: string): boolean
  /** Says that the volume holds an object, and of which types. */
  declare(urn: string, ...types: string[]): void
  /**
   * Takes over facts that are complete: as Turtle they take a tenth of the memory, but nobody can ask for them any
   * more.
   */
  settle(facts: Graph): void
  /** Leaves members of the old volume out of the directory: what they hold is no part of the volume any more. */
  omit(members: Iterable<string>): void
  /** Writes a small object as a member of its own, deflated where that is shorter. */
  segment(urn: string, bytes: Bytes): Promise<void>
  map(options?: MapOptions): MapWriter
  /** @param map whose data the stream holds; without one the stream is an object of its own */
  imageStream(options: ImageStreamOptions, map?: MapWriter): ImageStreamWriter
  /** Waits for what is under way and forgets what did not get into the file. @returns the ranges that maps lose */
  dropUnflushed(): Promise<Run[]>
  /** Closes what is open and writes turtle and directory. May be called again after a failed write. */
  finish(): Promise<void>
}

/**
 * Begins a volume.
 * @throws what the sink throws
 */
export async function createVolume(sink: ByteSink, options: VolumeOptions): Promise<VolumeWriter> {
  const { rewrite, minor = 0, dialect = STANDARD, multiple = 1, now = new Date(), tool } = options
  const naming = rewrite && { rewrite, name: createContentName() }
  const urn = naming ? UNNAMED : (options.urn ?? freshUrn())
  const zip = createZipWriter(sink, undefined, naming?.name.take)
  const graph = createGraph()
  const beginning = { urn, minor, dialect, comment: urn, has: () => false, multiple }
  const volume = openWriter(zip, graph, naming ? { ...beginning, naming } : beginning)
  graph.add(urn, RDF_TYPE, iri(aff4('ZipVolume')))
  graph.add(urn, aff4('interface'), iri(aff4('Volume')))
  if (!naming) graph.add(urn, aff4('creationTime'), dateTime(now))
  const version = `major=1\nminor=${minor}\ntool=${tool.replace(/[=\r\n]/g, ' ')}\n`
  const labels = [{ name: CONTAINER_DESCRIPTION, pieces: [Buffer.from(urn, 'utf8')] }]
  if (dialect === STANDARD) labels.push({ name: VERSION_TXT, pieces: [Buffer.from(version, 'utf8')] })
  await zip.write(...labels)
  return volume
}

/**
 * Goes on with a volume behind its end: nothing that is there changes. What it holds when it is finished is what
 * it held before, and what is added. Where the old turtle is empty the facts of the old graph are written anew.
 * @param sink stands at the end of the old volume
 */
export const continueVolume = (sink: ByteSink, old: OldVolume): VolumeWriter =>
  openWriter(createZipWriter(sink, old.directory), old.graph, old)

type Beginning = Pick<OldVolume, 'urn' | 'minor' | 'dialect' | 'comment' | 'has'> & {
  turtle?: Bytes
  multiple?: number
  naming?: { readonly name: ContentName; readonly rewrite: Rewrite }
}

/** A member that names objects of a volume that has no name yet. */
interface Unnamed {
  readonly name: string
  readonly content: Bytes
  readonly describe: Written
}

function openWriter(zip: ZipWriter, graph: Graph, beginning: Beginning): VolumeWriter {
  const { urn, minor, dialect, comment, has, turtle: oldTurtle = Buffer.alloc(0), multiple = 1 } = beginning
  const { naming } = beginning
  const oldEnd = graph.mark()
  const maps = new Map<MapWriter, OpenMap>()
  let streams: OpenImageStream[] = []
  /** Streams come one after another: one bevy is filled, one written, and most have the same size. */
  const freeBuffers: Buffer[] = []
  const settled = createSettledFacts(urn)
  const graphCheckpoint = graphCheckpoints(graph, encodeStatements, settled)
  const unnamed: Unnamed[] = []
  let unnamedBytes = 0
  /** How many of them have been written with the name. */
  let written = 0
  let numbered = 0

  const parts: VolumeParts = {
    urn,
    graph,
    zip,
    dialect,
    memberName: (object) => (minor === 0 ? memberName(object, urn) : rawMemberName(object, urn, minor)),
    declare(object, ...types) {
      graph.add(object, RDF_TYPE, ...types.map((type) => iri(aff4(type))))
      graph.add(object, aff4('stored'), iri(urn))
      graph.add(urn, aff4('contains'), iri(object))
    },
    freshUrn: () => (naming ? numberedUrn(urn, ++numbered) : freshUrn()),
    async writeNamed(plain, { name, content }, describe) {
      if (!naming) {
        await zip.write(plain, { name, pieces: [content] })
        return describe(content)
      }
      await zip.write(plain)
      unnamed.push({ name, content, describe })
      unnamedBytes += content.length + memberOverhead(name) + MAP_STATEMENTS * STATEMENT_BYTES
    },
    checkpoint(): Checkpoint {
      const open = [...maps.values()].filter((map) => !map.closed)
      const all = [graphCheckpoint(), ...open.map((map) => map.checkpoint())]
      return {
        members: all.flatMap(({ members }) => members),
        commit() {
          for (const checkpoint of all) checkpoint.commit()
        },
      }
    },
    takeBuffer(size) {
      const buffer = freeBuffers.pop()
      return buffer?.length === size ? buffer : Buffer.allocUnsafeSlow(size)
    },
    returnBuffer(buffer) {
      if (freeBuffers.length < 2) freeBuffers.push(buffer)
    },
  }

  const volume: VolumeWriter = {
    urn,
    minor,
    dialect,
    graph,
    get intact() {
      return zip.intact
    },
    get finishBytes() {
      let bytes =
        zip.finishBytes +
        oldTurtle.length +
        graph.turtleBytes +
        settled.byteLength +
        memberOverhead(INFORMATION_TURTLE) +
        SMALLEST_VOLUME +
        unnamedBytes +
        multiple
      for (const map of maps.values()) bytes += map.finishBytes
      for (const stream of streams) bytes += stream.finishBytes
      return bytes
    },
    has: (object) =>
      zip.has(parts.memberName(object)) || has(object) || described(object) || settled.has(object),
    declare: parts.declare,
    freshUrn: parts.freshUrn,
    settle({ statements }) {
      settled.add(Array.from(statements, (statement) => spell(statement, dialect)))
    },
    omit: zip.omit,
    async segment(object, bytes) {
      const deflated = deflateRawSync(bytes)
      const name = parts.memberName(object)
      if (deflated.length < bytes.length) await zip.write({ name, pieces: [deflated], inflated: bytes })
      else await zip.write({ name, pieces: [bytes] })
    },
    map(mapOptions = {}) {
      for (const [key, { closed }] of maps) if (closed) maps.delete(key)
      const map = createMapWriter(parts, mapOptions)
      maps.set(map, map)
      return map
    },
    imageStream(streamOptions, map) {
      const stream = createImageStream(parts, streamOptions, map && maps.get(map))
      streams = [...streams.filter(({ closed }) => !closed), stream]
      return stream
    },
    async dropUnflushed() {
      await zip.recover()
      return streams
        .filter((stream) => !stream.closed)
        .flatMap((stream) => {
          const flushed = stream.drop()
          return [...maps.values()].flatMap((map) => (map.closed ? [] : map.drop(stream.urn, flushed)))
        })
    },
    async finish() {
      for (const stream of streams) await stream.close()
      for (const map of maps.values()) await map.close()
      const called = naming ? await nameBy(naming) : comment
      const turtle = encodeGraph().map((piece) => (naming ? withName(piece, called) : piece))
      await zip.write({ name: INFORMATION_TURTLE, pieces: [...turtle, padding(turtle)] })
      await zip.finish(called, multiple)
    },
  }

  /** Gives the volume its name, by all that is in it and is said of it. */
  async function nameBy({ name, rewrite }: NonNullable<Beginning['naming']>): Promise<string> {
    for (const { name: member, content } of unnamed) name.take({ name: member, pieces: [content] })
    name.take({ name: INFORMATION_TURTLE, pieces: encodeGraph() })
    const called = name.conclude()
    await zip.replace(CONTAINER_DESCRIPTION, Buffer.from(called, 'utf8'), rewrite)
    for (; written < unnamed.length; written++) {
      const { name: member, content, describe } = unnamed[written]!
      const named = withName(content, called)
      await zip.write({ name: member, pieces: [named] })
      describe(named)
    }
    return called
  }

  /** Where another writer keeps an object in bevies, its name is taken, too. */
  function described(object: string): boolean {
    const [first] = graph.predicates(object)
    return first !== undefined
  }

  function encodeStatements(statements: Iterable<Statement>): Bytes {
    const spelt = Array.from(statements, (statement) => spell(statement, dialect))
    return Buffer.from(formatTurtle(spelt, urn), 'utf8')
  }

  /** The old text as it is: what a parser of ours would make of it is not what others would. */
  function encodeGraph(): Bytes[] {
    if (oldTurtle.length === 0) return [encodeStatements(graph.statements), ...settled.pieces()]
    const more = encodeStatements(relabelled(graph.since(oldEnd)))
    return [oldTurtle, Buffer.from('\n'), more, ...settled.pieces()]
  }

  function padding(turtle: readonly Bytes[]): Bytes {
    const least = Number(zip.intact) + turtle.reduce((sum, { length }) => sum + length, 0)
    return Buffer.alloc(Math.max(0, SMALLEST_VOLUME - least), '\n')
  }
  return volume
}
