import type { DirectoryEntry } from '../../formats/ntfs/directory.js'
import type { SlackEntry } from '../../formats/ntfs/directory-slack.js'
import { FILE_FLAG } from '../../formats/ntfs/file-flags.js'
import type { FileName } from '../../formats/ntfs/file-name.js'
import { REPARSE_TAG } from '../../formats/ntfs/reparse-point.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'

/** How entries become text. */
export interface Format {
  /** @param folder what stands before the names: empty, or with a slash at its end */
  entries(folder: string, entries: readonly DirectoryEntry[]): string | Promise<string>
  slack(folder: string, carved: SlackEntry): string
}

/** What formats are made of. */
export interface FormatParts {
  readonly volume: NtfsVolume
  /** Whether records are read as well. */
  readonly long: boolean
  /** Told what could not be read. */
  lost(what: string): void
}

export type Kind = 'd' | 'r' | 'l'

/** Directory, regular file, reparse point; what WOF compressed is a regular file to everyone. */
export function kindOf({ flags, tagOrEaSize }: Pick<FileName, 'flags' | 'tagOrEaSize'>): Kind {
  if ((flags & FILE_FLAG.REPARSE_POINT) !== 0 && tagOrEaSize !== REPARSE_TAG.WOF) return 'l'
  return (flags & FILE_FLAG.HAS_FILE_NAME_INDEX) !== 0 ? 'd' : 'r'
}
