import { printable } from '../../cli/messages.js'
import type { AttributeFacts } from './attribute-facts.js'
import type { FileFacts } from './file-facts.js'
import type { IndexFacts } from './index-facts.js'
import { type MappedRun, mappedRuns } from './mapped-runs.js'
import type { EntryFacts, NameFacts } from './name-facts.js'
import type { RecordFacts } from './record-facts.js'
import type { StatReport } from './stat-report.js'
import type { Times } from './time-facts.js'
import type { VolumeFacts } from './volume-facts.js'

/** A label and what stands behind it; undefined: there is no such line. */
type Field = readonly [label: string, value: string | number | bigint | null | undefined]

const LABEL_WIDTH = 20
/** Runs in one text. */
const BATCH = 256

/** For people: sections of labelled lines. @param long descriptors and values in full */
export async function* statText(report: StatReport, long: boolean): AsyncGenerator<string> {
  yield volumeSection(report.volume)
  yield recordSection(report.record, report.facts)
  if (report.facts) yield factSections(report.facts, long)
  yield '\nAttributes\n'
  for await (const { facts, attribute } of report.attributes()) {
    yield attributeLines(facts)
    yield* runLines(mappedRuns(attribute, report.clusterCount))
  }
  if (report.findings.length > 0)
    yield `\nFindings\n${report.findings.map((finding) => `  ${printable(finding)}\n`).join('')}`
}

const section = (title: string, fields: readonly Field[]) =>
  `${title}\n${fields.map(([label, value]) => line(label, value)).join('')}`

const line = (label: string, value: Field[1]) =>
  value === undefined ? '' : `  ${label.padEnd(LABEL_WIDTH)}${printable(String(value ?? '-'))}\n`

const words = (list: readonly string[]) => (list.length === 0 ? 'none' : list.join(', '))
const reference = ({ record, sequence }: { record: number; sequence: number }) => `${record}-${sequence}`

function volumeSection(volume: VolumeFacts): string {
  const { label, version, flags, snapshot, shadowCopies = [] } = volume
  const copies: Field[] = shadowCopies.map(({ index, id, created, offline }) => [
    `shadow copy ${index}`,
    `${created}  ${id}${offline ? '  offline' : ''}`,
  ])
  return section('Volume', [
    ['serial number', `0x${volume.serial.toString(16).padStart(16, '0')}`],
    ['label', label],
    ['version', version && `NTFS ${version}`],
    ['dirty', flags && (flags.includes('dirty') ? 'yes' : 'no')],
    ['flags', flags && words(flags)],
    ['begins at', `${volume.offset}`],
    ['size', `${volume.size} bytes, ${volume.clusters} clusters of ${volume.clusterSize}`],
    ['sectors', `${volume.sectorSize} bytes`],
    ['records', `${volume.records} of ${volume.recordSize} bytes`],
    ['read', snapshot === null ? 'as it is now' : `as shadow copy ${snapshot}`],
    ...copies,
  ])
}

function recordSection(record: RecordFacts, facts: FileFacts | undefined): string {
  const { base, links, nameCount } = record
  const state = record.inUse ? 'in use' : 'not in use'
  const kind = base ? 'attributes of another record' : record.directory ? 'directory' : 'file'
  const told = base || !record.inUse || links === nameCount ? `${links}` : `${links}, but ${nameCount} names`
  const paths: Field[] = (facts?.paths ?? []).map(({ path, state }) => [
    'path',
    state === 'live' ? path : `${path}  (${state})`,
  ])
  return section('\nRecord', [
    ['record', record.record],
    ['sequence', record.sequence],
    ['state', `${state}, ${kind}`],
    ['flags', words(record.flags)],
    ['LSN', record.lsn],
    ['links', told],
    ['base record', base ? `${reference(base)}, which ntfs-stat shows as ${base.record}` : undefined],
    [
      'further records',
      record.extensions.length === 0 ? undefined : record.extensions.map(reference).join(', '),
    ],
    ['bytes in use', `${record.bytesInUse} of ${record.bytesAllocated}`],
    ['torn sectors', record.torn.length === 0 ? undefined : record.torn.join(', ')],
    ...paths,
  ])
}

function factSections(facts: FileFacts, long: boolean): string {
  return [
    securitySection(facts, long),
    standardSection(facts),
    ...facts.names.map(nameSections),
    objectIdSection(facts),
    reparseSection(facts),
    facts.interixLink === undefined ? '' : section('\nSymlink of Interix', [['target', facts.interixLink]]),
    extendedSection(facts, long),
    ...facts.indexes.map(indexSection),
  ].join('')
}

function securitySection({ security }: FileFacts, long: boolean): string {
  if (!security) return ''
  return section('\nSecurity', [
    ['owner', security.owner],
    ['group', security.group],
    ['security id', security.id ?? 'none, a descriptor of its own'],
    ['SDDL', long ? security.sddl : undefined],
  ])
}

const timeFields = (times: Times): Field[] => [
  ['created', times.created ?? times.createdFiletime ?? null],
  ['modified', times.modified ?? times.modifiedFiletime ?? null],
  ['record changed', times.changed ?? times.changedFiletime ?? null],
  ['accessed', times.accessed ?? times.accessedFiletime ?? null],
]

function standardSection({ standardInformation: standard }: FileFacts): string {
  if (!standard) return ''
  return section('\n$STANDARD_INFORMATION', [
    ['flags', words(standard.flags)],
    ...timeFields(standard),
    ['versions', standard.maximumVersions || undefined],
    ['class id', standard.classId || undefined],
    ['owner id', standard.ownerId],
    ['quota charged', standard.quotaCharged],
    ['USN', standard.usn],
    ['names', standard.caseSensitive ? 'case counts' : undefined],
  ])
}

