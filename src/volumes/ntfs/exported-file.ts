import type { TreeFacts } from '../../cli/tree.js'
import type { NtfsFile } from '../../formats/ntfs/file.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { links } from '../../formats/ntfs/file-name.js'
import { formatFiletime, unixNanoseconds } from '../../formats/ntfs/filetime.js'
import { namesOf } from '../../formats/ntfs/parent-path.js'
import { isInUse } from '../../formats/ntfs/record.js'
import { type StandardInformation, standardInformationOf } from '../../formats/ntfs/standard-information.js'
import { type Export, lose, type Thing } from './export.js'

/** Deleted files stand apart: what is there now may have their names. */
const DELETED = '$Deleted'

/** What is the same for all that is written of a file. */
export interface ExportedFile {
  /** Below the folder. */
  readonly path: readonly string[]
  readonly record: number
  readonly shown: string
  readonly facts: TreeFacts
  /** Whether it has several links: what is written of it has as many names. */
  readonly linked: boolean
  entry(place: Buffer | string): Thing
}

/** What the record of a file tells, and where it goes. */
export function describe(to: Export, file: NtfsFile, path: readonly string[]): ExportedFile {
  const { record, sequence } = file.reference
  const shown = path.join('/') || '/'
  const information = readInformation(to, file, shown)
  const times = information?.times
  return {
    path: isInUse(file.base) ? path : [DELETED, ...path],
    record,
    shown,
    linked: links(namesOf(file)).length > 1,
    facts: {
      attributes: [],
      ...(times && {
        times: { written: unixNanoseconds(times.modified), accessed: unixNanoseconds(times.accessed) },
      }),
    },
    entry: (place) => ({
      file: String(place),
      path: path.join('/'),
      record,
      sequence,
      ...(!isInUse(file.base) && { deleted: true }),
      ...(times &&
        Object.fromEntries(Object.entries(times).map(([name, time]) => [name, formatFiletime(time)]))),
      ...(information && { flags: fileFlagNames(information.flags) }),
    }),
  }
}

function readInformation(to: Export, file: NtfsFile, shown: string): StandardInformation | undefined {
  try {
    return standardInformationOf(file)
  } catch (error) {
    lose(to, shown, error)
    return undefined
  }
}
