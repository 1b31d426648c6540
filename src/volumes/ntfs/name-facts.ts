import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import { FILE_FLAG, fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { decodeFileName, type FileName, namespaceName } from '../../formats/ntfs/file-name.js'
import type { FileReference } from '../../formats/ntfs/file-reference.js'
import { findParentEntry } from '../../formats/ntfs/parent-entry.js'
import { reparseTagName } from '../../formats/ntfs/reparse-point.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'
import type { Decode } from './decode-value.js'
import { type Times, timeFacts } from './time-facts.js'

export interface NameFacts extends Times {
  readonly name: string
  readonly namespace: string
  readonly parent: FileReference
  readonly allocated: bigint
  readonly size: bigint
  readonly flags: readonly string[]
  readonly reparseTag?: string
  readonly eaSize?: number
}

/** An entry of the parent's index has times of its own. */
export interface EntryFacts extends NameFacts {
  readonly source: 'index' | 'slack'
}

/** A name of a file, and the entry of its parent's index for it. */
export interface LinkFacts extends NameFacts {
  readonly entry: EntryFacts | null
}

/** All names of a file. What cannot be read is complained about and left out. */
export async function linkFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  decode: Decode,
  complain: (what: string) => void,
): Promise<LinkFacts[]> {
  const names: LinkFacts[] = []
  for (const attribute of file.attributes) {
    if (attribute.type !== ATTRIBUTE.FILE_NAME) continue
    const fileName = await decode(attribute, decodeFileName)
    if (fileName)
      names.push({ ...nameFacts(fileName), entry: await entryFacts(volume, file, fileName, complain) })
  }
  return names
}

async function entryFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  fileName: FileName,
  complain: (what: string) => void,
): Promise<EntryFacts | null> {
  if (file.base.base) return null
  try {
    const found = await findParentEntry(volume, file, fileName)
    return found ? { ...nameFacts(found.fileName), source: found.source } : null
  } catch (error) {
    complain(`the index of its parent, record ${fileName.parent.record}: ${(error as Error).message}`)
    return null
  }
}

function nameFacts({
  name,
  namespace,
  parent,
  times,
  allocated,
  size,
  flags,
  tagOrEaSize,
}: FileName): NameFacts {
  const isReparsePoint = (flags & FILE_FLAG.REPARSE_POINT) !== 0
  return {
    name,
    namespace: namespaceName(namespace),
    parent,
    ...timeFacts(times),
    allocated,
    size,
    flags: fileFlagNames(flags),
    ...(isReparsePoint && { reparseTag: reparseTagName(tagOrEaSize) }),
    ...(!isReparsePoint && tagOrEaSize !== 0 && { eaSize: tagOrEaSize }),
  }
}
