import { ATTRIBUTE_FLAG } from '../../formats/ntfs/attribute.js'
import { attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import { type ClusterUse, clusterUse } from '../../formats/ntfs/cluster-use.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { isInUse } from '../../formats/ntfs/record.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** A row of the attribute table. */
export interface AttributeFacts {
  /** What ntfs-cat and ntfs-dump take for it: RECORD-TYPE-ID. */
  readonly address: string
  readonly type: number
  readonly typeName: string
  readonly id: number
  /** That holds its first extent. */
  readonly record: number
  readonly name: string
  readonly resident: boolean
  readonly indexed: boolean
  readonly flags: readonly string[]
  /** Bytes. */
  readonly size: bigint
  readonly allocated: bigint
  readonly initialised: bigint
  /** Of compressed and sparse ones: bytes that have clusters. */
  readonly totalAllocated?: bigint
  /** Clusters; 0: not compressed. */
  readonly compressionUnit: number
  readonly extents: readonly ExtentFacts[]
  /** Of a file that is no longer in use: how many of its clusters another one uses. */
  readonly reused?: ClusterUse
}

interface ExtentFacts {
  readonly record: number
  readonly id: number
  readonly lowestVcn: number
  /** As its header states it. */
  readonly highestVcn: number
  readonly runs: number
}

const FLAGS = [
  [ATTRIBUTE_FLAG.COMPRESSED, 'compressed'],
  [ATTRIBUTE_FLAG.ENCRYPTED, 'encrypted'],
  [ATTRIBUTE_FLAG.SPARSE, 'sparse'],
] as const

export async function attributeFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  attribute: FileAttribute,
  complain: (what: string) => void,
): Promise<AttributeFacts> {
  const { type, id, record, name, value, indexed, flags, sizes, compressionUnit, extents } = attribute
  const outside = countOutside(attribute, volume.geometry.clusterCount)
  if (outside > 0)
    complain(`${attributeTypeName(type)}${name && `:${name}`}: ${outside} of its runs leave the volume`)
  return {
    address: `${file.reference.record}-${type}-${id}`,
    type,
    typeName: attributeTypeName(type),
    id,
    record,
    name,
    resident: value !== undefined,
    indexed,
    flags: FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word),
    size: sizes.data,
    allocated: sizes.allocated,
    initialised: sizes.initialised,
    ...(sizes.totalAllocated !== undefined && { totalAllocated: sizes.totalAllocated }),
    compressionUnit,
    extents: extents.map((extent) => ({
      record: extent.record,
      id: extent.attribute.id,
      lowestVcn: extent.attribute.lowestVcn,
      highestVcn: extent.attribute.highestVcn,
      runs: extent.attribute.runs.length,
    })),
    ...(value === undefined && !isInUse(file.base) && (await reuse(volume, attribute, complain))),
  }
}

function countOutside({ runs }: FileAttribute, clusterCount: number): number {
  let count = 0
  for (const { lcn, length } of runs) if (lcn !== undefined && lcn + length > clusterCount) count++
  return count
}

async function reuse(
  volume: NtfsVolume,
  { runs }: FileAttribute,
  complain: (what: string) => void,
): Promise<{ reused?: ClusterUse }> {
  try {
    return { reused: await clusterUse(volume, runs) }
  } catch (error) {
    complain(`which of its clusters are in use is not known: ${(error as Error).message}`)
    return {}
  }
}
