import { ATTRIBUTE } from './attribute-type.js'
import type { NtfsFile } from './file.js'
import { decodeFileName, type FileName, links, preferredName } from './file-name.js'
import type { FileReference } from './file-reference.js'
import { ORPHANS } from './path.js'
import { isInUse, type MftRecord, RECORD_FLAG } from './record.js'
import { type NtfsVolume, RECORD } from './volume.js'

/** NTFS itself has no limit. */
const DEEPEST = 1024
/** Directories that are remembered. */
const MOST_KNOWN = 65536
const HIGHEST_SEQUENCE = 0xffff

/** Where a file hangs: a name for each directory from the root on, its own last. */
export interface FilePath {
  readonly names: readonly string[]
  /** live: all directories are in use; deleted: one is not; orphan: one has been given to another file, or is none. */
  readonly state: 'live' | 'deleted' | 'orphan'
  /** Of an orphan: the directory that there is no more. `names` begin below it. */
  readonly missing?: FileReference
}

/** With slashes; those of orphans begin with `$Orphan`. The root is empty. */
export const formatPath = ({ names, state }: FilePath): string =>
  (state === 'orphan' ? [ORPHANS, ...names] : names).join('/')

/**
 * Whether a record is the directory that a child names as its parent, as it is or as it was: deletion counts its
 * sequence number up, which some drivers leave to whoever uses the record next.
 */
export function matchParent(record: MftRecord, parent: FileReference): 'live' | 'deleted' | undefined {
  if (record.base || (record.flags & RECORD_FLAG.DIRECTORY) === 0) return undefined
  const same = parent.sequence === 0 || parent.sequence === record.sequence
  if (isInUse(record)) return same ? 'live' : undefined
  return same || formerSequence(record.sequence) === parent.sequence ? 'deleted' : undefined
}

/** The sequence number before deletion counted it up; 0 is left out. */
export const formerSequence = (sequence: number): number => (sequence <= 1 ? HIGHEST_SEQUENCE : sequence - 1)

/** The name of a file, and whose it is. */
export type Link = Pick<FileName, 'parent' | 'name'>

const ROOT_PATH: FilePath = { names: [], state: 'live' }
const keyOf = ({ record, sequence }: FileReference) => `${record}-${sequence}`

/** A function that finds the path of a link; what it learns of directories it remembers. */
export function createPathFinder(volume: NtfsVolume): (link: Link) => Promise<FilePath> {
  /** Of directories, by the reference that leads to them. */
  const known = new Map<string, FilePath>()
  const lookUp = (reference: FileReference) =>
    reference.record === RECORD.ROOT ? ROOT_PATH : known.get(keyOf(reference))

  async function pathOfDirectory(reference: FileReference): Promise<FilePath> {
    /** From the directory up. */
    const names: string[] = []
    const passed = new Set<string>()
    let state: FilePath['state'] = 'live'
    let at = reference
    let above = lookUp(at)
    while (!above) {
      const step: DirectoryLink | undefined =
        passed.has(keyOf(at)) || passed.size === DEEPEST ? undefined : await directoryLink(volume, at)
      if (!step) {
        above = { names: [], state: 'orphan', missing: at }
        break
      }
      passed.add(keyOf(at))
      names.push(step.name)
      state = worse(state, step.state)
      at = step.parent
      above = lookUp(at)
    }
    return { ...above, names: [...above.names, ...names.reverse()], state: worse(state, above.state) }
  }

  return async ({ parent, name }) => {
    let directory = lookUp(parent)
    if (!directory) {
      directory = await pathOfDirectory(parent)
      if (known.size === MOST_KNOWN) known.clear()
      known.set(keyOf(parent), directory)
    }
    return { ...directory, names: [...directory.names, name] }
  }
}

export interface DirectoryLink extends Link {
  readonly state: 'live' | 'deleted'
}

/** What a directory is called, and where; undefined where the reference leads to none, or to another one by now. */
export async function directoryLink(
  volume: NtfsVolume,
  reference: FileReference,
): Promise<DirectoryLink | undefined> {
  try {
    const state = matchParent(await volume.record(reference.record), reference)
    if (!state) return undefined
    const name = preferredName(namesOf(await volume.file(reference.record)))
    return name && { state, parent: name.parent, name: name.name }
  } catch {
    return undefined
  }
}

const worse = (a: FilePath['state'], b: FilePath['state']): FilePath['state'] =>
  a === 'orphan' || b === 'orphan' ? 'orphan' : a === 'deleted' ? a : b

/** All names of a file, those in extension records, too; what is no name is left out. */
export function namesOf({ attributes }: NtfsFile): FileName[] {
  const names: FileName[] = []
  for (const { type, value } of attributes) {
    if (type !== ATTRIBUTE.FILE_NAME || !value) continue
    try {
      names.push(decodeFileName(value))
    } catch {
      // Reported with the attribute; the other names stand.
    }
  }
  return names
}

/** The path of every link of a file. */
export async function pathsOf(
  file: NtfsFile,
  findPath: (link: Link) => Promise<FilePath>,
): Promise<FilePath[]> {
  const paths: FilePath[] = []
  for (const link of links(namesOf(file))) paths.push(await findPath(link))
  return paths
}
