import { EXIT } from '../cli/exit.js'
import { NTFS_OPTIONS, openNtfsImage } from '../cli/ntfs-image.js'
import type { Tool } from '../cli/tool.js'
import { readDeletedLinks } from '../formats/ntfs/deleted-links.js'
import type { NtfsFile } from '../formats/ntfs/file.js'
import { type FileAttribute, joinAttributes } from '../formats/ntfs/file-attribute.js'
import { type FoundTarget, findTarget } from '../formats/ntfs/find-target.js'
import type { OpenedVolume } from '../formats/ntfs/open.js'
import { namesOf } from '../formats/ntfs/parent-path.js'
import { parseTarget, type Target } from '../formats/ntfs/path.js'
import type { MftRecord } from '../formats/ntfs/record.js'
import { RECORD } from '../formats/ntfs/volume.js'
import { attributeFacts } from './ntfs/attribute-facts.js'
import { fileFacts } from './ntfs/file-facts.js'
import { recordFacts } from './ntfs/record-facts.js'
import { statJson } from './ntfs/stat-json.js'
import type { StatReport } from './ntfs/stat-report.js'
import { statText } from './ntfs/stat-text.js'
import { volumeFacts } from './ntfs/volume-facts.js'
import { printParts } from './printer.js'

/** Findings that are told of one file. */
const MOST_FINDINGS = 1000

/** ntfs-stat: everything that an NTFS volume knows of a file. */
export const tool: Tool = {
  name: 'ntfs-stat',
  role: 'report',
  usage: 'IMAGE [INODE|PATH]',
  summary: 'show the record, names, times and attributes of a file of an NTFS volume',
  options: {
    long: { short: 'l', help: 'security descriptors and values of EAs in full' },
    deleted: { help: 'a path may lead to a file that was deleted' },
    json: { help: 'a JSON object' },
    ...NTFS_OPTIONS,
  },
  operands: [1, 2],
  async run({ operands, options, io, log }) {
    const [path, text = String(RECORD.ROOT)] = operands
    const volume = await openNtfsImage(path!, options, log)
    try {
      const target = parseTarget(text)
      const report = await describe(volume, await find(volume, target, options.flag('deleted')))
      await printParts(io, options.flag('json') ? statJson(report) : statText(report, options.flag('long')))
      return report.findings.length > 0 ? EXIT.unreadable : EXIT.complete
    } finally {
      await volume.close()
    }
  },
}

/** A record that holds attributes of another file is shown as what it is. */
async function find(volume: OpenedVolume, target: Target, deleted: boolean): Promise<FoundTarget> {
  if (target.kind === 'record' && !target.attribute) {
    const record = await volume.record(target.record)
    if (record.base) return { file: extension(record, volume), attribute: undefined }
  }
  return findTarget(volume, target, deleted ? () => readDeletedLinks(volume) : undefined)
}

const extension = (record: MftRecord, { geometry }: OpenedVolume): NtfsFile => ({
  reference: { record: record.number, sequence: record.sequence },
  base: record,
  extensions: [],
  attributes: joinAttributes(
    record.attributes.map((attribute) => ({ record: record.number, attribute })),
    geometry.clusterSize,
    // That their beginnings stand elsewhere is what such a record is for.
    () => {},
  ),
  findings: record.findings,
})

async function describe(volume: OpenedVolume, { file, attribute }: FoundTarget): Promise<StatReport> {
  const findings = new Set<string>()
  const complain = (what: string) => {
    if (findings.size < MOST_FINDINGS) findings.add(what)
  }
  for (const { message } of file.findings) complain(message)
  const shown: readonly FileAttribute[] = attribute ? [attribute] : file.attributes
  return {
    volume: await volumeFacts(volume, complain),
    record: recordFacts(file, namesOf(file).length),
    facts: file.base.base ? undefined : await fileFacts(volume, file, complain),
    file,
    clusterCount: volume.geometry.clusterCount,
    async *attributes() {
      for (const attribute of shown)
        yield { attribute, facts: await attributeFacts(volume, file, attribute, complain) }
    },
    get findings() {
      return [...findings]
    },
  }
}
