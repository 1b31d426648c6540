import { FILE_FLAG } from '../file-flags.js'
import type { FileReference } from '../file-reference.js'
import { LONGEST_PATH } from '../path.js'
import type { UsnRecord } from './record.js'

const ROOT = 5
/** Directories of today that are remembered; those of the past cannot be found again. */
const MOST_KNOWN = 65536

/** A name of a directory, and where it stands. */
export interface DirectoryName {
  readonly name: string
  readonly parent: FileReference
}

/** What a directory is called on the volume now; undefined where its record has another sequence number. */
export type FindDirectory = (directory: FileReference) => Promise<DirectoryName | undefined>

export interface UsnPath {
  /** From the root or, where that isn't reached, from the first directory that is known. */
  readonly names: readonly string[]
  readonly reachesRoot: boolean
}

export interface UsnPaths {
  /** Paths of these records, in their order; of records without a name, those of their parents. */
  pathsOf(records: readonly UsnRecord[]): Promise<UsnPath[]>
}

/**
 * Paths as they are now, or as they were: with `rewind`, records must come from the newest to the oldest, and each one
 * about a directory tells what the directory was called for the records before it.
 */
export function usnPaths(find: FindDirectory, { rewind = false } = {}): UsnPaths {
  const now = new Map<string, DirectoryName | undefined>()
  const then = new Map<string, DirectoryName>()

  const lookUp = async (directory: FileReference, key: string) => {
    const past = then.get(key)
    if (past) return past
    if (!now.has(key)) {
      if (now.size === MOST_KNOWN) now.clear()
      now.set(key, await find(directory))
    }
    return now.get(key)
  }

  const pathOf = async ({ name, parent }: UsnRecord): Promise<UsnPath> => {
    const names = name === undefined ? [] : [name]
    const seen = new Set<string>()
    let length = 0
    let directory = parent
    while (directory.record !== ROOT) {
      const key = keyOf(directory)
      if (seen.has(key) || length > LONGEST_PATH) return { names: names.reverse(), reachesRoot: false }
      seen.add(key)
      const known = await lookUp(directory, key)
      if (!known) return { names: names.reverse(), reachesRoot: false }
      names.push(known.name)
      length += known.name.length + 1
      directory = known.parent
    }
    return { names: names.reverse(), reachesRoot: true }
  }

  return {
    async pathsOf(records) {
      const paths: UsnPath[] = []
      for (const record of records) {
        const { name, parent, flags = 0 } = record
        if (rewind && name !== undefined && (flags & FILE_FLAG.DIRECTORY) !== 0)
          then.set(keyOf(record.file), { name, parent })
        paths.push(await pathOf(record))
      }
      return paths
    },
  }
}

const keyOf = ({ record, sequence }: FileReference) => `${record}-${sequence}`
