import { asBuffer } from '../../../codecs/views.js'
import { isZero } from '../../../codecs/zero.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { textWithName, UNNAMED } from '../content-name.js'
import { type Dialect, dialectOf, PMEM2015, STANDARD } from '../dialect.js'
import { aff4, DIGESTS, type DigestName, text } from '../lexicon.js'
import { CONTAINER_DESCRIPTION, decodeName, freshUrn, INFORMATION_TURTLE, VERSION_TXT } from '../names.js'
import { unwrapPythonBytes } from '../original-names.js'
import { createGraph, createTurtleReader, type Graph } from '../turtle.js'
import { translateGraph } from '../volume.js'
import { DEFLATED } from '../zip/local-header.js'
import { type FoundMember, inflateMember } from './scan.js'

/** What the members found in a volume are, by their names (AFF4 Standard v1.0 §5.2, and what writers do of it). */
export interface Catalogue {
  readonly urn: string
  /** Of its version: how members are named. */
  readonly minor: 0 | 1 | 2
  /** What it said, in the terms of the Standard. */
  readonly graph: Graph
  readonly dialect: Dialect
  /** Whether the graph is what the volume said in the end, or what was known at some time before. */
  readonly described: 'whole' | 'in part' | 'not at all'
  readonly streams: ReadonlyMap<string, FoundStream>
  readonly maps: ReadonlyMap<string, FoundMap>
  /** Files and whatever else is one member. */
  readonly segments: ReadonlyMap<string, FoundMember>
}

export interface FoundStream {
  readonly urn: string
  readonly bevies: ReadonlyMap<number, FoundBevy>
}

export interface FoundBevy {
  readonly data?: FoundMember
  /** `packed` is the form before the Standard, a member `<bevy>/index`. */
  readonly index?: { readonly member: FoundMember; readonly packed: boolean }
  readonly hashes: ReadonlyMap<DigestName, FoundMember>
}

export interface FoundMap {
  readonly urn: string
  readonly points?: FoundMember
  readonly idx?: FoundMember
  /** What it was to become, a piece before each bevy. */
  readonly checkpoints: ReadonlyMap<number, { readonly points?: FoundMember; readonly idx?: FoundMember }>
}

interface OpenBevy {
  data?: FoundMember
  index?: NonNullable<FoundBevy['index']>
  readonly hashes: Map<DigestName, FoundMember>
}
interface OpenStream {
  readonly urn: string
  readonly bevies: Map<number, OpenBevy>
}
interface OpenMap {
  readonly urn: string
  points?: FoundMember
  idx?: FoundMember
  readonly checkpoints: Map<number, { points?: FoundMember; idx?: FoundMember }>
}

/** Bounds for what is held in memory. */
const LARGEST_TURTLE = 256n << 20n
const LARGEST_LABEL = 4096n

const TURTLE_CHECKPOINT = new RegExp(`^${INFORMATION_TURTLE.replace('.', '\\.')}/checkpoint/\\d{8}$`)
const MAP_CHECKPOINT = /^(.*)\/checkpoint\/(\d{8})\.(map|idx)$/s
const BEVY = /^(.*)\/(\d{8})$/s
const INDEX = /^(.*)\/(\d{8})([./])index$/s
const BLOCK_HASH = /^(.*)\/(\d{8})[./]blockHash\.(\w+)$/s
const MAP = /^(.*)\/(map|idx)$/s

