import { FormatError } from '../format-error.js'
import { type ImageStream, openImageStream } from './image-stream-reader.js'
import { aff4, DIGESTS, pmem } from './lexicon.js'
import { symbolicContent } from './map.js'
import { loadIdx } from './map-reader.js'
import { displayName } from './original-names.js'
import {
  byteRange,
  type Extent,
  formOf,
  listStreams,
  type OpenStream,
  openStream,
  type StreamEntry,
} from './reader.js'
import type { Graph } from './turtle.js'
import type { Volume } from './volume.js'
import { STORED } from './zip/local-header.js'

/** A digest that a volume states. */
export interface StatedDigest {
  /** As its datatype names it, in lower case. */
  readonly algorithm: string
  readonly value: string
  /** Of the ranges that the stream has, not of all of its addresses. */
  readonly ofRanges: boolean
}

/** What a volume says of one of its streams, folders or links. */
export interface InventoryEntry {
  readonly urn: string
  readonly name: string
  readonly kind: string
  /** Undefined where there are no bytes, or nothing tells how many. */
  readonly size: bigint | undefined
  /** What its members take in the volumes. */
  readonly stored: bigint
  readonly compression: readonly string[]
  /** `memory:physical`. */
  readonly category: string | undefined
  /** As the volume writes them. */
  readonly created: string | undefined
  readonly modified: string | undefined
  readonly digests: readonly StatedDigest[]
  /** How much of a memory changed while it was read, as its source tells: `changed=32 compared=1024 …`. */
  readonly smear: string | undefined
  /** Why it is not all there: `interrupted: …`, `unreadable 4096`, … */
  readonly incomplete: readonly string[]
  /** False where it is damaged, or rests on what is not there. */
  readonly opened: boolean
  /** What it consists of, ascending; nothing where it could not be opened, or has no bytes. */
  extents(): Promise<Iterable<Extent>>
}

/**
 * Lists what volumes that belong together hold, topmost objects only.
 * Reads directories, turtle and maps, no evidence.
 */
export async function* takeInventory(volumes: readonly Volume[]): AsyncGenerator<InventoryEntry> {
  const captures = captureTimes(volumes)
  for (const entry of await listStreams(volumes))
    if (!entry.backing) yield await describe(volumes, entry, captures)
  for (const volume of volumes)
    for (const urn of volume.graph.subjects()) {
      const kind = BARE.find(([type]) => volume.graph.isA(urn, type))?.[1]
      if (kind !== undefined) yield { ...facts(volume, urn, urn, captures), kind, ...NO_BYTES }
    }
}

/** Objects without bytes that are listed beside the streams. */
export const BARE = [
  [aff4('Folder'), 'folder'],
  [aff4('FolderImage'), 'folder'],
  [pmem('SymbolicLink'), 'link'],
] as const
const NO_BYTES = { size: undefined, stored: 0n, compression: [], opened: true, extents: async () => [] }

type Captures = ReadonlyMap<string, Times>

async function describe(
  volumes: readonly Volume[],
  entry: StreamEntry,
  captures: Captures,
): Promise<InventoryEntry> {
  const { urn, volume } = entry
  const holder = volume.graph.value(urn, aff4('dataStream')) ?? urn
  const known = facts(volume, urn, holder, captures)
  const incomplete = [...known.incomplete]
  let size = volume.graph.integer(urn, aff4('size'))
  let opened = true
  const storage = { bytes: 0n, compression: new Set<string>(), seen: new Set<string>() }
  try {
    // To open a file means to inflate it.
    if (entry.form === 'segment') size = volume.find(urn)?.size
    else {
      const stream = await openStream(volumes, urn)
      size = stream.size
      if (entry.form === 'image' || entry.form === 'map') incomplete.push(...missingRanges(stream))
    }
    await addStorage(volumes, urn, storage)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    opened = false
    incomplete.push(`unopened: ${error.message}`)
  }
  return {
    ...known,
    kind: kindOf(entry, known.category),
    size,
    stored: storage.bytes,
    compression: [...storage.compression],
    incomplete,
    opened,
    extents: async () => (opened ? (await openStream(volumes, urn)).extents() : []),
  }
}

/** What the graph alone tells. @param holder the object that holds the bytes of an image */
function facts(volume: Volume, urn: string, holder: string, captures: Captures) {
  const { graph } = volume
  const category = graph.value(holder, aff4('category')) ?? graph.value(urn, aff4('category'))
  const state =
    graph.value(urn, pmem('incomplete')) ??
    [graph.value(urn, aff4('acquisitionCompletionState'))].find(
      (words) => words !== undefined && words !== 'Completed Normally',
    )
  return {
    urn,
    name: displayName(volume, urn),
    category: category?.startsWith(aff4('')) ? category.slice(aff4('').length).replace('/', ':') : category,
    ...(timesOf(graph, urn) ?? captures.get(urn) ?? NO_TIMES),
    smear: graph.value(urn, pmem('smear')),
    digests: [...new Set([urn, holder])].flatMap((object) => statedDigests(volume, object)),
    incomplete: state === undefined ? [] : [state],
  }
}

