import { type DeletedLink, scanDeleted } from './deleted.js'
import { links } from './file-name.js'
import type { FileReference } from './file-reference.js'
import { collectLinks } from './link-pairs.js'
import { findLost } from './lost.js'
import { matchParent, namesOf } from './parent-path.js'
import { isInUse, type MftRecord } from './record.js'
import type { NtfsVolume } from './volume.js'

/** Who hung below whom among the files that are no longer in use, and what hangs nowhere. Names are read again when asked for. */
export interface DeletedLinks {
  readonly count: number
  /** Those that hung in a directory, in use or deleted itself. */
  children(directory: MftRecord): AsyncGenerator<DeletedLink>
  /** Those whose directory has been given to another file, or is none. */
  orphans(): AsyncGenerator<DeletedLink>
  /** Files in use that no directory lists; those below them left out. Lists the whole volume when first asked. */
  lost(): AsyncGenerator<DeletedLink>
}

/** Scans $MFT for all links of deleted files. */
export async function readDeletedLinks(volume: NtfsVolume): Promise<DeletedLinks> {
  const collector = collectLinks(volume.report)
  for await (const batch of scanDeleted(volume))
    for (const { record, fileName } of batch) collector.add(fileName.parent.record, record)
  const pairs = collector.end()

  let lost: Promise<readonly number[]> | undefined

  async function* linksOf(
    child: number,
    inUse: boolean,
    wanted: (parent: FileReference) => boolean = () => true,
  ): AsyncGenerator<DeletedLink> {
    const file = await volume.file(child).catch(() => undefined)
    if (!file || isInUse(file.base) !== inUse) return
    for (const fileName of links(namesOf(file)))
      if (wanted(fileName.parent)) yield { record: child, sequence: file.reference.sequence, fileName }
  }

  return {
    count: pairs.count,
    async *children(directory) {
      const isChild = (reference: FileReference) =>
        reference.record === directory.number && matchParent(directory, reference) !== undefined
      for (const child of pairs.childrenOf(directory.number)) yield* linksOf(child, false, isChild)
    },
    async *orphans() {
      for (const parent of pairs.parents()) {
        const record = await volume.record(parent).catch(() => undefined)
        const isOrphan = (reference: FileReference) =>
          reference.record === parent && !(record && matchParent(record, reference))
        for (const child of pairs.childrenOf(parent)) yield* linksOf(child, false, isOrphan)
      }
    },
    async *lost() {
      lost ??= findLost(volume)
      for (const record of await lost) yield* linksOf(record, true)
    },
  }
}
