import { ATTRIBUTE } from './attribute-type.js'
import { findAttribute } from './file.js'
import { NtfsError } from './finding.js'
import type { ClusterRun } from './runs.js'
import { clustersOf, type NtfsVolume, RECORD } from './volume.js'

export interface ClusterUse {
  /** Clusters of runs, holes not counted. */
  readonly clusters: number
  /** Those of them that $Bitmap says are in use: of a deleted file, by another one. */
  readonly inUse: number
}

/** Bytes of $Bitmap that are looked at together. */
const PIECE_SIZE = 1 << 20

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0
  for (let rest = byte; rest > 0; rest >>>= 1) bits += rest & 1
  return bits
})

/**
 * Asks $Bitmap for the clusters of runs, until they claim more than the volume has. Of a deleted file, clusters in use have likely been overwritten.
 * @throws {NtfsError} when $Bitmap cannot be read
 */
export async function clusterUse(volume: NtfsVolume, runs: Iterable<ClusterRun>): Promise<ClusterUse> {
  const attribute = findAttribute(await volume.file(RECORD.BITMAP), ATTRIBUTE.DATA)
  if (!attribute) throw new NtfsError('$Bitmap has no $DATA')
  const bitmap = volume.stream(attribute, '$Bitmap')
  const clusterCount = Math.min(clustersOf(volume), Number(bitmap.size) * 8)
  let clusters = 0
  let inUse = 0
  for (const { lcn, length } of runs) {
    if (lcn === undefined) continue
    clusters += length
    if (clusters > volume.geometry.clusterCount) continue
    const end = Math.min(lcn + length, clusterCount)
    for (let from = lcn; from < end; ) {
      const begin = Math.floor(from / 8)
      const bytes = await bitmap.read(BigInt(begin), Math.min(PIECE_SIZE, Math.ceil(end / 8) - begin))
      const to = Math.min(end, (begin + bytes.length) * 8)
      if (to <= from) break
      inUse += countBits(bytes, from - begin * 8, to - begin * 8)
      from = to
    }
  }
  return { clusters, inUse }
}

/** Bits that are set, counted from the lowest of the first byte. */
function countBits(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  let at = from
  while (at < to && at % 8 !== 0) count += (bytes[at >>> 3]! >>> (at++ & 7)) & 1
  for (; at + 8 <= to; at += 8) count += BITS[bytes[at >>> 3]!]!
  while (at < to) count += (bytes[at >>> 3]! >>> (at++ & 7)) & 1
  return count
}
