import { type DirectoryEntry, findEntries, openDirectory } from '../../formats/ntfs/directory.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import { FILE_FLAG } from '../../formats/ntfs/file-flags.js'
import { type FileName, links, preferredName } from '../../formats/ntfs/file-name.js'
import { NtfsError } from '../../formats/ntfs/finding.js'
import { createPathFinder, formatPath, namesOf } from '../../formats/ntfs/parent-path.js'
import { isInUse } from '../../formats/ntfs/record.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** Where a file hangs, with a slash at its end, and its entry there. */
export interface FileEntry {
  readonly folder: string
  readonly entry: DirectoryEntry
}

/**
 * The entry of a file in its directory; where that has none, what the record itself says.
 * @param called the name that it was asked for by
 * @throws {NtfsError} when the file has no name
 */
export async function findFileEntry(
  volume: NtfsVolume,
  file: NtfsFile,
  called: string | undefined,
): Promise<FileEntry> {
  const names = links(namesOf(file))
  const name = names.find(({ name }) => name === called) ?? preferredName(names)
  if (!name) throw new NtfsError(`record ${file.reference.record} has no name`)
  const path = formatPath(await createPathFinder(volume)(name))
  return {
    folder: path.slice(0, path.length - name.name.length),
    entry: (await entryInDirectory(volume, file, name)) ?? entryOfRecord(file, name),
  }
}

async function entryInDirectory(
  volume: NtfsVolume,
  { reference, base }: NtfsFile,
  { parent, name }: FileName,
): Promise<DirectoryEntry | undefined> {
  if (!isInUse(base)) return undefined
  try {
    const directory = openDirectory(volume, await volume.file(parent))
    const entries = await findEntries(directory, name)
    return entries.find((entry) => entry.record === reference.record && entry.name === name)
  } catch {
    return undefined
  }
}

const entryOfRecord = ({ reference, base }: NtfsFile, fileName: FileName): DirectoryEntry => ({
  ...reference,
  name: fileName.name,
  namespace: fileName.namespace,
  isDirectory: (fileName.flags & FILE_FLAG.HAS_FILE_NAME_INDEX) !== 0,
  source: isInUse(base) ? 'record' : 'deleted',
  fileName: () => fileName,
})

/** Of a directory: from the root on. */
export async function pathOfFile(volume: NtfsVolume, file: NtfsFile): Promise<string> {
  const name = preferredName(namesOf(file))
  return name ? formatPath(await createPathFinder(volume)(name)) : String(file.reference.record)
}