interface Times {
  readonly created: string | undefined
  readonly modified: string | undefined
}
const NO_TIMES: Times = { created: undefined, modified: undefined }

/** The times of a file itself: those of its acquisition are not to be taken for them. */
function timesOf(graph: Graph, urn: string): Times | undefined {
  const created = graph.value(urn, aff4('birthTime'))
  const modified = graph.value(urn, aff4('lastWritten'))
  return created === undefined && modified === undefined ? undefined : { created, modified }
}

function kindOf({ urn, form, volume }: StreamEntry, category: string | undefined): string {
  const is = (type: string) => volume.graph.isA(urn, aff4(type))
  if (is('MemoryImage') || category?.startsWith('memory:')) return 'memory'
  if (is('DiskImage')) return 'disk'
  if (is('VolumeImage')) return 'volume'
  const named = volume.graph.value(urn, aff4('originalFileName')) !== undefined
  if (form === 'segment' || is('FileImage') || (form === 'image-stream' && named)) return 'file'
  return form === 'image-stream' ? 'stream' : form
}

function statedDigests({ graph }: Volume, urn: string): StatedDigest[] {
  const found: StatedDigest[] = []
  for (const property of [aff4('hash'), pmem('rangesHash')])
    for (const node of graph.all(urn, property)) {
      if (node.termType !== 'Literal') continue
      const algorithm = node.datatype.value.replace(/^.*#/, '').toLowerCase()
      if (algorithm.startsWith('blockmaphash')) continue
      const known = Object.values(DIGESTS).find(({ datatype }) => datatype.toLowerCase() === algorithm)
      found.push({
        algorithm: known?.node ?? algorithm,
        value: node.value.toLowerCase(),
        ofRanges: property !== aff4('hash'),
      })
    }
  return found
}

/** When images were taken, by their URNs. */
function captureTimes(volumes: readonly Volume[]): Captures {
  const times = new Map<string, Times>()
  for (const { graph } of volumes)
    for (const subject of graph.subjects()) {
      const target = graph.value(subject, aff4('target'))
      if (target === undefined || !graph.isA(subject, aff4('TimeStamps'))) continue
      // Of an image that was taken in parts, from the begin of the first to the end of the last.
      const before = times.get(target)
      times.set(target, {
        created: before?.created ?? graph.value(subject, aff4('startTime')),
        modified: graph.value(subject, aff4('endTime')) ?? before?.modified,
      })
    }
  return times
}

function missingRanges(stream: OpenStream): string[] {
  const missing = { unreadable: 0n, unknown: 0n }
  for (const { length, content } of stream.extents())
    if (content === 'unreadable' || content === 'unknown') missing[content] += length
  return Object.entries(missing).flatMap(([kind, bytes]) => (bytes > 0n ? [`${kind} ${bytes}`] : []))
}

/** Adds up the members that a stream rests on, each once. */
async function addStorage(
  volumes: readonly Volume[],
  urn: string,
  sum: { bytes: bigint; compression: Set<string>; seen: Set<string> },
): Promise<void> {
  if (sum.seen.has(urn)) return
  sum.seen.add(urn)
  for (const volume of volumes) {
    const { graph } = volume
    for (const { value } of graph.all(urn, aff4('dataStream')))
      await addStorage(volumes, byteRange(value)?.urn ?? value, sum)
    if (graph.isA(urn, aff4('Map')))
      for (const target of await loadIdx(volume, urn))
        if (symbolicContent(target) === undefined) await addStorage(volumes, target, sum)
    const segment = volume.find(urn)
    if (segment) {
      sum.compression.add(segment.method === STORED ? 'none' : 'deflate')
      sum.bytes += segment.compressedSize
    }
  }
  const home = volumes.find((volume) => formOf(volume, urn) === 'image-stream')
  if (home) addBevies(openImageStream(home, urn, volumes), sum)
}

/** A stream may go on from volume to volume. */
function addBevies(
  { codec, membersOf }: ImageStream,
  sum: { bytes: bigint; compression: Set<string> },
): void {
  let number = 0
  for (let members = membersOf(0); members; members = membersOf(++number))
    sum.bytes += members.bevy.compressedSize
  if (number > 0) sum.compression.add(codec)
}
