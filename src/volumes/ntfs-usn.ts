import { EXIT } from '../cli/exit.js'
import { toJson } from '../cli/json.js'
import { printable } from '../cli/messages.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import { showSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { fileFlagNames } from '../formats/ntfs/file-flags.js'
import type { FileReference } from '../formats/ntfs/file-reference.js'
import { formatFiletime } from '../formats/ntfs/filetime.js'
import type { Finding } from '../formats/ntfs/finding.js'
import { directoryLink } from '../formats/ntfs/parent-path.js'
import { ORPHANS } from '../formats/ntfs/path.js'
import { openUsnJournal, type UsnJournal } from '../formats/ntfs/usn-journal/open.js'
import { type UsnPath, usnPaths } from '../formats/ntfs/usn-journal/paths.js'
import type { UsnRecord } from '../formats/ntfs/usn-journal/record.js'
import { reasonNames, sourceNames } from '../formats/ntfs/usn-journal/words.js'
import { createBreath } from './breath.js'

/** ntfs-usn: the change journal of a volume, a line a record. */
export const tool: Tool = {
  name: 'ntfs-usn',
  role: 'report',
  usage: 'IMAGE',
  summary: 'list the change journal of an NTFS volume',
  options: {
    rewind: { help: 'newest first, with each path as it was' },
    json: { help: 'a JSON object a line' },
    ...NTFS_OPTIONS,
  },
  operands: [1, 1],
  async run(context) {
    const { operands, options, io, log } = context
    const volume = await openNtfsImage(operands[0]!, options, log)
    let damaged = false
    const report = (finding: Finding) => {
      damaged = true
      volume.report(finding)
    }
    const journal = await openUsnJournal(volume, report)
    for (const line of describe(journal)) log.verbose(line)
    const rewind = options.flag('rewind')
    const paths = usnPaths((directory) => directoryLink(volume, directory), { rewind })
    const write = options.flag('json') ? asJson : asText
    let bytes = 0
    const breathe = createBreath(context, () => ({
      line: `${showSize(bytes)} of ${showSize(journal.held)}`,
      facts: { bytes, size: Number(journal.held) },
    }))
    for await (const records of journal.records(report, rewind)) {
      const found = await paths.pathsOf(records)
      await io.print(records.map((record, index) => write(record, found[index]!)).join(''))
      for (const { length } of records) bytes += length
      await breathe()
    }
    log.clearProgress()
    return damaged ? EXIT.unreadable : EXIT.complete
  },
}

function describe({ facts, held, size }: UsnJournal): string[] {
  const amount = `$J: ${showSize(held)} of ${showSize(size)} are held`
  if (!facts) return [amount]
  const { id, maximumSize, allocationDelta, lowestValidUsn } = facts
  return [
    amount,
    `$Max: journal 0x${id.toString(16)} of ${formatFiletime(id)}, at most ${showSize(maximumSize)}, cut by ${showSize(allocationDelta)}, USNs from ${lowestValidUsn}`,
  ]
}

/** With slashes; below $Orphan where a directory on the way is no more. */
const pathText = ({ names, reachesRoot }: UsnPath): string =>
  (reachesRoot ? names : [ORPHANS, ...names]).join('/')

const referenceText = ({ record, sequence }: FileReference) => `${record}-${sequence}`

function asText(record: UsnRecord, path: UsnPath): string {
  const { usn, time, file, parent, reasons, extents = [] } = record
  const cells = [
    String(usn),
    time === undefined ? '-' : formatFiletime(time) || '-',
    referenceText(file),
    referenceText(parent),
    reasonNames(reasons).join(',') || '-',
    record.name === undefined ? `${pathText(path)}/` : pathText(path),
    ...extents.map(({ offset, length }) => `${offset}+${length}`),
  ]
  return `${cells.map(printable).join('\t')}\n`
}

function asJson(record: UsnRecord, path: UsnPath): string {
  const { usn, time, file, parent, reasons, sources, flags, name, securityId, extents, extentsLeft } = record
  const facts = {
    usn,
    ...(time !== undefined && { time: formatFiletime(time) }),
    ...file,
    parent,
    reasons: reasonNames(reasons),
    sources: sourceNames(sources),
    ...(flags !== undefined && { flags: fileFlagNames(flags) }),
    ...(securityId !== undefined && { securityId }),
    ...(name !== undefined && { name }),
    ...(name === undefined ? { parentPath: pathText(path) } : { path: pathText(path) }),
    ...(extents && { extents, extentsLeft }),
    version: `${record.major}.${record.minor}`,
  }
  return `${toJson(facts)}\n`
}
