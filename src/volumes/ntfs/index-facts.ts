import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import { carveDirectory } from '../../formats/ntfs/directory-slack.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import { NAME_INDEX, openFileIndex } from '../../formats/ntfs/file-index.js'
import { type IndexShape, measureIndex } from '../../formats/ntfs/index-shape.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

export interface IndexFacts extends IndexShape {
  readonly name: string
  /** Old entries that no longer count; undefined: none of an index of names. */
  readonly slackEntries?: number
}

/** Every index of a file: names of a directory, or views like $SII of $Secure. */
export async function indexFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<IndexFacts[]> {
  const found: IndexFacts[] = []
  for (const { type, name } of file.attributes) {
    if (type !== ATTRIBUTE.INDEX_ROOT) continue
    try {
      const index = openFileIndex(volume, file, name, ({ message }) => complain(message))
      const shape = await measureIndex(index)
      if (shape.unreached > 0) complain(`${index.name}: ${shape.unreached} blocks in use are not in the tree`)
      if (shape.reachedFree > 0)
        complain(`${index.name}: ${shape.reachedFree} blocks of the tree are free by its $BITMAP`)
      const slackEntries = name === NAME_INDEX ? await countSlack(volume, file) : undefined
      found.push({ name, ...shape, ...(slackEntries !== undefined && { slackEntries }) })
    } catch (error) {
      complain((error as Error).message)
    }
  }
  return found
}

async function countSlack(volume: NtfsVolume, file: NtfsFile): Promise<number> {
  let count = 0
  for await (const batch of carveDirectory(volume, file)) count += batch.filter(({ live }) => !live).length
  return count
}