const nameFields = (name: NameFacts): Field[] => [
  ['parent', reference(name.parent)],
  ['flags', words(name.flags)],
  ...timeFields(name),
  ['size', name.size],
  ['allocated', name.allocated],
  ['reparse tag', name.reparseTag],
  ['size of EAs', name.eaSize],
]

function nameSections({ entry, ...name }: NameFacts & { readonly entry: EntryFacts | null }): string {
  const own = section('\n$FILE_NAME', [
    ['name', name.name],
    ['namespace', name.namespace],
    ...nameFields(name),
  ])
  if (!entry) return own
  const where = entry.source === 'slack' ? 'the slack of its parent' : 'the index of its parent'
  return own + section(`\nEntry in ${where}`, [['name', entry.name], ...nameFields(entry)])
}

function objectIdSection({ objectId }: FileFacts): string {
  if (!objectId) return ''
  const { made } = objectId
  return section('\n$OBJECT_ID', [
    ['id', objectId.id],
    ['made', made && `${made.time}${made.mac ? ` by ${made.mac}` : ''}`],
    ['birth volume', objectId.birthVolumeId],
    ['birth object', objectId.birthObjectId],
    ['domain', objectId.domainId],
  ])
}

function reparseSection({ reparsePoint: point }: FileFacts): string {
  if (!point) return ''
  const { wof } = point
  return section('\n$REPARSE_POINT', [
    ['tag', `0x${point.tag.toString(16)} ${point.name}`],
    ['GUID', point.guid],
    ['target', point.target],
    ['shown as', point.shown],
    ['relative', point.relative === undefined ? undefined : point.relative ? 'yes' : 'no'],
    ['strings', point.strings?.join(' | ')],
    ['content', wof && (wof.provider === 'wim' ? 'in a WIM file' : `${wof.algorithm}, in WofCompressedData`)],
    ['data', `${point.size} bytes`],
  ])
}

function extendedSection(
  { extendedAttributes: list, eaInformation, linux }: FileFacts,
  long: boolean,
): string {
  if (!list) return ''
  const device = linux?.device
  return section('\nExtended attributes', [
    ['needed', eaInformation?.neededCount],
    ['packed', eaInformation && `${eaInformation.packedSize} bytes`],
    ...list.map(
      ({ name, value, needed }): Field => [
        name,
        `${value.length} bytes${needed ? ', needed' : ''}${long ? `: ${value.toString('hex')}` : ''}`,
      ],
    ),
    ['Linux uid', linux?.uid],
    ['Linux gid', linux?.gid],
    ['Linux mode', linux?.mode === undefined ? undefined : `0${linux.mode.toString(8)}`],
    ['Linux device', device && `${device.major}:${device.minor}`],
  ])
}

function indexSection(index: IndexFacts): string {
  return section(`\nIndex ${printable(index.name)}`, [
    ['levels', index.levels],
    ['entries', index.entries],
    ['blocks', `${index.blocks} of ${index.blockSize} bytes`],
    ['in the tree', index.reached],
    ['in use', index.inUse],
    ['free', index.inUse === undefined ? undefined : index.blocks - index.inUse],
    ['in use, not in tree', index.unreached || undefined],
    ['in tree, not in use', index.reachedFree || undefined],
    ['slack entries', index.slackEntries],
  ])
}

function attributeLines(attribute: AttributeFacts): string {
  const { address, typeName, name, record, resident, size, allocated, initialised } = attribute
  const head = [
    `  ${address.padEnd(16)}${typeName}${name && `:${printable(name)}`}`,
    `record ${record}`,
    resident ? 'resident' : 'non-resident',
    `size ${size}`,
  ]
  if (!resident) head.push(`allocated ${allocated}`, `initialised ${initialised}`)
  if (attribute.totalAllocated !== undefined) head.push(`in clusters ${attribute.totalAllocated}`)
  if (attribute.indexed) head.push('indexed')
  head.push(...attribute.flags)
  if (attribute.compressionUnit > 0) head.push(`units of ${attribute.compressionUnit} clusters`)
  const lines = [head.join('  ')]
  for (const { record, id, lowestVcn, highestVcn, runs } of attribute.extents)
    lines.push(
      `    VCN ${lowestVcn} to ${highestVcn}: ${runs} ${runs === 1 ? 'run' : 'runs'} in record ${record}, id ${id}`,
    )
  const { reused } = attribute
  if (reused) lines.push(`    ${reused.inUse} of ${reused.clusters} clusters are in use by others`)
  return `${lines.join('\n')}\n`
}

const KIND: Record<MappedRun['kind'], string> = {
  clusters: '',
  sparse: '',
  missing: '',
  outside: '  outside the volume',
}

const runLine = (vcn: string, lcn: string, clusters: string) =>
  `    ${vcn.padStart(12)}  ${lcn.padStart(12)}  ${clusters.padStart(12)}`
const RUN_COLUMNS = `${runLine('VCN', 'LCN', 'CLUSTERS')}\n`

/** Nothing where there are none. */
function* runLines(runs: Iterable<MappedRun>): Generator<string> {
  let lines = [RUN_COLUMNS]
  let empty = true
  for (const { vcn, lcn, length, kind } of runs) {
    empty = false
    const place = lcn === null ? kind : String(lcn)
    lines.push(`${runLine(String(vcn), place, String(length))}${KIND[kind]}\n`)
    if (lines.length < BATCH) continue
    yield lines.join('')
    lines = []
  }
  if (!empty) yield lines.join('')
}
