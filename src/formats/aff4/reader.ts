import { type AddressSpace, mergeRuns, type Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { openImageStream } from './image-stream-reader.js'
import { aff4 } from './lexicon.js'
import { symbolicContent } from './map.js'
import { entryRuns } from './map-entries.js'
import { type LoadedMap, loadIdx, loadMap } from './map-reader.js'
import { fillSymbolic, type SymbolicContent } from './symbolic.js'
import type { Volume } from './volume.js'

/** An object of a set of volumes that has bytes. */
export interface StreamEntry {
  readonly urn: string
  readonly form: (typeof FORMS)[number]
  /** Where it is described. */
  readonly volume: Volume
  /** It is the data of another object: reached through that one, and listed for those who ask for it. */
  readonly backing: boolean
}

/** A range of a stream. */
export interface Extent extends Run {
  /** What it reads as, or that its bytes are in a volume. */
  readonly content: SymbolicContent | 'stored'
}

/** The bytes of one object. */
export interface OpenStream extends AddressSpace {
  readonly urn: string
  readonly size: bigint
  /** What the runs consist of, ascending. */
  extents(): Iterable<Extent>
}

/** Lists the streams of volumes that belong together, topmost objects before those that back them. */
export async function listStreams(volumes: readonly Volume[]): Promise<StreamEntry[]> {
  const backing = new Set<string>()
  const found = new Map<string, StreamEntry>()
  for (const volume of volumes) {
    const { graph } = volume
    for (const urn of graph.subjects()) {
      const form = formOf(volume, urn)
      if (!form) continue
      if (form === 'image') for (const data of graph.all(urn, aff4('dataStream'))) backing.add(data.value)
      if (form === 'map') for (const target of await targetsOf(volume, urn)) backing.add(target)
      if (!found.has(urn)) found.set(urn, { urn, form, volume, backing: false })
    }
  }
  return [...found.values()]
    .map((entry) => ({ ...entry, backing: backing.has(entry.urn) }))
    .sort((a, b) => FORMS.indexOf(a.form) - FORMS.indexOf(b.form))
}

const FORMS = ['image', 'map', 'image-stream', 'segment'] as const

/** Not every writer says on the map what its `idx` says. */
async function targetsOf(volume: Volume, map: string): Promise<string[]> {
  const declared = volume.graph.all(map, aff4('dependentStream'))
  return declared.length > 0 ? declared.map(({ value }) => value) : loadIdx(volume, map)
}

function formOf(volume: Volume, subject: string): StreamEntry['form'] | undefined {
  const { graph } = volume
  if (graph.value(subject, aff4('dataStream')) !== undefined) return 'image'
  if (graph.isA(subject, aff4('Map'))) return 'map'
  // A stub for a stream of another volume has neither.
  if (graph.isA(subject, aff4('ImageStream')))
    return graph.value(subject, aff4('chunkSize')) === undefined ? undefined : 'image-stream'
  const segment = ['ZipSegment', 'zip_segment', 'Image', 'FileImage'].some((type) =>
    graph.isA(subject, aff4(type)),
  )
  return segment && volume.find(subject) ? 'segment' : undefined
}

/**
 * Opens a stream of volumes that belong together.
 * @throws {FormatError} when it is not there, or its description is damaged
 */
export function openStream(volumes: readonly Volume[], urn: string): Promise<OpenStream> {
  return openNested(volumes, urn, 0)
}

/** Images rest on maps, maps on streams; no honest chain is longer. */
const DEEPEST = 8

async function openNested(volumes: readonly Volume[], urn: string, depth: number): Promise<OpenStream> {
  const volume = volumes.find((one) => formOf(one, urn))
  if (!volume) throw new FormatError(missing(volumes, urn))
  const form = formOf(volume, urn)
  if (depth > DEEPEST) throw new FormatError(`${volume.name}: ${urn}: objects that rest on one another`)
  if (form === 'image') {
    const data = volume.graph.value(urn, aff4('dataStream'))!
    return { ...(await openNested(volumes, data, depth + 1)), urn }
  }
  if (form === 'map')
    return mapStream(await loadMap(volume, urn), urn, (target) => openNested(volumes, target, depth + 1))
  if (form === 'image-stream') return wholeStream(urn, openImageStream(volume, urn))
  return wholeStream(urn, await volume.open(volume.find(urn)!))
}

function missing(volumes: readonly Volume[], urn: string): string {
  for (const { graph } of volumes) {
    const home = graph.value(urn, aff4('stored'))
    if (home !== undefined) return `${urn} is in volume ${home}, which is not given`
  }
  return `${urn} is not in the volume${volumes.length > 1 ? 's' : ''}`
}

/** Bytes from 0 on, all of them stored. */
function wholeStream(urn: string, source: ByteSource): OpenStream {
  const all: Run[] = source.size > 0n ? [{ start: 0n, length: source.size }] : []
  return {
    urn,
    size: source.size,
    runs: all,
    extents: () => all.map((run) => ({ ...run, content: 'stored' })),
    async read(address, length) {
      const bytes = await source.read(address, length)
      if (bytes.length < length)
        throw new FormatError(`${source.name}: ends there`, address + BigInt(bytes.length))
      return bytes
    },
  }
}

function mapStream(
  map: LoadedMap,
  urn: string,
  openTarget: (target: string) => Promise<OpenStream>,
): OpenStream {
  const { entries, targets, size, gap } = map
  const contents = targets.map(symbolicContent)
  const open = new Map<string, Promise<OpenStream>>()
  // A default that is not zero makes content of the gaps.
  const covered = entryRuns(entries)
  const runs = gap === 'zero' || size === 0n ? covered : [{ start: 0n, length: size }]

  function* extents(): Generator<Extent> {
    let last: { start: bigint; length: bigint; content: Extent['content'] } | undefined
    for (const { start, length, content } of pieces()) {
      if (last && last.content === content && last.start + last.length === start) last.length += length
      else {
        if (last) yield last
        last = { start, length, content }
      }
    }
    if (last) yield last
  }

  function* pieces(): Generator<Extent> {
    let at = 0n
    const between = function* (end: bigint): Generator<Extent> {
      if (gap !== 'zero' && end > at) yield { start: at, length: end - at, content: gap }
    }
    for (let index = 0; index < entries.count; index++) {
      const { offset, length, targetId } = entries.at(index)
      yield* between(offset)
      yield { start: offset, length, content: contents[targetId] ?? 'stored' }
      at = offset + length
    }
    yield* between(size)
  }

  function targetOf(id: number): Promise<OpenStream> {
    const target = targets[id]!
    let stream = open.get(target)
    if (!stream) {
      stream = openTarget(target)
      open.set(target, stream)
    }
    return stream
  }

  /** Index of the first entry that ends behind an address. */
  function find(address: bigint): number {
    let low = 0
    let high = entries.count
    while (low < high) {
      const middle = (low + high) >> 1
      const { offset, length } = entries.at(middle)
      if (offset + length <= address) low = middle + 1
      else high = middle
    }
    return low
  }

  async function read(address: bigint, length: number): Promise<Bytes> {
    if (address < 0n || address + BigInt(length) > size)
      throw new FormatError(`map ${urn}: ${length} bytes reach past its end`, address)
    const result = Buffer.allocUnsafe(length)
    let index = find(address)
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done)
      const entry = index < entries.count ? entries.at(index) : undefined
      if (!entry || entry.offset > at) {
        const end = entry ? entry.offset : size
        const piece = result.subarray(done, done + Math.min(length - done, Number(end - at)))
        fillSymbolic(gap, at, piece)
        done += piece.length
        continue
      }
      const within = at - entry.offset
      const left = entry.length - within
      const piece = result.subarray(done, left < BigInt(length - done) ? done + Number(left) : length)
      const content = contents[entry.targetId]
      const target = entry.targetOffset + within
      if (content !== undefined) fillSymbolic(content, target, piece)
      else piece.set(await readTarget(entry.targetId, target, piece.length, at))
      done += piece.length
      index++
    }
    return result
  }

  async function readTarget(id: number, offset: bigint, length: number, at: bigint): Promise<Bytes> {
    const stream = await targetOf(id)
    if (offset + BigInt(length) > stream.size)
      throw new FormatError(`map ${urn}: its range reaches past the end of ${stream.urn}`, at)
    return stream.read(offset, length)
  }

  return { urn, size, runs: mergeRuns(runs), extents, read }
}
