import type { ByteSource } from '../byte-source.js'
import { decodeAttributeList, LARGEST_ATTRIBUTE_LIST } from './attribute-list.js'
import { ATTRIBUTE } from './attribute-type.js'
import type { Geometry } from './boot-sector.js'
import { type FileAttribute, joinAttributes, type PlacedAttribute } from './file-attribute.js'
import { NtfsError, type Report } from './finding.js'
import { decodeRecord, type MftRecord } from './record.js'
import { type NtfsStream, openStream } from './stream.js'

/** The records of $MFT that every volume has, and that its mirror repeats. */
export const MFT_RECORD = 0

/**
 * Opens $MFT:$DATA, which says itself where it lies: record 0 is where the boot sector says, or in the mirror, and the
 * first extent leads to the records with the further ones. What cannot be reached of it is reported and left out.
 * @throws {NtfsError} when neither record 0 nor its copy has a $DATA to begin with
 */
export async function openMft(source: ByteSource, geometry: Geometry, report: Report): Promise<NtfsStream> {
  const base = await readRecord0(source, geometry, report)
  const complain = (what: string) => report({ message: `$MFT: ${what}`, record: MFT_RECORD })
  const own = base.attributes.map((attribute): PlacedAttribute => ({ record: MFT_RECORD, attribute }))
  const open = (attributes: readonly PlacedAttribute[], say: (what: string) => void) =>
    openStream(source, geometry, dataOf(attributes, geometry, say), '$MFT')
  const list = own.find(({ attribute }) => attribute.type === ATTRIBUTE.ATTRIBUTE_LIST)
  if (!list) return open(own, complain)
  const found = await readExtents(source, geometry, own, list, complain, (attributes) =>
    open(attributes, () => {}),
  )
  return open(found, complain)
}

async function readRecord0(source: ByteSource, geometry: Geometry, report: Report): Promise<MftRecord> {
  const { mftLcn, mirrorLcn, clusterSize } = geometry
  try {
    return await record0At(source, geometry, BigInt(mftLcn) * BigInt(clusterSize))
  } catch (error) {
    const offset = BigInt(mirrorLcn) * BigInt(clusterSize)
    let mirror: MftRecord
    try {
      mirror = await record0At(source, geometry, offset)
    } catch {
      throw error
    }
    report({
      message: `${(error as Error).message}; its copy in $MFTMirr is used`,
      record: MFT_RECORD,
      offset,
    })
    return mirror
  }
}

async function record0At(source: ByteSource, { recordSize }: Geometry, offset: bigint): Promise<MftRecord> {
  const raw = Buffer.from(await source.read(offset, recordSize))
  if (raw.length < recordSize) throw new NtfsError('the image ends before $MFT', offset)
  const record = decodeRecord(raw, MFT_RECORD)
  if (record.torn.length > 0) throw new NtfsError('record 0 is torn', offset)
  if (!record.attributes.some(isBeginning))
    throw new NtfsError('record 0 does not say where $MFT begins', offset)
  return record
}

const isData = ({ attribute }: PlacedAttribute) =>
  attribute.type === ATTRIBUTE.DATA && attribute.name === '' && !attribute.resident
const isBeginning = (attribute: MftRecord['attributes'][number]) =>
  isData({ record: MFT_RECORD, attribute }) && !attribute.resident && attribute.lowestVcn === 0

const dataOf = (
  attributes: readonly PlacedAttribute[],
  geometry: Geometry,
  complain: (what: string) => void,
): FileAttribute => joinAttributes(attributes.filter(isData), geometry.clusterSize, complain)[0]!

/** Extents may lead to one another in any order: records are tried until a pass finds nothing more. */
async function readExtents(
  source: ByteSource,
  geometry: Geometry,
  own: readonly PlacedAttribute[],
  list: PlacedAttribute,
  complain: (what: string) => void,
  open: (attributes: readonly PlacedAttribute[]) => NtfsStream,
): Promise<readonly PlacedAttribute[]> {
  const found = [...own]
  let waiting = await listedRecords(source, geometry, list, complain)
  for (let before = -1; waiting.length !== before && waiting.length > 0; ) {
    before = waiting.length
    const mft = open(found)
    const unread: number[] = []
    for (const number of waiting) {
      const record = await tryRecord(mft, geometry.recordSize, number)
      if (record?.base?.record !== MFT_RECORD) unread.push(number)
      else found.push(...record.attributes.map((attribute) => ({ record: number, attribute })))
    }
    waiting = unread
  }
  if (waiting.length > 0)
    complain(
      `records ${waiting.join(', ')}, which say where it goes on, cannot be read; what they lead to is missing`,
    )
  return found
}

async function listedRecords(
  source: ByteSource,
  geometry: Geometry,
  list: PlacedAttribute,
  complain: (what: string) => void,
): Promise<number[]> {
  try {
    const whole = joinAttributes([list], geometry.clusterSize, complain)[0]!
    if (whole.sizes.data > LARGEST_ATTRIBUTE_LIST) throw new NtfsError(`it claims ${whole.sizes.data} bytes`)
    const stream = openStream(source, geometry, whole, '$MFT:$ATTRIBUTE_LIST')
    const { entries, complaints } = decodeAttributeList(
      whole.value ?? Buffer.from(await stream.read(0n, Number(stream.size))),
    )
    for (const complaint of complaints) complain(complaint)
    const records = entries.filter(({ type, name }) => type === ATTRIBUTE.DATA && name === '')
    return [...new Set(records.map(({ holder }) => holder.record))].filter((number) => number !== MFT_RECORD)
  } catch (error) {
    complain(`its attribute list cannot be read: ${(error as Error).message}`)
    return []
  }
}

async function tryRecord(
  mft: NtfsStream,
  recordSize: number,
  number: number,
): Promise<MftRecord | undefined> {
  try {
    return decodeRecord(Buffer.from(await mft.read(BigInt(number) * BigInt(recordSize), recordSize)), number)
  } catch {
    return undefined
  }
}
