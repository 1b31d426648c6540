import { ATTRIBUTE } from '../../formats/ntfs/attribute-type.js'
import { type ClusterUse, clusterUse } from '../../formats/ntfs/cluster-use.js'
import type { DirectoryEntry } from '../../formats/ntfs/directory.js'
import { findAttribute, type NtfsFile } from '../../formats/ntfs/file.js'
import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'
import type { FileName } from '../../formats/ntfs/file-name.js'
import { formerSequence, namesOf } from '../../formats/ntfs/parent-path.js'
import { isInUse } from '../../formats/ntfs/record.js'
import {
  decodeReparsePoint,
  LARGEST_REPARSE_POINT,
  type ReparsePoint,
} from '../../formats/ntfs/reparse-point.js'
import { type StandardInformation, standardInformationOf } from '../../formats/ntfs/standard-information.js'
import type { NtfsVolume } from '../../formats/ntfs/volume.js'
import type { FormatParts } from './listing.js'
import { TIMES } from './time-facts.js'

/** What the record of an entry tells. */
export interface Facts {
  /**
   * live: it is the entry's; stale: it has no such name in this directory; lost: it is in use, and no directory lists
   * it; reallocated: it has been given to another file, of which nothing is told; unused: the entry stands though its
   * file does not; deleted: both do not.
   */
  readonly state: 'live' | 'stale' | 'lost' | 'reallocated' | 'unused' | 'deleted' | 'unreadable'
  /** Why it cannot be read. */
  readonly reason?: string
  /** Times, and size, which the entry has otherwise than $STANDARD_INFORMATION and the unnamed $DATA. */
  readonly differs: readonly string[]
  readonly file?: NtfsFile
  readonly information?: StandardInformation
  /** All $FILE_NAME of the record. */
  readonly names: readonly FileName[]
  readonly streams: readonly ListedStream[]
  readonly reparse?: ReparsePoint
  /** Of a file that is not in use: what $Bitmap says of its clusters. */
  readonly clusters?: ClusterUse
}

/** A $DATA of a file, or an index. */
export interface ListedStream {
  /** 64-128-1; 64:128:name where another attribute has the same id. */
  readonly identifier: string
  /** Empty for the unnamed $DATA. */
  readonly name: string
  readonly type: number
  readonly id: number
  /** Of an index its root's. */
  readonly size: bigint
  readonly allocated: bigint
  readonly resident: boolean
}

const NOTHING = { differs: [], names: [], streams: [] } as const

/** Reads the record that an entry leads to. */
export async function readFacts({ volume, lost }: FormatParts, entry: DirectoryEntry): Promise<Facts> {
  try {
    const { record, sequence } = entry
    const base = await volume.record(record)
    const used = isInUse(base)
    const isOurs =
      sequence === 0 || base.sequence === sequence || (!used && formerSequence(base.sequence) === sequence)
    if (!isOurs) return { ...NOTHING, state: 'reallocated' }
    const file = await volume.file(record)
    const names = namesOf(file)
    const information = standardInformationOf(file)
    const reparse = await reparseOf(volume, file)
    return {
      state: stateOf(entry, used, names),
      differs: isOfIndex(entry) ? differencesOf(entry.fileName(), file, information) : [],
      file,
      ...(information && { information }),
      names,
      streams: streamsOf(file),
      ...(reparse && { reparse }),
      ...(!used && { clusters: await clusterUse(volume, runsOf(file)) }),
    }
  } catch (error) {
    const reason = (error as Error).message
    lost(`record ${entry.record} of ${entry.name}: ${reason}`)
    return { ...NOTHING, state: 'unreadable', reason }
  }
}

function stateOf(entry: DirectoryEntry, used: boolean, names: readonly FileName[]): Facts['state'] {
  if (!used) return entry.source === 'deleted' ? 'deleted' : 'unused'
  if (entry.source === 'lost') return 'lost'
  return isNamed(entry, names) ? 'live' : 'stale'
}

function isNamed(entry: DirectoryEntry, names: readonly FileName[]): boolean {
  const { parent } = entry.fileName()
  return names.some((name) => name.name === entry.name && name.parent.record === parent.record)
}

async function reparseOf(volume: NtfsVolume, file: NtfsFile): Promise<ReparsePoint | undefined> {
  const attribute = findAttribute(file, ATTRIBUTE.REPARSE_POINT)
  return attribute && decodeReparsePoint(await volume.read(attribute, LARGEST_REPARSE_POINT))
}

const isOfIndex = ({ source }: DirectoryEntry) => source === 'tree' || source === 'block'

/** Windows keeps the copies in the index late: a difference may be no more than that. */
function differencesOf(
  entry: FileName,
  file: NtfsFile,
  information: StandardInformation | undefined,
): string[] {
  const differs: string[] = information
    ? TIMES.filter((time) => entry.times[time] !== information.times[time])
    : []
  const data = findAttribute(file, ATTRIBUTE.DATA)
  if (data && data.sizes.data !== entry.size) differs.push('size')
  return differs
}

function streamsOf(file: NtfsFile): ListedStream[] {
  return file.attributes
    .filter(({ type }) => type === ATTRIBUTE.DATA || type === ATTRIBUTE.INDEX_ROOT)
    .map((attribute) => {
      const { type, id, name, sizes, value } = attribute
      return {
        identifier: identifierOf(file, attribute),
        name,
        type,
        id,
        size: sizes.data,
        allocated: sizes.allocated,
        resident: value !== undefined,
      }
    })
}

/** What leads to an attribute: its id where no other of its type has the same. */
function identifierOf({ reference, attributes }: NtfsFile, { type, id, name }: FileAttribute): string {
  const alike = attributes.filter((other) => other.type === type && other.id === id)
  return alike.length === 1 ? `${reference.record}-${type}-${id}` : `${reference.record}:${type}:${name}`
}

function* runsOf({ attributes }: NtfsFile) {
  for (const { type, runs } of attributes) if (type === ATTRIBUTE.DATA) yield* runs
}
