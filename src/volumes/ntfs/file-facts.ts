import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import {
  decodeEaInformation,
  decodeExtendedAttributes,
  type ExtendedAttributesInformation,
  type LinuxMetadata,
  linuxMetadata,
} from '../../formats/ntfs/extended-attributes.js'
import { findAttribute, type NtfsFile } from '../../formats/ntfs/file.js'
import { fileFlagNames } from '../../formats/ntfs/file-flags.js'
import { formatFiletime } from '../../formats/ntfs/filetime.js'
import type { Finding } from '../../formats/ntfs/finding.js'
import { decodeInterixLink, INTERIX_LINK_SIZE } from '../../formats/ntfs/interix-link.js'
import { decodeObjectId } from '../../formats/ntfs/object-id.js'
import { createPathFinder, formatPath, pathsOf } from '../../formats/ntfs/parent-path.js'
import { decodeReparsePoint, REPARSE_TAG } from '../../formats/ntfs/reparse-point.js'
import { decodeStandardInformation, isCaseSensitive } from '../../formats/ntfs/standard-information.js'
import { type NtfsVolume, RECORD } from '../../formats/ntfs/volume.js'
import { decodeWofReparseData } from '../../formats/ntfs/wof/reparse-data.js'
import { createDecode, type Decode } from './decode-value.js'
import { type IndexFacts, indexFacts } from './index-facts.js'
import { type LinkFacts, linkFacts } from './name-facts.js'
import { type SecurityFacts, securityFacts } from './security-facts.js'
import { timeFacts } from './time-facts.js'

/** What is told of a file beside its attribute table. What it does not have is absent. */
export interface FileFacts {
  readonly paths: readonly { path: string; state: string }[]
  readonly security?: SecurityFacts
  readonly standardInformation?: StandardFacts
  readonly names: readonly LinkFacts[]
  readonly objectId?: ReturnType<typeof objectIdFacts>
  readonly reparsePoint?: ReturnType<typeof reparseFacts>
  /** Where a symlink leads that Interix or ntfs-3g made. */
  readonly interixLink?: string
  readonly eaInformation?: ExtendedAttributesInformation
  readonly extendedAttributes?: readonly { name: string; needed: boolean; value: Buffer }[]
  readonly linux?: LinuxMetadata
  readonly indexes: readonly IndexFacts[]
}

type StandardFacts = ReturnType<typeof standardFacts>

/** Decodes what the attributes of a file hold. What cannot be read is complained about and left out. */
export async function fileFacts(
  volume: NtfsVolume,
  file: NtfsFile,
  complain: (what: string) => void,
): Promise<FileFacts> {
  const report = ({ message }: Finding) => complain(message)
  const decode = createDecode(volume, complain)
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
    names: await linkFacts(volume, file, decode, complain),
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

function standardFacts(value: Buffer) {
  const standard = decodeStandardInformation(value)
  const { times, flags, usn, ...others } = standard
  return {
    ...timeFacts(times),
    flags: fileFlagNames(flags),
    ...others,
    ...(usn !== undefined && { usn: BigInt.asUintN(64, usn) }),
    caseSensitive: isCaseSensitive(standard),
  }
}

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

async function pathFacts(volume: NtfsVolume, file: NtfsFile): Promise<FileFacts['paths']> {
  // Its own name is a dot.
  if (file.reference.record === RECORD.ROOT) return [{ path: '/', state: 'live' }]
  const paths = await pathsOf(file, createPathFinder(volume))
  return paths.map((path) => ({ path: `/${formatPath(path)}`, state: path.state }))
}
