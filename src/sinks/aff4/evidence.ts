import type { WritableCodec } from '../../codecs/codec-error.js'
import type { Run } from '../../formats/address-space.js'
import { DEFAULT_CHUNK_SIZE, LARGEST_CHUNK_SIZE } from '../../formats/aff4/image-stream.js'
import type { ImageStreamWriter } from '../../formats/aff4/image-stream-writer.js'
import { aff4, type DigestName, iri, pmem, text } from '../../formats/aff4/lexicon.js'
import { MAP_ENTRY_SIZE } from '../../formats/aff4/map.js'
import type { MapWriter } from '../../formats/aff4/map-writer.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import type { Bytes } from '../../formats/byte-source.js'
import { formatAddress, parseAddress } from '../../frames/address.js'
import { checkCrc, chunkContent } from '../../frames/chunk-content.js'
import { eachChunk, isRun, type RunFrame, splitRun } from '../../frames/chunk-run.js'
import type { DataFrame, FillFrame, StreamBody } from '../../frames/frame.js'
import { announcedRuns } from '../../frames/streams.js'
import type { Place } from './stored-blocks.js'

/** More ranges than any memory has; they stand in the turtle. */
const MOST_ANNOUNCED = 1000

/** The bytes of one stream on their way into a volume: an object, the map that is its data, and chunks. */
export interface Evidence {
  readonly urn: string
  readonly map: MapWriter
  /** What `settle` adds to the map at most, in bytes. */
  readonly settleBytes: number
  data(frame: DataFrame): void | Promise<void>
  fill(frame: FillFrame): void
  /** Where in the volume the bytes of the last DATA begin. */
  readonly place: Place | undefined
  /** A range whose bytes are in the volume already. */
  point(offset: bigint, length: bigint, place: Place): void
  /**
   * Makes the map one that can be written; nothing comes any more.
   * @param complete what was announced and did not come reads as unknown when false
   * @param lost what came and could not be written: it reads as unknown, too
   * @returns ranges that came twice: the one that begins first is kept
   */
  settle(complete: boolean, lost?: readonly Run[]): Run[]
  close(): Promise<void>
}

/**
 * @param flushed told after each bevy that is in the volume
 * @param place.file the URN of a file whose map is the file itself (AFF4-L), instead of an image that has one
 * @param place.image the URN of an image that is there, and gets another map
 */
export function openEvidence(
  volume: VolumeWriter,
  body: StreamBody,
  blockHashes: readonly DigestName[],
  flushed: () => void,
  { file, image = volume.freshUrn() }: { file?: string; image?: string } = {},
): Evidence {
  const urn = file ?? image
  const map = volume.map(file === undefined ? { image } : { urn })
  const announced = announcedRuns(body) ?? []
  const size = body.size === undefined ? 0n : parseAddress(body.size)
  const given = body.chunkSize
  const chunked = given !== undefined && given <= LARGEST_CHUNK_SIZE
  const chunkSize = chunked ? given : DEFAULT_CHUNK_SIZE
  let stream: ImageStreamWriter | undefined
  let place: Place | undefined
  // In the volume before anything comes: should it be cut, they tell what is missing.
  for (const { start, length } of announced.slice(0, MOST_ANNOUNCED))
    volume.graph.add(urn, pmem('announcedRange'), text(`${formatAddress(start)}+${formatAddress(length)}`))

  function open(): ImageStreamWriter {
    stream ??= volume.imageStream({ chunkSize, blockHashes }, map)
    return stream
  }

  async function flushBefore(into: ImageStreamWriter, next: () => void | Promise<void>): Promise<void> {
    await into.flush()
    flushed()
    await next()
  }

  /** Chunks that came together: as they are where they fit, else one by one. */
  function run(frame: RunFrame): void | Promise<void> {
    const into = open()
    const { codec, offset, length, chunks } = frame
    const fits = codec !== 'none' && codec !== 'deflate' && (into.codec ?? codec) === codec
    if (!fits || chunks.size !== into.chunkSize || blockHashes.length > 0) return each(eachChunk(frame))
    into.pad()
    if (into.room === 0) return flushBefore(into, () => run(frame))
    if (into.room < chunks.lengths.length) {
      const [first, second] = splitRun(frame, into.room)
      void run(first)
      return run(second)
    }
    const targetOffset = into.addRun(codec, frame.payload, chunks)
    place = { target: into.urn, offset: targetOffset }
    map.add({ offset, length, targetOffset, target: into.urn })
  }

  async function each(frames: Iterable<DataFrame>): Promise<void> {
    for (const frame of frames) await data(frame)
  }

  function data(frame: DataFrame): void | Promise<void> {
    if (isRun(frame)) return run(frame)
    const into = open()
    const { offset, length } = frame
    const codec = codecOfChunk(frame, into)
    if (!codec) {
      place = { target: into.urn, offset: into.position }
      return append(into, offset, chunkContent(frame, given))
    }
    into.pad()
    if (into.full) return flushBefore(into, () => data(frame))
    checkCrc(frame)
    const targetOffset = into.add(codec, frame.payload, () =>
      whole(chunkContent(frame, chunkSize), chunkSize),
    )
    place = { target: into.urn, offset: targetOffset }
    map.add({ offset, length, targetOffset, target: into.urn })
  }

  /** The codec of a payload that can stand in the stream as it is; others go in raw, over the borders of chunks. */
  function codecOfChunk(frame: DataFrame, into: ImageStreamWriter): WritableCodec | undefined {
    const { codec, length, padded, payload } = frame
    if (codec === 'none' || codec === 'deflate' || (into.codec ?? codec) !== codec) return undefined
    const whole = chunked && (padded || length === BigInt(chunkSize))
    // A longer one would pass for a raw chunk.
    return whole && payload.length < chunkSize ? codec : undefined
  }

  function append(into: ImageStreamWriter, offset: bigint, bytes: Bytes): void | Promise<void> {
    const targetOffset = into.position
    const taken = into.append(bytes)
    map.add({ offset, length: BigInt(taken), targetOffset, target: into.urn })
    if (taken === bytes.length) return
    return flushBefore(into, () => append(into, offset + BigInt(taken), bytes.subarray(taken)))
  }

  return {
    urn,
    map,
    get settleBytes() {
      return (map.entryCount + announced.length + 1) * 2 * MAP_ENTRY_SIZE
    },
    get place() {
      return place
    },
    point(at, length, { target, offset }) {
      map.add({ offset: at, length, targetOffset: offset, target })
      volume.graph.add(map.urn, aff4('dependentStream'), iri(target))
    },
    data,
    fill({ offset, length, fill, value }) {
      map.addSymbolic(offset, length, fill === 'byte' ? (value ?? 0) : fill)
    },
    settle(complete, lost = []) {
      const twice = map.settleOverlaps()
      if (!complete) map.cover(announced, 'unknown')
      map.cover(lost, 'unknown')
      // Readers take the end of the last entry for the size of the map.
      if (size > map.size) map.addSymbolic(map.size, size - map.size, complete ? 'zero' : 'unknown')
      return twice
    },
    async close() {
      await map.close()
      flushed()
    },
  }
}

/** A chunk with its padding. */
function whole(content: Bytes, chunkSize: number): Bytes {
  if (content.length === chunkSize) return content
  const padded = Buffer.alloc(chunkSize)
  padded.set(content)
  return padded
}
