import { type DirectoryEntry, listDirectory, openDirectory } from './directory.js'
import type { NtfsFile } from './file.js'
import type { FileReference } from './file-reference.js'
import type { NtfsVolume } from './volume.js'

/** Entries of one directory, and its names from where the walk began. */
export interface TreeBatch {
  readonly path: readonly string[]
  readonly directory: FileReference
  readonly entries: readonly DirectoryEntry[]
}

interface Waiting {
  readonly path: readonly string[]
  readonly reference: FileReference
}

/**
 * A directory and all below it, each directory before those in it. Links to directories are not followed, `.` is left
 * out; a directory that stands in several is listed once, a circle ends, and what cannot be opened is reported.
 */
export async function* walkTree(volume: NtfsVolume, top: NtfsFile): AsyncGenerator<TreeBatch> {
  const waiting: Waiting[] = [{ path: [], reference: top.reference }]
  const listed = new Set<number>()
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { path, reference } = next
    const complain = (what: string) =>
      volume.report({ message: `${path.join('/')}: ${what}`, record: reference.record })
    if (listed.has(reference.record)) {
      complain(`the directory with record ${reference.record} has been listed elsewhere`)
      continue
    }
    listed.add(reference.record)
    const below: Waiting[] = []
    try {
      const directory = openDirectory(volume, await volume.file(reference))
      for await (const batch of listDirectory(directory)) {
        const entries = batch.filter(({ name }) => name !== '.')
        yield { path, directory: directory.reference, entries }
        for (const entry of entries)
          if (entry.isDirectory) below.push({ path: [...path, entry.name], reference: entry })
      }
    } catch (error) {
      complain((error as Error).message)
    }
    while (below.length > 0) waiting.push(below.pop()!)
  }
}
