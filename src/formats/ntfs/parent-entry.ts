import { findEntries, openDirectory, searchEntries } from './directory.js'
import { carveDirectory } from './directory-slack.js'
import type { NtfsFile } from './file.js'
import type { FileName } from './file-name.js'
import { matchParent } from './parent-path.js'
import { isInUse } from './record.js'
import type { NtfsVolume } from './volume.js'

/** What the directory of a name holds of it: times and sizes of its own, which differ from those of the file. */
export interface ParentEntry {
  readonly fileName: FileName
  /** In a node of its index; or in the slack of that, where old entries stand. */
  readonly source: 'index' | 'slack'
}

/**
 * Finds the entry of a name in the $I30 of its parent.
 * @returns undefined when there is none, or its parent is another file by now
 * @throws {NtfsError} when the record of the parent cannot be used
 */
export async function findParentEntry(
  volume: NtfsVolume,
  file: NtfsFile,
  { parent, name }: FileName,
): Promise<ParentEntry | undefined> {
  const directory = await volume.file(parent.record)
  if (!matchParent(directory.base, parent)) return undefined
  const { record } = file.reference
  if (isInUse(file.base)) {
    const index = openDirectory(volume, directory)
    const isWanted = (entry: { record: number; name: string; source: string }) =>
      entry.record === record && entry.name === name && entry.source !== 'record'
    const entry =
      (await findEntries(index, name)).find(isWanted) ?? (await searchEntries(index, name)).find(isWanted)
    return entry && { fileName: entry.fileName(), source: 'index' }
  }
  for await (const batch of carveDirectory(volume, directory))
    for (const { fileName, reference, headerIntact } of batch)
      if (fileName.name === name && headerIntact && reference.record === record)
        return { fileName, source: 'slack' }
  return undefined
}
