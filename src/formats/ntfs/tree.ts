import type { DeletedLink } from './deleted.js'
import type { DeletedLinks } from './deleted-links.js'
import { type DirectoryEntry, listDirectory, openDirectory } from './directory.js'
import type { NtfsFile } from './file.js'
import { FILE_FLAG } from './file-flags.js'
import type { FileReference } from './file-reference.js'
import { LONGEST_PATH, ORPHANS, shownPath } from './path.js'
import { isInUse } from './record.js'
import { type NtfsVolume, RECORD } from './volume.js'

/** Entries of one directory, and its names from where the walk began. */
export interface TreeBatch {
  readonly path: readonly string[]
  readonly directory: FileReference
  readonly entries: readonly DirectoryEntry[]
  /**
   * With the last ones of a directory, of which there may be none: the directory, undefined where it cannot be opened,
   * and whether its index was whole.
   */
  readonly end?: { readonly file: NtfsFile | undefined; readonly whole: boolean }
}

export interface TreeChoice {
  /** Directories in directories as well: the default. */
  readonly recursive?: boolean
  /** Also what is no longer in use. */
  readonly deleted?: DeletedLinks | undefined
  /** Characters of a path, behind which no directory is listed: LONGEST_PATH unless given. */
  readonly longest?: number
}

/** Names of directories, the last one first; shared by what lies below it. */
interface Path {
  readonly name: string
  readonly above: Path | undefined
  /** Of all its names, each with a slash. */
  readonly length: number
}

const joinPath = (name: string, above: Path | undefined): Path => ({
  name,
  above,
  length: (above?.length ?? 0) + name.length + 1,
})

/** A directory to be listed: a volume may have a million of them in one. */
interface Waiting extends FileReference {
  readonly path: Path | undefined
  /** Whether an index leads to it: deletion takes a directory out of there. */
  readonly inTree: boolean
}

/** Deleted entries that are given together. */
const BATCH = 256

/**
 * A directory and all below it, each directory before those in it. Links to directories are not followed, `.` is left
 * out; a directory that stands in several is listed once, a circle ends, and what cannot be opened is reported.
 */
export async function* walkTree(
  volume: NtfsVolume,
  top: NtfsFile,
  choice: TreeChoice = {},
): AsyncGenerator<TreeBatch> {
  const inTree = top.reference.record === RECORD.ROOT
  yield* walk(volume, [{ ...top.reference, path: undefined, inTree }], choice)
}

/**
 * The deleted files whose directory is no more, those in use that no directory lists, and what lies below those that are
 * directories; all begin with `$Orphan`.
 */
export async function* walkOrphans(
  volume: NtfsVolume,
  deleted: DeletedLinks,
  recursive = true,
): AsyncGenerator<TreeBatch> {
  const path = joinPath(ORPHANS, undefined)
  const waiting: Waiting[] = []
  for (const source of ['deleted', 'lost'] as const)
    for await (const entries of inBatches(source === 'lost' ? deleted.lost() : deleted.orphans(), source)) {
      yield { path: [ORPHANS], directory: { record: 0, sequence: 0 }, entries }
      if (recursive) waiting.push(...directoriesOf(entries, path))
    }
  yield* walk(volume, waiting.reverse(), { deleted })
}

async function* walk(
  volume: NtfsVolume,
  waiting: Waiting[],
  { recursive = true, deleted, longest = LONGEST_PATH }: TreeChoice,
): AsyncGenerator<TreeBatch> {
  const listed = new Set<number>()
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { record, sequence } = next
    const path = namesOf(next.path)
    const complain = (what: string) =>
      volume.report({ message: `${shownPath(path) || 'the root'}: ${what}`, record })
    if ((next.path?.length ?? 0) > longest) {
      complain(
        `the path of the directory with record ${record} is longer than ${longest} characters; what it holds is not listed`,
      )
      yield { path, directory: { record, sequence }, entries: [], end: { file: undefined, whole: false } }
      continue
    }
    if (listed.has(record)) {
      complain(`the directory with record ${record} has been listed elsewhere`)
      continue
    }
    listed.add(record)
    const below: Waiting[] = []
    const keep = (entries: readonly DirectoryEntry[]) => {
      if (recursive) below.push(...directoriesOf(entries, next.path))
    }
    let directory: FileReference = { record, sequence }
    let file: NtfsFile | undefined
    let whole = true
    try {
      file = await volume.file(directory)
      directory = file.reference
      if (next.inTree && !isInUse(file.base)) complain(`record ${record} is not marked as in use`)
      if (next.inTree || isInUse(file.base) || !deleted) {
        const opened = openDirectory(volume, file)
        for await (const batch of listDirectory(opened)) {
          const entries = withoutItself(batch)
          yield { path, directory, entries }
          keep(entries)
        }
        whole = !opened.damaged
      }
      if (deleted)
        for await (const batch of inBatches(deleted.children(file.base), 'deleted')) {
          const entries = withoutItself(batch)
          yield { path, directory, entries }
          keep(entries)
        }
    } catch (error) {
      complain((error as Error).message)
      whole = false
    }
    yield { path, directory, entries: [], end: { file, whole } }
    while (below.length > 0) waiting.push(below.pop()!)
  }
}

const isItself = ({ name }: DirectoryEntry) => name === '.'

const withoutItself = (batch: readonly DirectoryEntry[]) =>
  batch.some(isItself) ? batch.filter((entry) => !isItself(entry)) : batch

function namesOf(path: Path | undefined): readonly string[] {
  const names: string[] = []
  for (let at = path; at; at = at.above) names.push(at.name)
  return names.reverse()
}

function directoriesOf(entries: readonly DirectoryEntry[], above: Path | undefined): Waiting[] {
  const directories: Waiting[] = []
  for (const { record, sequence, name, isDirectory, source } of entries)
    if (isDirectory)
      directories.push({ record, sequence, path: joinPath(name, above), inTree: source === 'tree' })
  return directories
}

async function* inBatches(
  links: AsyncIterable<DeletedLink>,
  source: DirectoryEntry['source'],
): AsyncGenerator<readonly DirectoryEntry[]> {
  let batch: DirectoryEntry[] = []
  for await (const link of links) {
    batch.push(entryOfLink(link, source))
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

const entryOfLink = (
  { record, sequence, fileName }: DeletedLink,
  source: DirectoryEntry['source'],
): DirectoryEntry => ({
  record,
  sequence,
  name: fileName.name,
  namespace: fileName.namespace,
  isDirectory: (fileName.flags & FILE_FLAG.HAS_FILE_NAME_INDEX) !== 0,
  source,
  fileName: () => fileName,
})
