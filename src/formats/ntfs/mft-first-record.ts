import type { ByteSource } from '../byte-source.js'
import type { NonResidentAttribute } from './attribute.js'
import { ATTRIBUTE } from './attribute-type.js'
import type { Geometry } from './boot-sector.js'
import { type Finding, NtfsError } from './finding.js'
import { decodeRecord, type MftRecord } from './record.js'

/** The record of $MFT itself. */
export const MFT_RECORD = 0

const ALLOCATED_SIZE = 28

/** Record 0 or its copy, which says where $MFT begins. */
interface Candidate {
  readonly offset: bigint
  readonly record?: MftRecord
  /** Why there is none, or why it is not to be trusted. */
  readonly wrong?: Error
}

/**
 * Finds record 0 where the boot sector says, or in the mirror.
 * @param doubtful whether one will do that has damage in it, or that does not lead to itself
 * @throws {NtfsError} what is wrong with it where the boot sector says
 */
export async function findFirstRecord(
  source: ByteSource,
  geometry: Geometry,
  doubtful: boolean,
): Promise<{ record: MftRecord; complaint: Finding | undefined }> {
  const own = await candidateAt(source, geometry, geometry.mftLcn)
  const runs = own.record?.attributes.find(isBeginning)?.runs
  const first =
    own.wrong || runs?.[0]?.lcn === geometry.mftLcn
      ? own
      : { ...own, wrong: new NtfsError('record 0 places $MFT elsewhere', own.offset) }
  if (first.record && !first.wrong) return { record: first.record, complaint: undefined }
  const mirror = await candidateAt(source, geometry, geometry.mirrorLcn)
  const { message } = first.wrong!
  const complaint = (what: string, offset: bigint) => ({
    message: `${message}; ${what}`,
    record: MFT_RECORD,
    offset,
  })
  if (mirror.record && (!mirror.wrong || (doubtful && !first.record)))
    return { record: mirror.record, complaint: complaint('its copy in $MFTMirr is used', mirror.offset) }
  if (first.record && doubtful)
    return { record: first.record, complaint: complaint('it is used all the same', first.offset) }
  throw first.wrong!
}

async function candidateAt(source: ByteSource, geometry: Geometry, lcn: number): Promise<Candidate> {
  const { clusterSize, recordSize } = geometry
  const offset = BigInt(lcn) * BigInt(clusterSize)
  try {
    const raw = Buffer.from(await source.read(offset, recordSize))
    if (raw.length < recordSize) throw new NtfsError('the image ends before $MFT', offset)
    const record = decodeRecord(raw, MFT_RECORD)
    if (!record.attributes.some(isBeginning))
      throw new NtfsError('record 0 does not say where $MFT begins', offset)
    const doubt = doubtOf(record, recordSize)
    return { offset, record, ...(doubt !== undefined && { wrong: new NtfsError(doubt, offset) }) }
  } catch (error) {
    return { offset, wrong: error as Error }
  }
}

function doubtOf({ bytes, torn, findings }: MftRecord, recordSize: number): string | undefined {
  const allocated = bytes.readUInt32LE(ALLOCATED_SIZE)
  if (torn.length > 0) return 'record 0 is torn'
  if (allocated !== recordSize) return `record 0 is one of ${allocated} bytes, not ${recordSize}`
  return findings[0]?.message
}

const isBeginning = (attribute: MftRecord['attributes'][number]): attribute is NonResidentAttribute =>
  attribute.type === ATTRIBUTE.DATA &&
  attribute.name === '' &&
  !attribute.resident &&
  attribute.lowestVcn === 0
