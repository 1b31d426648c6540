import type { Run } from '../../formats/address-space.js'
import { DEFAULT_CHUNK_SIZE } from '../../formats/aff4/image-stream.js'
import type { ImageStreamWriter } from '../../formats/aff4/image-stream-writer.js'
import type { DigestName } from '../../formats/aff4/lexicon.js'
import type { MapWriter } from '../../formats/aff4/map-writer.js'
import { freshUrn } from '../../formats/aff4/names.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import type { Bytes } from '../../formats/byte-source.js'
import { parseAddress } from '../../frames/address.js'
import { checkCrc, chunkContent } from '../../frames/chunk-content.js'
import type { DataFrame, FillFrame, StreamBody } from '../../frames/frame.js'

/** The bytes of one stream on their way into a volume: an object, the map that is its data, and chunks. */
export interface Evidence {
  readonly urn: string
  readonly map: MapWriter
  data(frame: DataFrame): void | Promise<void>
  fill(frame: FillFrame): void
  /** @param complete whether all of it came; what was announced and did not come reads as unknown */
  close(complete: boolean): Promise<void>
}

/**
 * @param flushed told after each bevy that is in the volume
 */
export function openEvidence(
  volume: VolumeWriter,
  body: StreamBody,
  blockHashes: readonly DigestName[],
  flushed: () => void,
): Evidence {
  const urn = freshUrn()
  const chunkSize = body.chunkSize ?? DEFAULT_CHUNK_SIZE
  const map = volume.map({ image: urn })
  let stream: ImageStreamWriter | undefined

  const open = () => (stream ??= volume.imageStream({ chunkSize, blockHashes }, map))

  async function flush(full: ImageStreamWriter): Promise<void> {
    await full.flush()
    flushed()
  }

  function data(frame: DataFrame): void | Promise<void> {
    const into = open()
    return into.full ? flush(into).then(() => place(into, frame)) : place(into, frame)
  }

  function place(into: ImageStreamWriter, frame: DataFrame): void | Promise<void> {
    const { codec, payload, offset, length } = frame
    if (codec === 'none') {
      checkCrc(frame)
      return append(into, offset, length, payload)
    }
    const fits = codec !== 'deflate' && (into.codec === undefined || into.codec === codec)
    // A chunk that cannot stay as it is goes in raw: the length in the index says so.
    if (!fits || payload.length >= chunkSize)
      return append(into, offset, length, chunkContent(frame, chunkSize))
    checkCrc(frame)
    const targetOffset = into.add(codec, payload, () => whole(chunkContent(frame, chunkSize), chunkSize))
    map.add({ offset, length, targetOffset, target: into.urn })
  }

  /** Raw bytes, padding included; only `length` of them are mapped. */
  function append(
    into: ImageStreamWriter,
    offset: bigint,
    length: bigint,
    bytes: Bytes,
  ): void | Promise<void> {
    const targetOffset = into.position
    const taken = into.append(bytes)
    const covered = BigInt(taken) < length ? BigInt(taken) : length
    map.add({ offset, length: covered, targetOffset, target: into.urn })
    if (taken === bytes.length) return
    return flush(into).then(() => append(into, offset + covered, length - covered, bytes.subarray(taken)))
  }

  return {
    urn,
    map,
    data,
    fill({ offset, length, fill, value }) {
      map.addSymbolic(offset, length, fill === 'byte' ? (value ?? 0) : fill)
    },
    async close(complete) {
      if (!complete) map.cover(announcedRuns(body), 'unknown')
      const size = body.size === undefined ? 0n : parseAddress(body.size)
      // Readers take the end of the last entry for the size of the map.
      if (size > map.size) map.addSymbolic(map.size, size - map.size, complete ? 'zero' : 'unknown')
      await stream?.close()
      await map.close()
      flushed()
    },
  }
}

function announcedRuns({ ranges = [] }: StreamBody): Run[] {
  return ranges.map(([start, length]) => ({ start: parseAddress(start), length: parseAddress(length) }))
}

/** A chunk with its padding. */
function whole(content: Bytes, chunkSize: number): Bytes {
  if (content.length === chunkSize) return content
  const padded = Buffer.alloc(chunkSize)
  padded.set(content)
  return padded
}
