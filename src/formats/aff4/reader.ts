import { settleBytes } from '../../codecs/copy-bytes.js'
import { type AddressSpace, firstIndex, mergeRuns, type Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { max, min } from '../min-max.js'
import { checkMember } from './container.js'
import { bevyUrn } from './image-stream.js'
import { type ImageStream, openImageStream, sizeIn } from './image-stream-reader.js'
import { AFF4L, aff4 } from './lexicon.js'
import { mapUrn, symbolicContent } from './map.js'
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

/** Where bytes of a stream are stored in chunks. */
export interface Location {
  readonly stream: ImageStream
  /** In that stream. */
  readonly offset: bigint
  /** How many bytes follow one another in both. */
  readonly length: bigint
}

/** The bytes of one object. */
export interface OpenStream extends AddressSpace {
  readonly urn: string
  readonly size: bigint
  /** Of the compressed chunks that it rests on, where it rests on such. */
  readonly chunkSize: number | undefined
  /** Where the byte at an address is stored; undefined where that is not in a chunk of an image stream. */
  locate(address: bigint): Promise<Location | undefined>
  /**
   * Compares the member that holds all of it with its CRC, where one does. Others check their bevies.
   * @returns what is wrong with it
   */
  check(): Promise<string | undefined>
  /** What the runs consist of, ascending. */
  extents(): Iterable<Extent>
}

/** Lists the streams of volumes that belong together, topmost objects before those that back them. */
export async function listStreams(volumes: readonly Volume[]): Promise<StreamEntry[]> {
  const backing = new Set<string>()
  const found = new Map<string, Listed>()
  for (const volume of volumes) {
    const { graph } = volume
    for (const urn of graph.subjects()) {
      const form = formOf(volume, urn)
      if (!form) continue
      if (form === 'image')
        for (const { value } of graph.all(urn, aff4('dataStream')))
          backing.add(byteRange(value)?.urn ?? value)
      if (form === 'map') for (const target of await targetsOf(volume, urn)) backing.add(target)
      if (isChunk(urn)) backing.add(urn)
      const known = found.get(urn)
      if (!known || sizeIn(volume, urn) > sizeIn(known.volume, urn))
        found.set(urn, { urn, form, volume, backing: false })
    }
  }
  for (const entry of found.values()) entry.backing = backing.has(entry.urn) && !isFile(entry)
  return FORMS.flatMap((form) => [...found.values()].filter((entry) => entry.form === form))
}

type Listed = { -readonly [Key in keyof StreamEntry]: StreamEntry[Key] }

/** A file stays one of its own though copies of it point to its bytes. */
const isFile = ({ urn, volume }: StreamEntry) => volume.graph.isA(urn, aff4('FileImage'))

/** `literal`: the bytes stand in the metadata themselves, in Base64 (AFF4-L 2.1). */
const FORMS = ['image', 'map', 'image-stream', 'segment', 'literal'] as const

/** pyaff4 names the chunks that several files share by their digests. */
const isChunk = (urn: string) => /^aff4:sha\d+:/.test(urn)

/** A part of a stream, as pyaff4 writes it: `aff4://uuid[0x200:0x100]` are 256 bytes at 512. */
export function byteRange(urn: string): { urn: string; offset: bigint; length: bigint } | undefined {
  const [, whole, offset, length] = /^(.+)\[0x([0-9a-f]{1,16}):0x([0-9a-f]{1,16})\]$/i.exec(urn) ?? []
  if (whole === undefined) return undefined
  return { urn: whole, offset: BigInt(`0x${offset}`), length: BigInt(`0x${length}`) }
}

/** Not every writer says on the map what its `idx` says. */
async function targetsOf(volume: Volume, map: string): Promise<string[]> {
  const declared = volume.graph.all(map, aff4('dependentStream'))
  return declared.length > 0 ? declared.map(({ value }) => value) : loadIdx(volume, map)
}

/** What an object of a volume is to a reader; undefined when it has no bytes there. */
export function formOf(volume: Volume, subject: string): StreamEntry['form'] | undefined {
  const { graph } = volume
  const isA = (...types: string[]) => types.some((type) => graph.isA(subject, aff4(type)))
  if (graph.value(subject, aff4('dataStream')) !== undefined) return 'image'
  if (isA('Map')) return 'map'
  // A stub for a stream of another volume has no size.
  if (isA('ImageStream', 'RandomAccessImageStream'))
    return graph.value(subject, aff4('size')) === undefined ? undefined : 'image-stream'
  if (graph.value(subject, AFF4L_DATA) !== undefined) return 'literal'
  // The suite says of a file no more than its name.
  const file =
    isA('ZipSegment', 'Image', 'FileImage') || graph.value(subject, aff4('originalFileName')) !== undefined
  return file && volume.find(subject) ? 'segment' : undefined
}

const AFF4L_DATA = `${AFF4L}dataStream`

/**
 * Opens a stream of volumes that belong together.
 * @throws {FormatError} when it is not there, rests on a volume that is not given, or its description is damaged
 */
export function openStream(volumes: readonly Volume[], urn: string): Promise<OpenStream> {
  return openNested({ volumes, imageStreams: new Map() }, urn, 0)
}

/** What the parts of one stream share. */
interface Opening {
  readonly volumes: readonly Volume[]
  readonly imageStreams: Map<string, OpenStream>
}

/** Images rest on maps, maps on streams; no honest chain is longer. */
const DEEPEST = 8

async function openNested(opening: Opening, urn: string, depth: number): Promise<OpenStream> {
  const { volumes, imageStreams } = opening
  const range = byteRange(urn)
  if (range) return partOf(await openNested(opening, range.urn, depth + 1), urn, range)
  const { volume, form } = homeOf(volumes, urn)
  if (depth > DEEPEST) throw new FormatError(`${volume.name}: ${urn}: objects that rest on one another`)
  if (form === 'image') {
    const data = volume.graph.value(urn, aff4('dataStream'))!
    return { ...(await openNested(opening, data, depth + 1)), urn }
  }
  if (form === 'map') {
    const map = await loadMap(volume, urn)
    for (const target of map.targets)
      if (symbolicContent(target) === undefined) homeOf(volumes, byteRange(target)?.urn ?? target)
    return mapStream(map, urn, (target) => openNested(opening, target, depth + 1))
  }
  if (form === 'image-stream') {
    const known = imageStreams.get(urn) ?? chunkedStream(openImageStream(volume, urn, volumes))
    imageStreams.set(urn, known)
    return known
  }
  if (form === 'literal') return wholeStream(urn, literalSource(volume, urn))
  const member = volume.find(urn)!
  const source = await volume.open(member)
  return { ...wholeStream(urn, source), check: () => checkMember(member, source) }
}

/** The volume that has an object, or a member that nobody describes. */
function homeOf(volumes: readonly Volume[], urn: string): { volume: Volume; form: StreamEntry['form'] } {
  const homes = volumes.flatMap((volume) => {
    const form = formOf(volume, urn)
    return form ? [{ volume, form }] : []
  })
  // Of a stream that goes on from volume to volume, c-aff4 says the size in the last one only.
  const largest = homes.reduce((most, { volume }) => max(most, sizeIn(volume, urn)), 0n)
  const whole = homes.filter(({ volume }) => sizeIn(volume, urn) === largest)
  const fullest =
    whole.length > 1
      ? whole.find(({ volume }) => volume.find(bevyUrn(urn, 0)) ?? volume.find(mapUrn(urn)))
      : undefined
  const home = fullest ?? whole[0]
  // A stub may say all of a stream but have none of it.
  if (
    home?.form === 'image-stream' &&
    !volumes.some((volume) => volume.find(bevyUrn(urn, 0))) &&
    homeElsewhere(volumes, urn) !== undefined
  )
    throw missing(volumes, urn)
  if (home) return home
  const holder = volumes.find((one) => one.find(urn))
  if (holder) return { volume: holder, form: 'segment' }
  throw missing(volumes, urn)
}

function missing(volumes: readonly Volume[], urn: string): FormatError {
  const names = volumes.map(({ name }) => name).join(', ')
  const home = homeElsewhere(volumes, urn)
  if (home === undefined)
    return new FormatError(`${names}: ${urn} is not in the volume${volumes.length > 1 ? 's' : ''}`)
  const why = `${names}: ${urn} is in volume ${home}, which is not given`
  return new FormatError(why, undefined, 'volumes that are given together are read as one')
}

/** The volume that an object is said to be in, where that is none of these. */
function homeElsewhere(volumes: readonly Volume[], urn: string): string | undefined {
  const homes = volumes.flatMap(({ graph }) => graph.all(urn, aff4('stored')))
  const given = new Set(volumes.map((volume) => volume.urn))
  return homes.find(({ termType, value }) => termType === 'NamedNode' && !given.has(value))?.value
}

function literalSource(volume: Volume, urn: string): ByteSource {
  const bytes = Buffer.from(volume.graph.value(urn, AFF4L_DATA)!, 'base64')
  return {
    name: `${volume.name}: ${urn}`,
    size: BigInt(bytes.length),
    read: async (offset, length) => bytes.subarray(Number(offset), Number(offset) + length),
    async close() {},
  }
}

/** Some bytes of a stream, as a stream. */
function partOf(
  whole: OpenStream,
  urn: string,
  { offset, length }: { offset: bigint; length: bigint },
): OpenStream {
  if (offset + length > whole.size)
    throw new FormatError(`${urn}: reaches past the end of its stream`, offset)
  const all: Run[] = length > 0n ? [{ start: 0n, length }] : []
  return {
    urn,
    size: length,
    runs: all,
    chunkSize: whole.chunkSize,
    check: whole.check,
    extents: () => all.map((run) => ({ ...run, content: 'stored' })),
    async locate(address) {
      const found = await whole.locate(offset + address)
      const left = length - address
      return found && { ...found, length: min(found.length, left) }
    },
    read: (address, count, into) => whole.read(offset + address, count, into),
  }
}

/** An image stream, whose bytes are in its chunks. */
const chunkedStream = (stream: ImageStream): OpenStream => ({
  ...wholeStream(stream.urn, stream),
  chunkSize: stream.codec === 'none' ? undefined : stream.chunkSize,
  locate: async (address) => ({ stream, offset: address, length: stream.size - address }),
})

/** Bytes from 0 on, all of them stored. */
function wholeStream(urn: string, source: ByteSource): OpenStream {
  const all: Run[] = source.size > 0n ? [{ start: 0n, length: source.size }] : []
  return {
    urn,
    size: source.size,
    runs: all,
    chunkSize: undefined,
    check: async () => undefined,
    locate: async () => undefined,
    extents: () => all.map((run) => ({ ...run, content: 'stored' })),
    async read(address, length, into) {
      const bytes = await source.read(address, length, into)
      if (bytes.length < length)
        throw new FormatError(`${source.name}: ends there`, address + BigInt(bytes.length))
      return bytes
    },
  }
}

/** Targets of a map that are kept open. */
const MOST_OPEN = 256

async function mapStream(
  map: LoadedMap,
  urn: string,
  openTarget: (target: string) => Promise<OpenStream>,
): Promise<OpenStream> {
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
      if (open.size > MOST_OPEN) open.delete(open.keys().next().value as string)
    }
    return stream
  }

  /** Index of the first entry that ends behind an address. */
  const find = (address: bigint): number =>
    firstIndex(entries.count, (index) => {
      const { offset, length } = entries.at(index)
      return offset + length > address
    })

  async function read(address: bigint, length: number, into?: Bytes): Promise<Bytes> {
    if (address < 0n || address + BigInt(length) > size)
      throw new FormatError(`map ${urn}: ${length} bytes reach past its end`, address)
    const result = into?.subarray(0, length) ?? Buffer.allocUnsafe(length)
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
      const piece = result.subarray(done, done + clipLength(length - done, left))
      const content = contents[entry.targetId]
      const target = entry.targetOffset + within
      if (content !== undefined) fillSymbolic(content, target, piece)
      else await readTarget(entry.targetId, target, piece, at)
      done += piece.length
      index++
    }
    return result
  }

  async function readTarget(id: number, offset: bigint, into: Bytes, at: bigint): Promise<void> {
    const stream = await targetOf(id)
    if (offset + BigInt(into.length) > stream.size)
      throw new FormatError(`map ${urn}: its range reaches past the end of ${stream.urn}`, at)
    const bytes = await stream.read(offset, into.length, into)
    settleBytes(into, bytes)
  }

  async function locate(address: bigint): Promise<Location | undefined> {
    const index = find(address)
    const entry = index < entries.count ? entries.at(index) : undefined
    if (!entry || entry.offset > address || contents[entry.targetId] !== undefined) return undefined
    const within = address - entry.offset
    const stream = await targetOf(entry.targetId)
    const found = await stream.locate(entry.targetOffset + within)
    const left = entry.length - within
    return found && { ...found, length: min(found.length, left) }
  }

  const first = contents.indexOf(undefined)
  const chunkSize = first < 0 ? undefined : (await targetOf(first)).chunkSize
  return { urn, size, runs: mergeRuns(runs), chunkSize, check: async () => undefined, extents, locate, read }
}