/** Sorts the members of a volume, and puts together what it said of itself. */
export async function catalogue(source: ByteSource, members: readonly FoundMember[]): Promise<Catalogue> {
  const best = new Map<string, FoundMember>()
  for (const member of members) {
    const name = decodeName(member.name)
    const known = best.get(name)
    // A name that stands twice was written again; but damage makes nothing newer.
    if (known?.state !== 'whole' || member.state === 'whole') best.set(name, member)
  }
  const label = best.get(VERSION_TXT)
  const version = label ? await textOf(source, label, LARGEST_LABEL) : ''
  const minor = /^minor=([12])\s*$/m.exec(version)?.[1]
  const description = best.get(CONTAINER_DESCRIPTION)
  const told =
    description?.state === 'whole'
      ? (await textOf(source, description, LARGEST_LABEL)).replace(/[\0\s]+$/, '')
      : ''
  const hasName = told !== '' && told !== UNNAMED
  const name = hasName ? told : freshUrn()
  const {
    graph: written,
    base,
    end,
    ...read
  } = await readGraph(source, members, name, /^tool=pyaff4/m.test(version))
  const urn = hasName ? told : (base ?? name)
  const dialect =
    read.described === 'not at all' ? await dialectOfIndexes(source, members) : dialectOf(written.statements)
  const graph = translateGraph(written, dialect)

  const streams = new Map<string, OpenStream>()
  const maps = new Map<string, OpenMap>()
  const segments = new Map<string, FoundMember>()
  const spelled = new Map([...graph.subjects()].map((subject) => [decodeName(subject), subject]))
  const urnOf = (name: string) => {
    const decoded = /^aff4:/.test(name) ? name : `${urn}/${name}`
    return spelled.get(decoded) ?? spelled.get(decoded.replaceAll(' ', '%20')) ?? decoded
  }
  const bevyOf = (name: string, number: string) => {
    const stream = urnOf(name)
    const found: OpenStream = streams.get(stream) ?? { urn: stream, bevies: new Map() }
    streams.set(stream, found)
    const bevy: OpenBevy = found.bevies.get(Number(number)) ?? { hashes: new Map() }
    found.bevies.set(Number(number), bevy)
    return bevy
  }
  const mapOf = (name: string) => {
    const map = urnOf(name)
    const found: OpenMap = maps.get(map) ?? { urn: map, checkpoints: new Map() }
    maps.set(map, found)
    return found
  }
  const isPlainFile = (name: string) => graph.isA(urnOf(name), aff4('ZipSegment'))

  for (const [name, member] of best) {
    if ([CONTAINER_DESCRIPTION, VERSION_TXT, INFORMATION_TURTLE].includes(name)) continue
    if (name.startsWith(`${INFORMATION_TURTLE}/`) || name.endsWith('/mapPath')) continue
    const [, path = '', number = '', kind = ''] =
      MAP_CHECKPOINT.exec(name) ?? BLOCK_HASH.exec(name) ?? INDEX.exec(name) ?? BEVY.exec(name) ?? []
    if (MAP_CHECKPOINT.test(name)) {
      const { checkpoints } = mapOf(path)
      const checkpoint = checkpoints.get(Number(number)) ?? {}
      checkpoint[kind === 'map' ? 'points' : 'idx'] = member
      checkpoints.set(Number(number), checkpoint)
    } else if (isPlainFile(name)) segments.set(urnOf(name), member)
    else if (BLOCK_HASH.test(name)) {
      if (kind in DIGESTS) bevyOf(path, number).hashes.set(kind as DigestName, member)
    } else if (INDEX.test(name)) bevyOf(path, number).index = { member, packed: kind === '/' }
    else if (BEVY.test(name)) bevyOf(path, number).data = member
    else if (MAP.test(name)) mapOf(MAP.exec(name)![1]!)[name.endsWith('/map') ? 'points' : 'idx'] = member
    else segments.set(urnOf(name), member)
  }
  // Of a stream in another volume, copies of its block hashes may be here.
  for (const [stream, { bevies }] of streams)
    if (![...bevies.values()].some(({ data, index }) => data ?? index)) streams.delete(stream)
  const isBehind = ([object, { headerOffset }]: [string, FoundMember]) =>
    end !== undefined &&
    headerOffset > end &&
    !object.endsWith('/information.yaml') &&
    !isDescribed(graph, object)
  return {
    urn,
    minor: minor === '1' ? 1 : minor === '2' ? 2 : 0,
    graph,
    dialect,
    described: read.described === 'whole' && [...segments].some(isBehind) ? 'in part' : read.described,
    streams,
    maps,
    segments,
  }
}

