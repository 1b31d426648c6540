import { EXIT, ToolError } from '../../cli/exit.js'
import { DEFAULT_CHUNK_SIZE, LARGEST_CHUNK_SIZE } from '../../formats/aff4/image-stream.js'
import type { ImageStreamWriter } from '../../formats/aff4/image-stream-writer.js'
import { aff4, iri, pmem, RDF_TYPE, text } from '../../formats/aff4/lexicon.js'
import type { MapWriter } from '../../formats/aff4/map-writer.js'
import { pathUrn } from '../../formats/aff4/names.js'
import { fillSymbolic, type SymbolicContent } from '../../formats/aff4/symbolic.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import type { Bytes } from '../../formats/byte-source.js'
import { min } from '../../formats/min-max.js'
import { formatAddress, parseAddress } from '../../frames/address.js'
import { checkCrc, chunkContent } from '../../frames/chunk-content.js'
import type { DataFrame, DigestBody, FillFrame, StreamBody } from '../../frames/frame.js'
import { hasBytes } from '../../frames/streams.js'
import { informationYaml } from './information-yaml.js'
import { addDigests, addFacts, addNote, addState } from './provenance.js'
import type { StoredStream, StreamContext } from './stored-stream.js'

/** Symbolic content repeats after so many bytes: that much of it is stored, and entries of a map point there. */
const TILE = 1n << 20n
/** A longer run of zeros is a hole between entries, which reads the same, but not as memory that exists. */
const LONGEST_ZEROS = 1n << 30n
/** More entries than a map of so many tiles has are no help to anybody. */
const MOST_TILES = 1n << 24n
/** What the entries of a tile, and a digest, take in the volume. */
const ENTRY_BYTES = 56
const DIGEST_BYTES = 512
/** Frames of data until the room is looked at again. */
const FRAMES_BETWEEN = 1024

/**
 * One stream on its way into a volume as the suite of 2015 reads it: a file is an image stream under its path, a
 * memory a map over one. There are no symbolic streams: what is a hole elsewhere is stored as the text it reads as.
 */
export function openRekallStream(context: StreamContext, body: StreamBody): StoredStream {
  const { volume, keepRoom } = context
  const { graph } = volume
  const urn = nameFor(volume, body)
  const place = hasBytes(body) ? (body.kind === 'map' ? openMapped : openPlain)(volume, urn, body) : undefined
  const digests: DigestBody[] = []
  let concluded = false
  let frames = 0

  if (!place) {
    volume.declare(urn)
    graph.add(urn, RDF_TYPE, iri(body.kind === 'folder' ? aff4('Folder') : pmem('SymbolicLink')))
  }
  if (body.kind !== 'map') graph.add(urn, aff4('originalFileName'), text(body.name))
  if (body.nameBytes !== undefined) graph.add(urn, pmem('nameBytes'), text(body.nameBytes))
  if (body.category !== undefined)
    graph.add(urn, aff4('category'), iri(aff4(body.category.replace(':', '/'))))
  if (context.transmission !== undefined) graph.add(urn, pmem('transmission'), iri(context.transmission))
  for (const [key, value] of Object.entries(body.properties ?? {}))
    graph.add(urn, pmem(key), text(typeof value === 'string' ? value : JSON.stringify(value)))

  const room = () => keepRoom((place?.entries ?? 0) * ENTRY_BYTES + digests.length * DIGEST_BYTES)

  async function bytes(frame: DataFrame | FillFrame): Promise<void> {
    const { stream } = place!
    if (stream.full) await stream.flush()
    await (frame.type === 'data' ? place!.data(frame) : place!.fill(frame))
    if (frame.type === 'fill' || ++frames % FRAMES_BETWEEN === 0) room()
  }

  function conclude(state: string | undefined): void {
    concluded = true
    addState(volume, urn, state)
    if (state === undefined) addDigests(volume, urn, digests)
  }

  return {
    data: bytes,
    fill: bytes,
    meta(frame) {
      addFacts(volume, urn, frame, context.warn)
      room()
    },
    note(frame) {
      addNote(volume, urn, frame)
      room()
    },
    digest(digest) {
      digests.push(digest)
      room()
    },
    async end(state) {
      const runs = place?.map?.runs() ?? []
      const twice = await place?.close(state === undefined)
      conclude(twice ?? state)
      if (body.category === 'memory:physical') {
        const yaml = informationYaml(graph, urn, runs)
        await volume.segment(`${urn}/information.yaml`, Buffer.from(yaml, 'utf8'))
      }
      room()
      if (twice !== undefined) throw new ToolError(EXIT.data, `${body.name}: ${twice}`)
    },
    abandon(state, lost) {
      if (concluded) return
      for (const { start, length } of lost)
        graph.add(urn, pmem('lostRange'), text(`${formatAddress(start)}+${formatAddress(length)}`))
      conclude(state)
    },
    // Its readers know no images but these.
    image: undefined,
  }
}

function nameFor(volume: VolumeWriter, { name }: StreamBody): string {
  const named = pathUrn(name, volume.urn)
  return named === undefined || volume.has(named) || volume.has(`${named}/map`) ? volume.freshUrn() : named
}

