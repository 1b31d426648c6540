import { min } from '../min-max.js'
import { ATTRIBUTE } from './attribute-type.js'
import { findAttribute, type NtfsFile } from './file.js'
import { NtfsError, type Report } from './finding.js'
import { type ByteRange, type NtfsIndex, openIndex } from './index.js'
import type { ClusterRun } from './runs.js'
import { clustersOf, type NtfsVolume } from './volume.js'

/** The index of names that makes a file a directory. */
export const NAME_INDEX = '$I30'

/**
 * Opens an index of a file: its names, or a view like $SII of $Secure.
 * @throws {NtfsError} when the file has none of that name, or its root cannot be used
 */
export function openFileIndex(
  volume: NtfsVolume,
  file: NtfsFile,
  name: string,
  report: Report = volume.report,
): NtfsIndex {
  const { record } = file.reference
  const title = `${name} of record ${record}`
  const root = findAttribute(file, ATTRIBUTE.INDEX_ROOT, name)
  if (!root) throw new NtfsError(`there is no $INDEX_ROOT of ${title}`)
  if (!root.value) throw new NtfsError(`the $INDEX_ROOT of ${title} is not in its record`)
  const { clusterSize, indexBlockSize } = volume.geometry
  const open = (type: number) => {
    const attribute = findAttribute(file, type, name)
    if (!attribute) return undefined
    const { data } = attribute.sizes
    // No block lies behind the last run, whatever the size claims.
    const mapped = attribute.value ? data : BigInt(attribute.endVcn) * BigInt(clusterSize)
    const sizes = { ...attribute.sizes, data: min(data, mapped) }
    return volume.stream({ ...attribute, sizes }, title)
  }
  const blocks = findAttribute(file, ATTRIBUTE.INDEX_ALLOCATION, name)
  return openIndex({
    name: title,
    root: root.value,
    allocation: open(ATTRIBUTE.INDEX_ALLOCATION),
    bitmap: open(ATTRIBUTE.BITMAP),
    stored: blocks && storedRanges(blocks.runs, clusterSize, clustersOf(volume)),
    clusterSize,
    blockSize: indexBlockSize,
    report: (finding) => report({ ...finding, record }),
  })
}

/** Where a stream lies inside the volume: elsewhere no size and no run is to be believed. */
const storedRanges = (runs: readonly ClusterRun[], clusterSize: number, clusterCount: number): ByteRange[] =>
  runs
    .filter(({ lcn }) => lcn !== undefined && lcn < clusterCount)
    .map(({ vcn, lcn, length }) => ({
      start: vcn * clusterSize,
      end: (vcn + Math.min(length, clusterCount - lcn!)) * clusterSize,
    }))
