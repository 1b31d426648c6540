import type { ByteSource } from '../byte-source.js'
import { ATTRIBUTE } from './attribute-type.js'
import { findAttribute, type NtfsFile } from './file.js'
import type { FileAttribute } from './file-attribute.js'
import { NtfsError } from './finding.js'
import { decodeReparsePoint, LARGEST_REPARSE_POINT, REPARSE_TAG } from './reparse-point.js'
import type { Piece, Room } from './stream.js'
import { planStream } from './stream-plan.js'
import type { NtfsVolume } from './volume.js'
import { decodeWofReparseData, WOF_STREAM } from './wof/reparse-data.js'

/** What a program that opens a stream reads: decompressed, whoever compressed it. */
export interface Content extends ByteSource {
  pieces(start?: bigint, end?: bigint, room?: Room, ahead?: number): AsyncGenerator<Piece>
}

/**
 * Opens a stream of a file as programs see it. A file that WOF compressed has a hole for its unnamed stream and its bytes
 * in another; every other stream is as it stands.
 * @throws {NtfsError} when its bytes are not on this volume, or are said to be where they are not
 */
export async function openContent(
  volume: NtfsVolume,
  file: NtfsFile,
  attribute: FileAttribute,
): Promise<Content> {
  const stream = volume.stream(attribute)
  const isMain = attribute.type === ATTRIBUTE.DATA && attribute.name === ''
  const reparse = isMain ? findAttribute(file, ATTRIBUTE.REPARSE_POINT) : undefined
  if (!reparse || reparse.sizes.data === 0n) return stream
  const point = decodeReparsePoint(await volume.read(reparse, LARGEST_REPARSE_POINT))
  if (point.tag !== REPARSE_TAG.WOF) return stream
  const place = decodeWofReparseData(point.data)
  const compressed = findAttribute(file, ATTRIBUTE.DATA, WOF_STREAM)
  if (place.provider === 'wim')
    throw new NtfsError(
      `record ${file.reference.record}: its bytes are in a WIM file`,
      undefined,
      WHERE_IT_IS,
    )
  if (!compressed)
    throw new NtfsError(
      `record ${file.reference.record}: it says that WOF compressed it, and has no ${WOF_STREAM}`,
    )
  const { openWofContent } = await import('./wof/wof-stream.js')
  return openWofContent({
    compressed: volume.stream(compressed),
    size: attribute.sizes.data,
    algorithm: place.algorithm,
    nextStored: (offset) => nextStored(compressed, volume, offset),
  })
}

/** From an offset on the first byte that clusters, or the record, hold; the size where there is none. */
function nextStored(attribute: FileAttribute, { geometry }: NtfsVolume, offset: bigint): bigint {
  const { data } = attribute.sizes
  if (attribute.value) return offset
  for (const segment of planStream(attribute, geometry, offset, data))
    if (segment.kind === 'clusters' || segment.kind === 'unit') return segment.offset
  return data
}

const WHERE_IT_IS = 'ntfs-stat shows its reparse point'
