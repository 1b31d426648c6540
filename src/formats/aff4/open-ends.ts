import type { Holding } from './holdings.js'
import { aff4, pmem, text } from './lexicon.js'
import type { OldVolume } from './old-volume.js'
import { createGraph, type Graph, type Statement } from './turtle.js'
import type { Volume } from './volume.js'

/**
 * What a volume says of what is not all there is true until the rest comes. So a volume that is to be completed is
 * gone on with without these facts; they come back for what stays as it is.
 */
export interface OpenEnds {
  /** Without what may not be true any more; its facts are written anew. */
  readonly old: OldVolume
  /** What has not been settled yet. */
  left(): Holding[]
  /**
   * Something takes the place of what there is of an object: of an image another map does.
   * @returns the members that belong to it alone
   */
  settle(holding: Holding): string[]
  /** What was said of that map. */
  aboutMap(holding: Holding): readonly Statement[]
  /** Says again what is still true. @param complete all that was to come has */
  restore(graph: Graph, complete: boolean): void
  /** How many bytes of Turtle that takes at most. */
  readonly restoreBytes: number
}

/** True of an image only as long as it has that map. */
const OF_MAP = new Set([
  aff4('dataStream'),
  aff4('size'),
  aff4('hash'),
  aff4('acquisitionCompletionState'),
  pmem('incomplete'),
  pmem('lostRange'),
])
/** True of a volume and its transmissions as long as not all has come. */
const OF_WHOLE = new Set([pmem('incomplete'), pmem('lostRange'), pmem('lostStream')])
/** A statement in Turtle besides its object. */
const STATEMENT_BYTES = 512

/** Takes the open ends out of the facts of a volume that is about to be gone on with. */
export function takeOpenEnds(volume: Volume, old: OldVolume, holdings: readonly Holding[]): OpenEnds {
  const open = new Map(holdings.filter((one) => one.open).map((one) => [one.urn, one]))
  const owners = ownersOf(volume.graph, open)
  const maps = new Map([...open.values()].map(({ urn, map }) => [map, urn]))
  const groups = new Map<string, Statement[]>([...open.keys()].map((urn) => [urn, []]))
  const whole: Statement[] = []
  const graph = createGraph()
  let restoreBytes = 0

  for (const statement of old.graph.statements) {
    const group = groups.get(ownerOf(statement) ?? '')
    const into = group ?? (isOfWhole(statement) ? whole : undefined)
    if (into) {
      into.push(statement)
      restoreBytes += STATEMENT_BYTES + 2 * Buffer.byteLength(statement.object.value, 'utf8')
    } else graph.add(statement.subject, statement.predicate, statement.object)
  }

  function ownerOf({ subject, predicate, object }: Statement): string | undefined {
    const image = open.get(subject)
    if (image?.map !== undefined) return OF_MAP.has(predicate) ? subject : undefined
    if (subject === old.urn) return predicate === aff4('contains') ? owners.get(object.value) : undefined
    // The streams of a map name it, and stay.
    if (predicate === aff4('target') && maps.has(object.value)) return maps.get(object.value)
    return owners.get(subject) ?? owners.get(subject.replace(/(#.*|\/blockhash\.[^/]*)$/s, ''))
  }

  function isOfWhole({ subject, predicate }: Statement): boolean {
    if (subject === old.urn) return OF_WHOLE.has(predicate) || predicate === pmem('status')
    return OF_WHOLE.has(predicate) && old.graph.isA(subject, pmem('Transmission'))
  }

  const settled = new Set<string>()
  return {
    old: { ...old, graph, turtle: Buffer.alloc(0) },
    left: () => [...open.values()].filter(({ urn }) => !settled.has(urn)),
    settle({ urn }) {
      settled.add(urn)
      const names = [...owners].filter(([, owner]) => owner === urn).map(([object]) => object)
      return membersOf(volume, names)
    },
    aboutMap: ({ urn, map }) => (groups.get(urn) ?? []).filter(({ subject }) => subject === map),
    restore(into, complete) {
      for (const [urn, statements] of groups) if (!settled.has(urn)) add(into, statements)
      if (!complete) add(into, whole)
      else into.add(old.urn, pmem('status'), text('complete'))
    },
    get restoreBytes() {
      return restoreBytes
    },
  }
}

function add(graph: Graph, statements: readonly Statement[]): void {
  for (const { subject, predicate, object } of statements) graph.add(subject, predicate, object)
}

/**
 * Whose an object is: the map of an image; of anything else itself, the streams that hold its bytes alone, and what was
 * noted about it.
 */
function ownersOf(graph: Graph, open: ReadonlyMap<string, Holding>): Map<string, string> {
  const owners = new Map<string, string>()
  const users = new Map<string, Set<string>>()
  for (const subject of graph.subjects())
    for (const property of ['dependentStream', 'dataStream'])
      for (const { value } of graph.all(subject, aff4(property)))
        users.set(value, (users.get(value) ?? new Set()).add(subject))
  for (const { urn, map } of open.values()) {
    owners.set(map ?? urn, urn)
    if (map !== undefined) continue
    for (const [stream, by] of users) if (by.size === 1 && by.has(urn)) owners.set(stream, urn)
  }
  for (const subject of graph.subjects()) {
    const target = graph.value(subject, aff4('target'))
    const holding = target === undefined ? undefined : open.get(target)
    if (holding && holding.map === undefined) owners.set(subject, holding.urn)
  }
  return owners
}

/** The members that hold objects, and the parts of maps and streams. */
function membersOf(volume: Volume, urns: readonly string[]): string[] {
  const own = urns.flatMap((urn) => {
    const parts = [urn, `${urn}/map`, `${urn}/idx`, `${urn}/information.yaml`]
    return parts.flatMap((part) => volume.find(part)?.name ?? [])
  })
  const streams = urns.filter((urn) => volume.graph.isA(urn, aff4('ImageStream')))
  return [...own, ...streams.flatMap((stream) => bevyMembers(volume, stream))]
}

/** Bevies, their indexes and block hashes: whatever stands below the name of a stream. */
function bevyMembers(volume: Volume, stream: string): string[] {
  const first = volume.find(`${stream}/00000000`)?.name
  if (first === undefined) return []
  const prefix = first.slice(0, -'00000000'.length)
  return [...volume.members.keys()].filter((name) => name.startsWith(prefix))
}
