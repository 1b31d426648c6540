import { toJson } from '../../cli/json.js'
import type { SlackEntry } from '../../formats/ntfs/directory-slack.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { type FileName, namespaceName } from '../../formats/ntfs/file-name.js'
import type { StandardInformation } from '../../formats/ntfs/standard-information.js'
import { type Facts, readFacts } from './facts.js'
import { type Format, type FormatParts, kindOf } from './listing.js'
import { timeFacts } from './time-facts.js'

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
    ...timeFacts(times),
  }
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
  return { ...timeFacts(times), flags: fileFlagNames(flags), ...others }
}
