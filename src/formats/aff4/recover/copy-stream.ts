import { compress } from '../../../codecs/codec.js'
import type { WritableCodec } from '../../../codecs/codec-error.js'
import { min } from '../../min-max.js'
import { DEFAULT_CHUNK_SIZE } from '../image-stream.js'
import type { ImageStreamWriter } from '../image-stream-writer.js'
import { aff4, type DigestName, iri } from '../lexicon.js'
import type { MapWriter } from '../map-writer.js'
import { freshUrn } from '../names.js'
import type { Catalogue, FoundStream } from './catalogue.js'
import { decodeChunk, type FoundChunk, readChunks } from './chunks.js'
import { isStream, streamFacts } from './facts.js'
import type { Job } from './job.js'
import { createKeptRuns, type Placement, placementOf } from './placement.js'
import { type StreamShape, shapeOf, wholeIndex } from './shape.js'

/** A bevy is held in memory while it is filled. */
const LARGEST_BEVY = 64 << 20

/** Streams whose chunks are, or were, in this volume. */
export const streamsOf = ({ streams, graph }: Catalogue): Set<string> =>
  new Set([...streams.keys(), ...[...graph.subjects()].filter((urn) => isStream(graph, urn))])

/** Streams by the maps that they were made for: by what the graph says, or by a name below that of the map. */
export function streamsByMap(found: Catalogue): Map<string, string[]> {
  const made = new Map<string, string[]>()
  for (const urn of streamsOf(found))
    for (const map of new Set([found.graph.value(urn, aff4('target')), urn.replace(/\/[^/]*$/, '')])) {
      if (map === undefined) continue
      const known = made.get(map)
      if (known) known.push(urn)
      else made.set(map, [urn])
    }
  return made
}

/**
 * Copies the chunks of a stream that are there, as they are stored where they can stay so. What is lost leaves no
 * gap: the map is told where each went. A stream that several maps use is copied for the first one.
 * @param map undefined for a stream that is an object of its own
 * @param newUrn what the copy is called, as long as its chunks keep their numbers
 */
export async function copyStream(
  job: Job,
  urn: string,
  map: MapWriter | undefined,
  newUrn = urn,
): Promise<Placement> {
  const { source, found, volume, placements } = job
  const done = placements.get(urn)
  if (done) {
    if (map && done.urn !== undefined) volume.graph.add(map.urn, aff4('dependentStream'), iri(done.urn))
    return done
  }
  const stream: FoundStream = found.streams.get(urn) ?? { urn, bevies: new Map() }
  const facts = streamFacts(found.graph, urn)
  const shape = await shapeOf(source, stream, facts, found.dialect)
  const placement = shape
    ? await copyChunks(job, stream, shape, map, newUrn)
    : placementOf(undefined, [], DEFAULT_CHUNK_SIZE, facts.size)
  placements.set(urn, placement)
  job.rebuilt.add(urn)
  if (placement.unchanged && placement.urn === urn) job.intact.add(urn)
  return placement
}

/** Whether a stream is all there, by its members: none of its chunks has been looked at. */
export async function looksWhole({ source, found }: Job, urn: string): Promise<boolean> {
  const stream = found.streams.get(urn)
  const facts = streamFacts(found.graph, urn)
  const shape = stream && (await shapeOf(source, stream, facts, found.dialect))
  if (!shape || facts.size === undefined) return false
  const perBevy = BigInt(shape.chunksPerBevy)
  let left = (facts.size + BigInt(shape.chunkSize) - 1n) / BigInt(shape.chunkSize)
  for (let number = 0; left > 0n; number++) {
    const bevy = stream.bevies.get(number)
    const needed = min(left, perBevy)
    if (bevy?.data?.state !== 'whole') return false
    const table = await wholeIndex(source, bevy)
    if (!table || BigInt(table.count) < needed) return false
    left -= needed
  }
  return true
}

async function copyChunks(
  { source, volume, copied }: Job,
  stream: FoundStream,
  shape: StreamShape,
  map: MapWriter | undefined,
  urn: string,
): Promise<Placement> {
  const { chunkSize, chunksPerBevy } = shape
  const most = Math.max(1, Math.floor(LARGEST_BEVY / chunkSize))
  const kept = createKeptRuns()
  let writer: ImageStreamWriter | undefined
  for await (const chunk of readChunks(source, stream, shape)) {
    writer ??= volume.imageStream(
      {
        urn: chunk.number === 0n ? urn : freshUrn(),
        chunkSize,
        chunksPerBevy: Math.min(chunksPerBevy, most),
        blockHashes: digestsOf(stream),
      },
      map,
    )
    await addChunk(writer, chunk, shape)
    kept.add(chunk.number, chunk.sure)
    copied(chunk.stored.length)
  }
  const placement = placementOf(writer?.urn, kept.runs, chunkSize, shape.size)
  await writer?.close(placement.unchanged ? shape.size : undefined)
  return placement
}

async function addChunk(writer: ImageStreamWriter, chunk: FoundChunk, shape: StreamShape): Promise<void> {
  const { chunkSize, rawChunks } = shape
  const { codec, stored } = chunk
  if (writer.full) await writer.flush()
  const wanted: WritableCodec = shape.codec === 'deflate' ? 'zlib' : shape.codec
  if (codec === wanted && codec !== 'none' && stored.length < chunkSize)
    return void writer.add(codec, stored, () => decodeChunk(codec, stored, chunkSize))
  const content = decodeChunk(codec, stored, chunkSize)
  // A chunk that was raw stays so.
  const again = wanted === 'none' || (codec === 'none' && rawChunks) ? content : compress(wanted, content)
  if (wanted !== 'none' && again.length < chunkSize) writer.add(wanted, again, () => content)
  else writer.append(content)
}

/** Block hashes are made anew, by the same algorithms. */
const digestsOf = ({ bevies }: FoundStream): DigestName[] => [
  ...new Set([...bevies.values()].flatMap(({ hashes }) => [...hashes.keys()])),
]
