import type { DeletedLink } from '../../formats/ntfs/deleted.js'
import { type DeletedLinks, readDeletedLinks } from '../../formats/ntfs/deleted-links.js'
import { isDirectory, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileReference } from '../../formats/ntfs/file-reference.js'
import type { Finding } from '../../formats/ntfs/finding.js'
import { ORPHANS } from '../../formats/ntfs/path.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { walkTree } from '../../formats/ntfs/tree.js'
import { RECORD } from '../../formats/ntfs/volume.js'
import { type Export, exportFile, lose } from './export-file.js'

/** Deleted files stand apart: what is there now may have their names. */
export const DELETED = '$Deleted'

/**
 * Writes a file, or a directory and all below it.
 * @param path its names from the root of the volume on
 * @param deleted gives what is no longer in use below directories; undefined: that is left out
 */
export async function exportTree(
  to: Export,
  top: NtfsFile,
  path: readonly string[],
  deleted: (() => Promise<DeletedLinks>) | undefined,
): Promise<void> {
  const passed = new Set<number>()
  if (!isInUse(top.base)) {
    const links = isDirectory(top) ? await (deleted ?? (() => readDeletedLinks(to.volume)))() : undefined
    await exportDeleted(to, top.reference, [DELETED, ...path], links, passed)
    return
  }
  const links = isDirectory(top) ? await deleted?.() : undefined
  await exportFile(to, top, path)
  if (!isDirectory(top)) return
  await exportDeletedIn(to, top, path, links, passed)
  const report = (finding: Finding) => {
    to.lost()
    to.volume.report(finding)
  }
  for await (const batch of walkTree({ ...to.volume, report }, top))
    for (const entry of batch.entries) {
      const names = [...path, ...batch.path, entry.name]
      const file = await openFile(to, entry, names)
      if (!file) continue
      await exportFile(to, file, names)
      if (isDirectory(file)) await exportDeletedIn(to, file, names, links, passed)
    }
  if (top.reference.record !== RECORD.ROOT || !links) return
  for await (const link of links.orphans())
    await exportDeleted(to, link, [DELETED, ORPHANS, link.fileName.name], links, passed)
}

/** What a directory in use held once. */
async function exportDeletedIn(
  to: Export,
  directory: NtfsFile,
  path: readonly string[],
  links: DeletedLinks | undefined,
  passed: Set<number>,
): Promise<void> {
  if (!links) return
  for await (const link of links.children(directory.base))
    await exportDeleted(to, link, [DELETED, ...path, link.fileName.name], links, passed)
}

/**
 * Writes a deleted file, or a deleted directory and all that was below it.
 * @param passed directories that have been written: of deleted ones a circle is easily made
 */
async function exportDeleted(
  to: Export,
  top: FileReference,
  path: readonly string[],
  links: DeletedLinks | undefined,
  passed: Set<number>,
): Promise<void> {
  const waiting: { reference: FileReference; names: readonly string[] }[] = [{ reference: top, names: path }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { reference, names } = next
    const file = await openFile(to, reference, names)
    if (!file) continue
    await exportFile(to, file, names)
    if (!links || !isDirectory(file) || passed.has(reference.record)) continue
    passed.add(reference.record)
    for await (const link of links.children(file.base)) waiting.push(below(names, link))
  }
}

const below = (names: readonly string[], { record, sequence, fileName }: DeletedLink) => ({
  reference: { record, sequence },
  names: [...names, fileName.name],
})

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
