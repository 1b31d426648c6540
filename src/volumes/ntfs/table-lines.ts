import { printable } from '../../cli/messages.js'
import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import type { DirectoryEntry } from '../../formats/ntfs/directory.js'
import type { SlackEntry } from '../../formats/ntfs/directory-slack.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import type { FileName, FileTimes } from '../../formats/ntfs/file-name.js'
import { formatFiletime } from '../../formats/ntfs/filetime.js'
import type { Facts } from './facts.js'
import { type Format, type FormatParts, kindOf } from './listing.js'

// Lines of columns for people: what it is, its kind and a mark, the four times, size, name. Names stand last, as long as
// they are.

/** Behind the kind: an entry that is no longer in use, and one from slack. */
const MARK = { deleted: '*', slack: '~' } as const
const NONE = '-'
/** Of a time with all its decimals. */
const TIME_WIDTH = 28

export async function tableLines(parts: FormatParts): Promise<Format> {
  const facts = parts.long ? await import('./facts.js') : undefined
  return {
    entries: facts
      ? async (folder, entries) => {
          let text = ''
          for (const entry of entries)
            text += entryLine(folder, entry) + factLines(folder, entry, await facts.readFacts(parts, entry))
          return text
        }
      : (folder, entries) => {
          let text = ''
          for (const entry of entries) text += entryLine(folder, entry)
          return text
        },
    slack: slackLine,
  }
}

function entryLine(folder: string, entry: DirectoryEntry): string {
  const { record, sequence, source, name } = entry
  const mark = source === 'deleted' ? MARK.deleted : ' '
  return line(`${record}-${sequence}`, mark, entry.fileName(), folder + name)
}

function slackLine(folder: string, carved: SlackEntry): string {
  const { reference, headerIntact, source, number, at, confidence, live, fileName } = carved
  const identifier = headerIntact ? `${reference.record}-${reference.sequence}` : NONE
  const where = `${source} ${number} at 0x${at.toString(16)}, confidence ${confidence}, ${live ? 'live' : 'not live'}`
  return `${line(identifier, MARK.slack, fileName, folder + fileName.name).slice(0, -1)}  (${where})\n`
}

const line = (identifier: string, mark: string, fileName: FileName, path: string) =>
  row(identifier, kindOf(fileName) + mark, fileName.times, String(fileName.size), printable(path))

function row(
  identifier: string,
  kind: string,
  times: FileTimes | undefined,
  size: string,
  text: string,
): string {
  const { created, modified, changed, accessed } = times ?? {}
  return `${identifier.padEnd(16)}  ${kind.padEnd(2)}  ${time(created)}  ${time(modified)}  ${time(changed)}  ${time(accessed)}  ${size.padStart(12)}  ${text}\n`
}

function time(value: bigint | undefined): string {
  const text = value === undefined ? '' : formatFiletime(value)
  return text.length === TIME_WIDTH ? text : (text || NONE).padEnd(TIME_WIDTH)
}

function factLines(folder: string, { name }: DirectoryEntry, facts: Facts): string {
  const { state, reason, differs, file, information, streams, reparse, clusters } = facts
  const words = [state, ...(reason ? [reason] : [])]
  if (differs.length > 0) words.push(`differs from the record: ${differs.join(' ')}`)
  if (file) words.push(`links ${file.base.linkCount}`)
  if (information) words.push(fileFlagNames(information.flags).join(' ') || 'no flags')
  if (reparse) words.push(`${reparse.name}${reparse.target === undefined ? '' : ` to ${reparse.target}`}`)
  if (clusters && clusters.inUse > 0)
    words.push(`overwritten likely: ${clusters.inUse} of ${clusters.clusters} clusters in use`)
  let text = row('', 'SI', information?.times, NONE, printable(words.join(', ')))
  for (const stream of streams)
    text += row(
      stream.identifier,
      '',
      undefined,
      String(stream.size),
      printable(
        `${folder}${name}${stream.name && `:${stream.name}`}${stream.type === ATTRIBUTE.INDEX_ROOT ? ' (index)' : ''}`,
      ),
    )
  return text
}
