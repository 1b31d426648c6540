import { printable } from '../../cli/messages.js'
import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import type { DirectoryEntry } from '../../formats/ntfs/directory.js'
import { FILE_FLAG } from '../../formats/ntfs/file-flags.js'
import { NAME_INDEX } from '../../formats/ntfs/file-index.js'
import { decodeFileName, type FileName, type FileTimes, NAMESPACE_OF } from '../../formats/ntfs/file-name.js'
import { type Filetime, unixSeconds } from '../../formats/ntfs/filetime.js'
import { type Facts, type ListedStream, readFacts } from './facts.js'
import { type Format, type FormatParts, type Kind, kindOf } from './listing.js'

/**
 * A line of a body file, which mactime of The Sleuth Kit reads:
 *
 *     md5|path|record-type-id|mode|uid|gid|size|atime|mtime|ctime|crtime
 *
 * Times are whole seconds since 1970, ctime that of the record's change, 0 none; no digest is taken.
 */
interface Line {
  readonly path: string
  /** Of the time source or the state of the file: ` ($FILE_NAME)`, ` (deleted)`. */
  readonly suffix: string
  readonly identifier: string
  readonly kind: Kind
  readonly flags: number
  readonly owner?: number | undefined
  readonly size: bigint
  readonly times: FileTimes
}

/** Lines from $STANDARD_INFORMATION and $FILE_NAME; from the index where those are lost, or as well. */
export function bodyfileLines(parts: FormatParts): Format {
  return {
    async entries(folder, entries) {
      let text = ''
      for (const entry of entries) {
        const facts = await readFacts(parts, entry)
        const path = folder + entry.name
        text += recordLines(path, entry, facts) + nameLines(folder, entry, facts)
        if (parts.long || !facts.file) text += indexLine(path, entry.record, entry.fileName(), stateOf(facts))
      }
      return text
    },
    slack: (folder, { fileName, reference, live }) =>
      indexLine(folder + fileName.name, reference.record, fileName, live ? ' (slack)' : ' (slack) (deleted)'),
  }
}

/** One for each stream, and one for a file that has none. */
function recordLines(path: string, entry: DirectoryEntry, facts: Facts): string {
  const { information, streams } = facts
  if (!information) return ''
  const { times, flags, ownerId } = information
  const common = { suffix: stateOf(facts), kind: kindOf(entry.fileName()), flags, owner: ownerId, times }
  let text = ''
  if (!streams.some(isUnnamed))
    text += toLine({ ...common, path, identifier: String(entry.record), size: 0n })
  for (const stream of streams) {
    const { name, size } = stream
    const identifier = identify(entry, stream)
    text += toLine({ ...common, path: isUnnamed(stream) ? path : `${path}:${name}`, identifier, size })
  }
  return text
}

/** What the path without a stream means: the unnamed $DATA, or the names in a directory. */
const isUnnamed = ({ name, type }: ListedStream) => name === (type === ATTRIBUTE.INDEX_ROOT ? NAME_INDEX : '')

/** Of the $FILE_NAME that the entry is a copy of, and of the short name beside it. */
function nameLines(folder: string, entry: DirectoryEntry, facts: Facts): string {
  const { file } = facts
  if (!file) return ''
  const { parent } = entry.fileName()
  const isShown = (name: FileName) =>
    name.parent.record === parent.record &&
    (name.name === entry.name ||
      (name.namespace === NAMESPACE_OF.DOS && entry.namespace === NAMESPACE_OF.WIN32))
  let text = ''
  for (const attribute of file.attributes) {
    const { type, value } = attribute
    const name = type === ATTRIBUTE.FILE_NAME && value && decodeFileName(value)
    if (!name || !isShown(name)) continue
    const line = { path: folder + name.name, suffix: ` ($FILE_NAME)${stateOf(facts)}` }
    text += toLine({ ...line, identifier: identify(entry, attribute), ...fieldsOf(name) })
  }
  return text
}

/** What mactime knows: it drops a line with any other. */
const identify = ({ record }: DirectoryEntry, { type, id }: { readonly type: number; readonly id: number }) =>
  `${record}-${type}-${id}`

const indexLine = (path: string, record: number, name: FileName, suffix: string) =>
  toLine({ path, suffix: ` ($I30)${suffix}`, identifier: String(record), ...fieldsOf(name) })

const fieldsOf = (name: FileName) => ({
  kind: kindOf(name),
  flags: name.flags,
  size: name.size,
  times: name.times,
})

function stateOf({ state }: Facts): string {
  if (state === 'reallocated') return ' (reallocated)'
  return state === 'deleted' || state === 'unused' ? ' (deleted)' : ''
}

function toLine({ path, suffix, identifier, kind, flags, owner = 0, size, times }: Line): string {
  const { created, modified, changed, accessed } = times
  const seconds = [accessed, modified, changed, created].map(secondsOf)
  const mode = `${kind}/${kind}${(flags & FILE_FLAG.READ_ONLY) !== 0 ? 'r-x'.repeat(3) : 'rwx'.repeat(3)}`
  return `${['0', escapeBars(`/${path}`) + suffix, identifier, mode, owner, 0, size, ...seconds].join('|')}\n`
}

const secondsOf = (time: Filetime) => (time === 0n ? 0 : unixSeconds(time))

/** The field ends at a bar, the line at a newline. */
const escapeBars = (path: string) => printable(path).replaceAll('|', '\\x7c')
