import type { ByteSource } from '../byte-source.js'
import { formatFiletime } from './filetime.js'
import { findVolume } from './find-volume.js'
import { NtfsError, type Report } from './finding.js'
import { type NtfsVolume, openVolume } from './volume.js'

export interface VolumeChoice {
  /** Where the volume begins, in bytes; undefined: it is found. */
  readonly offset?: bigint | undefined
  /** Which of its shadow copies, 1 the oldest; undefined: the volume as it is now. */
  readonly snapshot?: number | undefined
}

/**
 * Opens the NTFS volume of an image, or one of its shadow copies. Closing it closes the image.
 * @throws {NtfsError} when there is none, or not the one that was chosen
 */
export async function openNtfs(image: ByteSource, choice: VolumeChoice, report: Report): Promise<NtfsVolume> {
  const { source } = await findVolume(image, choice.offset, report)
  if (choice.snapshot === undefined) return openVolume(source, report)
  const { listShadowCopies } = await import('./shadow-copies/shadow-copies.js')
  const copies = await listShadowCopies(source, report)
  const copy = copies.find(({ index }) => index === choice.snapshot)
  if (!copy)
    throw new NtfsError(
      `${image.name}: no shadow copy ${choice.snapshot}`,
      undefined,
      copies.length === 0
        ? 'the volume has none'
        : `there are: ${copies.map(({ index, created }) => `${index} of ${formatFiletime(created)}`).join(', ')}`,
    )
  const shadow = copy.open()
  return openVolume({ ...shadow, close: () => source.close() }, report)
}
