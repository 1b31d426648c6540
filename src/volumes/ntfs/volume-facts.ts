import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import { findAttribute } from '../../formats/ntfs/file.js'
import { formatFiletime } from '../../formats/ntfs/filetime.js'
import type { OpenedVolume } from '../../formats/ntfs/open.js'
import { RECORD } from '../../formats/ntfs/volume.js'
import { decodeVolumeInformation, volumeFlagNames } from '../../formats/ntfs/volume-information.js'

/** What is told of a volume beside each of its files. */
export interface VolumeFacts {
  readonly serial: bigint
  /** undefined: record 3 does not say. */
  readonly label: string | undefined
  readonly version: string | undefined
  readonly flags: readonly string[] | undefined
  /** Of the volume in the image, in bytes. */
  readonly offset: bigint
  readonly size: bigint
  readonly sectorSize: number
  readonly clusterSize: number
  readonly clusters: number
  readonly recordSize: number
  readonly records: number
  /** Which shadow copy these facts are of; null: the volume as it is now. */
  readonly snapshot: number | null
  /** undefined: they cannot be listed. */
  readonly shadowCopies: readonly ShadowCopyFacts[] | undefined
}

interface ShadowCopyFacts {
  readonly index: number
  readonly id: string
  readonly created: string
  readonly size: bigint
  readonly offline: boolean
}

/** What cannot be read is complained about and undefined. */
export async function volumeFacts(
  volume: OpenedVolume,
  complain: (what: string) => void,
): Promise<VolumeFacts> {
  const { geometry, offset, snapshot = null, recordCount } = volume
  const { serial, volumeSize, sectorSize, clusterSize, clusterCount, recordSize } = geometry
  return {
    serial,
    ...(await named(volume, complain)),
    offset,
    size: volumeSize,
    sectorSize,
    clusterSize,
    clusters: clusterCount,
    recordSize,
    records: recordCount,
    snapshot,
    shadowCopies: await copiesOf(volume, complain),
  }
}

/** What stands in $Volume. */
async function named(
  volume: OpenedVolume,
  complain: (what: string) => void,
): Promise<Pick<VolumeFacts, 'label' | 'version' | 'flags'>> {
  try {
    const file = await volume.file(RECORD.VOLUME)
    const label = findAttribute(file, ATTRIBUTE.VOLUME_NAME)?.value?.toString('utf16le')
    const value = findAttribute(file, ATTRIBUTE.VOLUME_INFORMATION)?.value
    const information = value && decodeVolumeInformation(value)
    return {
      label,
      version: information && `${information.major}.${information.minor}`,
      flags: information && volumeFlagNames(information.flags),
    }
  } catch (error) {
    complain(`$Volume: ${(error as Error).message}`)
    return { label: undefined, version: undefined, flags: undefined }
  }
}

async function copiesOf(
  volume: OpenedVolume,
  complain: (what: string) => void,
): Promise<ShadowCopyFacts[] | undefined> {
  try {
    const copies = await volume.shadowCopies()
    return copies.map(({ index, id, created, size, offline }) => ({
      index,
      id,
      created: formatFiletime(created),
      size,
      offline,
    }))
  } catch (error) {
    complain(`the shadow copies cannot be listed: ${(error as Error).message}`)
    return undefined
  }
}
