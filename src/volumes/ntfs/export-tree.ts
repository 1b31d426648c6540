import { type DeletedLinks, readDeletedLinks } from '../../formats/ntfs/deleted-links.js'
import { isDirectory, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileReference } from '../../formats/ntfs/file-reference.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { type TreeBatch, walkOrphans, walkTree } from '../../formats/ntfs/tree.js'
import { RECORD } from '../../formats/ntfs/volume.js'
import { type Export, lose } from './export.js'
import { exportFile } from './export-file.js'

/** Characters of a path: of longer ones hardly anything can be written. */
const LONGEST = 8192

/**
 * Writes a file, or a directory and all below it.
 * @param path its names from the root of the volume on
 * @param deleted gives what is no longer in use below directories; undefined: that is left out below those in use
 */
export async function exportTree(
  to: Export,
  top: NtfsFile,
  path: readonly string[],
  deleted: (() => Promise<DeletedLinks>) | undefined,
): Promise<void> {
  await exportFile(to, top, path)
  if (!isDirectory(top)) return
  const links = isInUse(top.base) ? await deleted?.() : await (deleted?.() ?? readDeletedLinks(to.volume))
  await exportAll(to, path, walkTree(to.volume, top, { deleted: links, longest: LONGEST }))
  if (top.reference.record === RECORD.ROOT && links) await exportOrphans(to, links)
}

/** Writes what hangs nowhere, deleted or in use, and all below it. */
export const exportOrphans = (to: Export, links: DeletedLinks): Promise<void> =>
  exportAll(to, [], walkOrphans(to.volume, links))

async function exportAll(
  to: Export,
  path: readonly string[],
  batches: AsyncIterable<TreeBatch>,
): Promise<void> {
  for await (const { path: below, entries, end } of batches) {
    if (end && !end.whole) to.lost()
    for (const entry of entries) {
      const names = [...path, ...below, entry.name]
      const file = await openFile(to, entry, names)
      if (file) await exportFile(to, file, names)
    }
  }
}

async function openFile(
  to: Export,
  reference: FileReference,
  names: readonly string[],
): Promise<NtfsFile | undefined> {
  try {
    return await to.volume.file(reference)
  } catch (error) {
    lose(to, names.join('/'), error)
    return undefined
  }
}