/** Where the bytes of a stream go. */
interface Place {
  readonly stream: ImageStreamWriter
  readonly map: MapWriter | undefined
  readonly entries: number
  data(frame: DataFrame): void | Promise<void>
  fill(frame: FillFrame): void | Promise<void>
  /** @returns what is wrong with what came */
  close(complete: boolean): Promise<string | undefined>
}

const chunkSizeOf = ({ chunkSize }: StreamBody) =>
  chunkSize !== undefined && chunkSize <= LARGEST_CHUNK_SIZE ? chunkSize : DEFAULT_CHUNK_SIZE

/** Adds a chunk as it came. @returns where it lands, undefined when it must be compressed anew */
function addChunk(stream: ImageStreamWriter, frame: DataFrame): bigint | undefined {
  const { codec, payload } = frame
  if (codec !== 'zlib' && codec !== 'snappy') return undefined
  if ((stream.codec ?? codec) !== codec) return undefined
  checkCrc(frame)
  return stream.add(codec, payload, () => payload)
}

async function append(stream: ImageStreamWriter, bytes: Bytes): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += stream.append(bytes.subarray(done))
    if (stream.full && done < bytes.length) await stream.flush()
  }
}

const contentOf = ({ fill, value }: FillFrame): SymbolicContent => (fill === 'byte' ? (value ?? 0) : fill)

/** A file or a disk: its bytes from 0 on, one behind the other. */
function openPlain(volume: VolumeWriter, urn: string, body: StreamBody): Place {
  const chunkSize = chunkSizeOf(body)
  const stream = volume.imageStream({ urn, chunkSize })
  const size = body.size === undefined ? 0n : parseAddress(body.size)

  async function fillUpTo(end: bigint, content: SymbolicContent): Promise<void> {
    while (stream.position < end) {
      const at = stream.position
      const piece = Buffer.alloc(Number(min(TILE - (at % TILE), end - at)))
      fillSymbolic(content, at, piece)
      if (stream.full) await stream.flush()
      await append(stream, piece)
    }
  }

  async function reach(offset: bigint): Promise<void> {
    if (offset < stream.position)
      throw new ToolError(
        EXIT.data,
        `${body.name}: a range came twice, or too late, at ${formatAddress(offset)}`,
      )
    await fillUpTo(offset, 'zero')
    if (stream.full) await stream.flush()
  }

  return {
    stream,
    map: undefined,
    entries: 0,
    async data(frame) {
      await reach(frame.offset)
      const whole = frame.length === BigInt(chunkSize) && frame.offset % BigInt(chunkSize) === 0n
      if (whole && body.chunkSize === chunkSize && addChunk(stream, frame) !== undefined) return
      await append(stream, chunkContent(frame, body.chunkSize))
    },
    async fill(frame) {
      await reach(frame.offset)
      await fillUpTo(frame.offset + frame.length, contentOf(frame))
    },
    async close(complete) {
      if (complete) await fillUpTo(size, 'zero')
      await stream.close(stream.position)
      return undefined
    },
  }
}

/** A memory: a map, and its bytes in the stream `data` below it. */
function openMapped(volume: VolumeWriter, urn: string, body: StreamBody): Place {
  const chunkSize = chunkSizeOf(body)
  const map = volume.map({ urn })
  const stream = volume.imageStream({ urn: `${urn}/data`, chunkSize }, map)
  /** Where in the stream a tile of some content begins. */
  const tiles = new Map<SymbolicContent, bigint>()

  async function tileOf(content: SymbolicContent): Promise<bigint> {
    const known = tiles.get(content)
    if (known !== undefined) return known
    const tile = Buffer.alloc(Number(TILE))
    fillSymbolic(content, 0n, tile)
    const at = stream.position
    await append(stream, tile)
    tiles.set(content, at)
    return at
  }

  return {
    stream,
    map,
    get entries() {
      return map.entryCount
    },
    async data(frame) {
      const { offset, length } = frame
      const whole = body.chunkSize === chunkSize && (frame.padded || length === BigInt(chunkSize))
      if (whole) {
        stream.pad()
        if (stream.full) await stream.flush()
      }
      const added = whole ? addChunk(stream, frame) : undefined
      const targetOffset = added ?? stream.position
      if (added === undefined) await append(stream, chunkContent(frame, body.chunkSize))
      map.add({ offset, length, targetOffset, target: stream.urn })
    },
    async fill(frame) {
      const content = contentOf(frame)
      if (content === 'zero' && frame.length > LONGEST_ZEROS) return
      if (frame.length > MOST_TILES * TILE)
        throw new ToolError(EXIT.data, `${body.name}: a hole of ${formatAddress(frame.length)} bytes`, {
          hint: 'volumes of the Standard can hold it: leave out --layout rekall',
        })
      const tile = await tileOf(content)
      const end = frame.offset + frame.length
      for (let at = frame.offset; at < end; ) {
        const length = min(TILE - (at % TILE), end - at)
        map.add({ offset: at, length, targetOffset: tile + (at % TILE), target: stream.urn })
        at += length
      }
    },
    async close() {
      const [twice] = map.settleOverlaps()
      await map.close()
      return twice && `a range came twice at ${formatAddress(twice.start)}`
    },
  }
}
