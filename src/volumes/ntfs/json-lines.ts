import { toJson } from '../../cli/json.js'
import type { SlackEntry } from '../../formats/ntfs/directory-slack.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { type FileName, type FileTimes, namespaceName } from '../../formats/ntfs/file-name.js'
import { formatFiletime, isOnCalendar } from '../../formats/ntfs/filetime.js'
import type { StandardInformation } from '../../formats/ntfs/standard-information.js'
import { type Facts, readFacts } from './facts.js'
import { type Format, type FormatParts, kindOf, TIMES } from './listing.js'

/** An object a line: all that the index entry holds, with -l all of the record that a listing is about. */
export function jsonLines(parts: FormatParts): Format {
  return {
    async entries(folder, entries) {
      let text = ''
      for (const entry of entries) {
        const { record, sequence, name, source } = entry
        text += toLine({
          path: folder + name,
          record,
          sequence,
          source,
          ...nameFields(entry.fileName()),
          ...(parts.long && factFields(await readFacts(parts, entry))),
        })
      }
      return text
    },
    slack: (folder, carved) =>
      toLine({
        path: folder + carved.fileName.name,
        ...carved.reference,
        source: 'slack',
        ...nameFields(carved.fileName),
        slack: placeOf(carved),
      }),
  }
}

const placeOf = ({ source, number, at, confidence, headerIntact, live }: SlackEntry) => ({
  in: source,
  number,
  offset: at,
  confidence,
  headerIntact,
  live,
})

const toLine = (fields: object) => `${toJson(fields)}\n`

function nameFields(fileName: FileName) {
  const { name, namespace, parent, size, allocated, flags, tagOrEaSize, times } = fileName
  return {
    kind: kindOf(fileName),
    name,
    namespace: namespaceName(namespace),
    parent: { ...parent },
    size,
    allocated,
    flags: fileFlagNames(flags),
    tagOrEaSize,
    ...timeFields(times),
  }
}

/** ISO 8601; null for what is not set or on no calendar, the latter with the number beside it. */
function timeFields(times: FileTimes): Record<string, string | null> {
  const fields: Record<string, string | null> = {}
  for (const name of TIMES) {
    const time = times[name]
    const written = time !== 0n && isOnCalendar(time)
    fields[name] = written ? formatFiletime(time) : null
    if (time !== 0n && !written) fields[`${name}Filetime`] = String(time)
  }
  return fields
}

function factFields(facts: Facts) {
  const { state, reason, differs, file, information, names, streams, reparse, clusters } = facts
  return {
    state,
    reason,
    differs,
    links: file?.base.linkCount,
    standardInformation: information && informationFields(information),
    names: names.map(nameFields),
    streams,
    reparse: reparse && { tag: reparse.name, target: reparse.target },
    clusters,
    overwrittenLikely: clusters && clusters.inUse > 0,
  }
}

function informationFields({ times, flags, ...others }: StandardInformation) {
  return { ...timeFields(times), flags: fileFlagNames(flags), ...others }
}