/** Whether anything is said of an object. */
const isDescribed = (graph: Graph, object: string) => [...graph.predicates(object)].length > 0

/**
 * The last turtle that is whole, and what was written down since; else whatever there is of one.
 * @param name of the volume, where it had none yet
 */
async function readGraph(
  source: ByteSource,
  members: readonly FoundMember[],
  name: string,
  python: boolean,
): Promise<{
  graph: Graph
  described: Catalogue['described']
  base: string | undefined
  /** Where the last turtle stands that is whole. */
  end: bigint | undefined
}> {
  const graph = createGraph()
  const turtles = members.filter(({ name }) => name === INFORMATION_TURTLE)
  const final = turtles.findLast(({ state }) => state === 'whole')
  const checkpoints = members.filter(
    ({ name, state, headerOffset }) =>
      state === 'whole' && TURTLE_CHECKPOINT.test(name) && (!final || headerOffset > final.headerOffset),
  )
  const cut = turtles.findLast(
    ({ state, headerOffset }) => state !== 'whole' && (!final || headerOffset > final.headerOffset),
  )
  let base: string | undefined
  const take = (turtle: string): boolean => {
    const named = textWithName(turtle, name)
    base ??= /@(?:base|prefix\s*:)\s*<(aff4:\/\/[^>]*)>/.exec(named)?.[1]?.replace(/\/$/, '')
    // Statements before the one that is damaged have been taken by then.
    const reader = createTurtleReader(base, ({ subject, predicate, object }) => {
      const name =
        python && predicate === aff4('originalFileName') ? unwrapPythonBytes(object.value) : undefined
      graph.add(subject, predicate, name === undefined ? object : text(name))
    })
    try {
      reader.write(named)
      reader.end()
      return true
    } catch {
      return false
    }
  }
  const whole = final !== undefined && take(await textOf(source, final, LARGEST_TURTLE))
  for (const checkpoint of checkpoints) take(await textOf(source, checkpoint, LARGEST_TURTLE))
  if (cut) {
    const subjects = (await textOf(source, cut, LARGEST_TURTLE)).split(/(?<=\s\.\s*\n)(?=\s*\S)/)
    const prefixes = subjects.filter((part) => /^\s*@/.test(part)).join('')
    // Each for itself: one that is damaged does not take the others with it.
    for (const part of subjects) if (!/^\s*@/.test(part)) take(`${prefixes}\n${part}`)
  }
  const last = members.findLast(({ name }) => BEVY.test(name) || MAP.test(name))
  const behind = final && last && last.headerOffset > final.headerOffset
  const described =
    whole && !cut && !behind && checkpoints.length === 0
      ? 'whole'
      : graph.mark() > 0
        ? 'in part'
        : 'not at all'
  return { graph, described, base, end: final?.headerOffset }
}

/** Without a description: the suite of 2015 says in its indexes where chunks start, and the first one starts at 0. */
async function dialectOfIndexes(source: ByteSource, members: readonly FoundMember[]): Promise<Dialect> {
  for (const { name, state, start } of members) {
    if (state !== 'whole' || !name.endsWith('/index') || !INDEX.test(name)) continue
    const first = await source.read(start, 4)
    return first.length === 4 && isZero(first) ? PMEM2015 : STANDARD
  }
  return STANDARD
}

/** The text of a member, as far as it goes. */
async function textOf(source: ByteSource, member: FoundMember, limit: bigint): Promise<string> {
  const bytes = await contentOf(source, member, limit)
  return bytes ? asBuffer(bytes).toString('utf8') : ''
}

/** The content of a member, as far as it goes; undefined when it is larger than `limit`, or nothing can be inflated. */
export async function contentOf(
  source: ByteSource,
  member: FoundMember,
  limit: bigint,
): Promise<Bytes | undefined> {
  if (member.available > limit || (member.size ?? 0n) > limit) return undefined
  if (member.method === DEFLATED) return inflateMember(source, member)
  return source.read(member.start, Number(member.available))
}
