import { ATTRIBUTE } from './attribute-type.js'
import type { NtfsFile } from './file.js'
import { decodeFileName, type FileName, links, preferredName } from './file-name.js'
import type { FileReference } from './file-reference.js'
import { LONGEST_PATH, ORPHANS } from './path.js'
import { isInUse, type MftRecord, RECORD_FLAG } from './record.js'
import { type NtfsVolume, RECORD } from './volume.js'

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

const keyOf = ({ record, sequence }: FileReference) => `${record}-${sequence}`

/** A function that finds the path of a link; what it learns of directories it remembers. */
export function createPathFinder(volume: NtfsVolume): (link: Link) => Promise<FilePath> {
  /** Of directories, by the reference that leads to them; undefined: to none. */
  const known = new Map<string, DirectoryLink | undefined>()

  async function learn(reference: FileReference, key: string): Promise<DirectoryLink | undefined> {
    const link = await directoryLink(volume, reference)
    if (known.size === MOST_KNOWN) known.clear()
    known.set(key, link)
    return link
  }

  return async ({ parent, name }) => {
    /** From the file up. */
    const names = [name]
    const passed = new Set<string>()
    let length = name.length
    let state: FilePath['state'] = 'live'
    for (let at = parent; at.record !== RECORD.ROOT; ) {
      const key = keyOf(at)
      const ends = passed.has(key) || length > LONGEST_PATH
      const step = ends ? undefined : known.has(key) ? known.get(key) : await learn(at, key)
      if (!step) return { names: names.reverse(), state: 'orphan', missing: at }
      passed.add(key)
      names.push(step.name)
      length += step.name.length + 1
      state = worse(state, step.state)
      at = step.parent
    }
    return { names: names.reverse(), state }
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

const worse = (a: FilePath['state'], b: FilePath['state']): FilePath['state'] => (a === 'deleted' ? a : b)

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
