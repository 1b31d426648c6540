import { ATTRIBUTE, attributeTypeName } from '../../formats/ntfs/attribute-type.js'
import { carveDirectory } from '../../formats/ntfs/directory-slack.js'
import {
  decodeEaInformation,
  decodeExtendedAttributes,
  type ExtendedAttributesInformation,
  type LinuxMetadata,
  linuxMetadata,
} from '../../formats/ntfs/extended-attributes.js'
import { findAttribute, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import { FILE_FLAG, fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { NAME_INDEX, openFileIndex } from '../../formats/ntfs/file-index.js'
import { decodeFileName, type FileName, type FileTimes, namespaceName } from '../../formats/ntfs/file-name.js'
import type { FileReference } from '../../formats/ntfs/file-reference.js'
import { formatFiletime, isOnCalendar } from '../../formats/ntfs/filetime.js'
import type { Finding } from '../../formats/ntfs/finding.js'
import { type IndexShape, measureIndex } from '../../formats/ntfs/index-shape.js'
import { decodeInterixLink, INTERIX_LINK_SIZE } from '../../formats/ntfs/interix-link.js'
import { decodeObjectId } from '../../formats/ntfs/object-id.js'
import { findParentEntry } from '../../formats/ntfs/parent-entry.js'
import { createPathFinder, formatPath, pathsOf } from '../../formats/ntfs/parent-path.js'
import { isInUse, RECORD_FLAG } from '../../formats/ntfs/record.js'
import { decodeReparsePoint, REPARSE_TAG, reparseTagName } from '../../formats/ntfs/reparse-point.js'
import { decodeSecurityDescriptor } from '../../formats/ntfs/security/descriptor.js'
import { readFileSecurity } from '../../formats/ntfs/security/file-security.js'
import { formatSddl } from '../../formats/ntfs/security/sddl.js'
import { decodeStandardInformation, isCaseSensitive } from '../../formats/ntfs/standard-information.js'
import { type NtfsVolume, RECORD } from '../../formats/ntfs/volume.js'
import { decodeWofReparseData } from '../../formats/ntfs/wof/reparse-data.js'

/** Values that are decoded are no larger. */
const LARGEST_VALUE = 1n << 20n

/**
 * FILETIMEs as ISO 8601; null for what is not set or on no calendar, the latter with the number beside it
 * (`createdFiletime`).
 */
export type Times = Readonly<Record<keyof FileTimes, string | null>> &
  Readonly<Partial<Record<`${keyof FileTimes}Filetime`, string>>>

export interface RecordFacts {
  readonly record: number
  readonly sequence: number
  readonly inUse: boolean
  readonly directory: boolean
  readonly flags: readonly string[]
  readonly lsn: bigint
  /** Names that the record counts, and those that there are. */
  readonly links: number
  readonly nameCount: number
  /** Of a record that holds attributes of another one. */
  readonly base: FileReference | null
  readonly extensions: readonly FileReference[]
  readonly bytesInUse: number
  readonly bytesAllocated: number
  /** Strides of 512 bytes. */
  readonly torn: readonly number[]
}

export interface NameFacts extends Times {
  readonly name: string
  readonly namespace: string
  readonly parent: FileReference
  readonly allocated: bigint
  readonly size: bigint
  readonly flags: readonly string[]
  readonly reparseTag?: string
  readonly eaSize?: number
}

/** An entry of the parent's index has times of its own. */
export interface EntryFacts extends NameFacts {
  readonly source: 'index' | 'slack'
}

export interface IndexFacts extends IndexShape {
  readonly name: string
  /** Old entries that no longer count; undefined: none of an index of names. */
  readonly slackEntries?: number
}

/** What is told of a file beside its attribute table. What it does not have is absent. */
export interface FileFacts {
  readonly paths: readonly { path: string; state: string }[]
  readonly security?: SecurityFacts
  readonly standardInformation?: StandardFacts
  readonly names: readonly (NameFacts & { readonly entry: EntryFacts | null })[]
  readonly objectId?: ReturnType<typeof objectIdFacts>
  readonly reparsePoint?: ReturnType<typeof reparseFacts>
  /** Where a symlink leads that Interix or ntfs-3g made. */
  readonly interixLink?: string
  readonly eaInformation?: ExtendedAttributesInformation
  readonly extendedAttributes?: readonly { name: string; needed: boolean; value: Buffer }[]
  readonly linux?: LinuxMetadata
  readonly indexes: readonly IndexFacts[]
}

export interface SecurityFacts {
  /** null: the descriptor is an attribute of the file. */
  readonly id: number | null
  readonly owner?: string
  readonly group?: string
  readonly sddl: string
}

export type StandardFacts = ReturnType<typeof standardFacts>

/** @param nameCount names that the file has */
export function recordFacts({ base, extensions }: NtfsFile, nameCount: number): RecordFacts {
  return {
    record: base.number,
    sequence: base.sequence,
    inUse: isInUse(base),
    directory: (base.flags & RECORD_FLAG.DIRECTORY) !== 0,
    flags: RECORD_FLAG_NAMES.filter(([bit]) => (base.flags & bit) !== 0).map(([, name]) => name),
    lsn: base.lsn,
    links: base.linkCount,
    nameCount,
    base: base.base ?? null,
    extensions: extensions.map(({ number, sequence }) => ({ record: number, sequence })),
    bytesInUse: base.bytesInUse,
    bytesAllocated: base.bytes.length,
    torn: base.torn,
  }
}

const RECORD_FLAG_NAMES = Object.entries(RECORD_FLAG).map(
  ([name, bit]) => [bit, name.toLowerCase().replaceAll('_', '-')] as const,
)

/** Decodes what the attributes of a file hold. What cannot be read is complained about and left out. */
export async function fileFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<FileFacts> {
  const report = ({ message }: Finding) => complain(message)
  async function decode<T>(
    attribute: FileAttribute | undefined,
    decoder: (value: Buffer) => T,
  ): Promise<T | undefined> {
    if (!attribute) return undefined
    try {
      return decoder(await volume.read(attribute, LARGEST_VALUE))
    } catch (error) {
      complain(`${attributeTypeName(attribute.type)}: ${(error as Error).message}`)
      return undefined
    }
  }
  const only = <T>(type: number, decoder: (value: Buffer) => T) => decode(findAttribute(file, type), decoder)

  const standardInformation = await only(ATTRIBUTE.STANDARD_INFORMATION, standardFacts)
  const extendedAttributes = await only(ATTRIBUTE.EA, (value) => decodeExtendedAttributes(value, report))
  const linux = extendedAttributes && linuxMetadata(extendedAttributes)
  const reparsePoint = await only(ATTRIBUTE.REPARSE_POINT, reparseFacts)
  if (reparsePoint?.complaint) complain(`$REPARSE_POINT: ${reparsePoint.complaint}`)
  return {
    ...present('security', await securityFacts(volume, file, complain)),
    ...present('standardInformation', standardInformation),
    paths: await pathFacts(volume, file),
    names: await namesOf(volume, file, decode, complain),
    ...present('objectId', await only(ATTRIBUTE.OBJECT_ID, objectIdFacts)),
    ...present('reparsePoint', reparsePoint),
    ...present('interixLink', await interixLink(decode, file, standardInformation)),
    ...present('eaInformation', await only(ATTRIBUTE.EA_INFORMATION, decodeEaInformation)),
    ...present('extendedAttributes', extendedAttributes),
    ...present('linux', linux && Object.keys(linux).length > 0 ? linux : undefined),
    indexes: await indexFacts(volume, file, complain),
  }
}

const present = <K extends string, V>(key: K, value: V | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [key in K]?: V }

function timesOf(times: FileTimes): Times {
  const told: Record<string, string | null> = {}
  for (const name of ['created', 'modified', 'changed', 'accessed'] as const) {
    const time = times[name]
    const isWritten = time !== 0n && isOnCalendar(time)
    told[name] = isWritten ? formatFiletime(time) : null
    if (time !== 0n && !isWritten) told[`${name}Filetime`] = String(time)
  }
  return told as Times
}

function standardFacts(value: Buffer) {
  const standard = decodeStandardInformation(value)
  const { times, flags, usn, ...others } = standard
  return {
    ...timesOf(times),
    flags: fileFlagNames(flags),
    ...others,
    ...(usn !== undefined && { usn: BigInt.asUintN(64, usn) }),
    caseSensitive: isCaseSensitive(standard),
  }
}

function nameFacts({
  name,
  namespace,
  parent,
  times,
  allocated,
  size,
  flags,
  tagOrEaSize,
}: FileName): NameFacts {
  const isReparsePoint = (flags & FILE_FLAG.REPARSE_POINT) !== 0
  return {
    name,
    namespace: namespaceName(namespace),
    parent,
    ...timesOf(times),
    allocated,
    size,
    flags: fileFlagNames(flags),
    ...(isReparsePoint && { reparseTag: reparseTagName(tagOrEaSize) }),
    ...(!isReparsePoint && tagOrEaSize !== 0 && { eaSize: tagOrEaSize }),
  }
}

type Decode = <T>(
  attribute: FileAttribute | undefined,
  decoder: (value: Buffer) => T,
) => Promise<T | undefined>

/** Those are system files; no other file is read for it. */
async function interixLink(
  decode: Decode,
  file: NtfsFile,
  standard: StandardFacts | undefined,
): Promise<string | undefined> {
  const data = findAttribute(file, ATTRIBUTE.DATA)
  return standard?.flags.includes('system') && data && data.sizes.data <= INTERIX_LINK_SIZE
    ? decode(data, decodeInterixLink)
    : undefined
}

async function pathFacts(volume: NtfsVolume, file: NtfsFile): Promise<FileFacts['paths']> {
  // Its own name is a dot.
  if (file.reference.record === RECORD.ROOT) return [{ path: '/', state: 'live' }]
  const paths = await pathsOf(file, createPathFinder(volume))
  return paths.map((path) => ({ path: `/${formatPath(path)}`, state: path.state }))
}

async function namesOf(
  volume: NtfsVolume,
  file: NtfsFile,
  decode: Decode,
  complain: (what: string) => void,
): Promise<FileFacts['names']> {
  const names: FileFacts['names'][number][] = []
  for (const attribute of file.attributes) {
    if (attribute.type !== ATTRIBUTE.FILE_NAME) continue
    const fileName = await decode(attribute, decodeFileName)
    if (fileName)
      names.push({ ...nameFacts(fileName), entry: await entryFacts(volume, file, fileName, complain) })
  }
  return names
}

async function entryFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  fileName: FileName,
  complain: (what: string) => void,
): Promise<EntryFacts | null> {
  if (file.base.base) return null
  try {
    const found = await findParentEntry(volume, file, fileName)
    return found ? { ...nameFacts(found.fileName), source: found.source } : null
  } catch (error) {
    complain(`the index of its parent, record ${fileName.parent.record}: ${(error as Error).message}`)
    return null
  }
}

async function securityFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<SecurityFacts | undefined> {
  try {
    const found = await readFileSecurity(volume, file, ({ message }) => complain(message))
    if (!found) return undefined
    const descriptor = decodeSecurityDescriptor(found.descriptor)
    for (const complaint of descriptor.complaints) complain(`its security descriptor: ${complaint}`)
    const { owner, group } = descriptor
    return {
      id: found.id ?? null,
      ...present('owner', owner),
      ...present('group', group),
      sddl: formatSddl(descriptor),
    }
  } catch (error) {
    complain(`its security descriptor cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

function objectIdFacts(value: Buffer) {
  const { origin, ...ids } = decodeObjectId(value)
  return {
    ...ids,
    ...(origin && {
      made: { time: formatFiletime(origin.time), ...(origin.mac !== undefined && { mac: origin.mac }) },
    }),
  }
}

function reparseFacts(value: Buffer) {
  const { tag, data, ...others } = decodeReparsePoint(value)
  return {
    tag: BigInt(tag),
    ...others,
    size: data.length,
    ...(tag === REPARSE_TAG.WOF && { wof: decodeWofReparseData(data) }),
  }
}

/** Every index of a file: names of a directory, or views like $SII of $Secure. */
async function indexFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<IndexFacts[]> {
  const found: IndexFacts[] = []
  for (const { type, name } of file.attributes) {
    if (type !== ATTRIBUTE.INDEX_ROOT) continue
    try {
      const index = openFileIndex(volume, file, name, ({ message }) => complain(message))
      const shape = await measureIndex(index)
      if (shape.unreached > 0) complain(`${index.name}: ${shape.unreached} blocks in use are not in the tree`)
      if (shape.reachedFree > 0)
        complain(`${index.name}: ${shape.reachedFree} blocks of the tree are free by its $BITMAP`)
      const slackEntries = name === NAME_INDEX ? await countSlack(volume, file) : undefined
      found.push({ name, ...shape, ...(slackEntries !== undefined && { slackEntries }) })
    } catch (error) {
      complain((error as Error).message)
    }
  }
  return found
}

async function countSlack(volume: NtfsVolume, file: NtfsFile): Promise<number> {
  let count = 0
  for await (const batch of carveDirectory(volume, file)) count += batch.filter(({ live }) => !live).length
  return count
}
