import type { ByteSource } from '../byte-source.js'
import { formatFiletime } from './filetime.js'
import { findVolume } from './find-volume.js'
import { NtfsError, type Report } from './finding.js'
import type { ShadowCopy } from './shadow-copies/shadow-copies.js'
import { type NtfsVolume, openVolume } from './volume.js'

export interface VolumeChoice {
  /** Where the volume begins, in bytes; undefined: it is found. */
  readonly offset?: bigint | undefined
  /** Which of its shadow copies, 1 the oldest; undefined: the volume as it is now. */
  readonly snapshot?: number | undefined
}

export interface OpenedVolume extends NtfsVolume {
  /** Where the volume begins in the image, in bytes. */
  readonly offset: bigint
  /** Which of its shadow copies this is; undefined: the volume as it is now. */
  readonly snapshot: number | undefined
  /** The shadow copies of the volume as it is now. */
  shadowCopies(): Promise<readonly ShadowCopy[]>
}

/**
 * Opens the NTFS volume of an image, or one of its shadow copies. Closing it closes the image.
 * @throws {NtfsError} when there is none, or not the one that was chosen
 */
export async function openNtfs(
  image: ByteSource,
  choice: VolumeChoice,
  report: Report,
): Promise<OpenedVolume> {
  const { source, offset } = await findVolume(image, choice.offset, report)
  const { snapshot } = choice
  let complained = false
  const shadowCopies = async () => {
    const { listShadowCopies } = await import('./shadow-copies/shadow-copies.js')
    return listShadowCopies(source, (finding) => {
      complained = true
      report(finding)
    })
  }
  if (snapshot === undefined) return { ...(await openVolume(source, report)), offset, snapshot, shadowCopies }
  const copies = await shadowCopies()
  const copy = copies.find(({ index }) => index === snapshot)
  if (!copy)
    throw new NtfsError(
      `${image.name}: no shadow copy ${snapshot}`,
      undefined,
      whichThereAre(copies, complained),
    )
  const shadow = copy.open()
  const volume = await openVolume({ ...shadow, close: () => source.close() }, report)
  return { ...volume, offset, snapshot, shadowCopies: async () => copies }
}

function whichThereAre(copies: readonly ShadowCopy[], complained: boolean): string {
  if (copies.length > 0)
    return `there are: ${copies.map(({ index, created }) => `${index} of ${formatFiletime(created)}`).join(', ')}`
  return complained ? 'what the volume keeps of any cannot be read' : 'the volume has none'
}
