import type { ByteSource } from '../byte-source.js'
import { decodeAttributeList, LARGEST_ATTRIBUTE_LIST } from './attribute-list.js'
import { ATTRIBUTE } from './attribute-type.js'
import type { Geometry } from './boot-sector.js'
import { type FileAttribute, joinAttributes, type PlacedAttribute } from './file-attribute.js'
import { NtfsError, type Report } from './finding.js'
import { MFT_RECORD } from './mft-first-record.js'
import { decodeRecord, type MftRecord } from './record.js'
import { type NtfsStream, openStream } from './stream.js'

/**
 * Opens $MFT:$DATA, which says itself where it lies: its first extent leads to the records with the further ones. What
 * cannot be reached of it is reported and left out.
 * @param base record 0
 */
export async function openMft(
  source: ByteSource,
  geometry: Geometry,
  base: MftRecord,
  report: Report,
): Promise<NtfsStream> {
  const complain = (what: string) => report({ message: `$MFT: ${what}`, record: MFT_RECORD })
  const own = base.attributes.map((attribute): PlacedAttribute => ({ record: MFT_RECORD, attribute }))
  const open = (attributes: readonly PlacedAttribute[], say: (what: string) => void) =>
    openStream(source, geometry, dataOf(attributes, geometry, say), '$MFT')
  const list = own.find(({ attribute }) => attribute.type === ATTRIBUTE.ATTRIBUTE_LIST)
  if (!list) return open(own, complain)
  const listed = await listedRecords(source, geometry, list, complain)
  const found = await readExtents(geometry.recordSize, own, listed, complain, (attributes) =>
    open(attributes, () => {}),
  )
  return open(found, complain)
}

const isData = ({ attribute }: PlacedAttribute) =>
  attribute.type === ATTRIBUTE.DATA && attribute.name === '' && !attribute.resident
const dataOf = (
  attributes: readonly PlacedAttribute[],
  geometry: Geometry,
  complain: (what: string) => void,
): FileAttribute => joinAttributes(attributes.filter(isData), geometry.clusterSize, complain)[0]!

/** Records that are tried, those that are tried again counted: each one may lead to just one more. */
const MOST_TRIES = 1 << 20
/** Records that a complaint names. */
const MOST_NAMED = 20

/**
 * Extents may lead to one another in any order: records behind what is mapped are tried again once more is, until that
 * maps nothing new.
 */
async function readExtents(
  recordSize: number,
  own: readonly PlacedAttribute[],
  listed: readonly number[],
  complain: (what: string) => void,
  open: (attributes: readonly PlacedAttribute[]) => NtfsStream,
): Promise<readonly PlacedAttribute[]> {
  const found = [...own]
  const lost: number[] = []
  let waiting = listed
  let tries = 0
  for (let before = 0; found.length > before && tries < MOST_TRIES; ) {
    before = found.length
    tries += waiting.length
    const mft = open(found)
    const unmapped: number[] = []
    for (const number of waiting) {
      const raw = await tryRead(mft, recordSize, number)
      const record = raw && tryDecode(raw, number)
      if (!raw) unmapped.push(number)
      else if (record?.base?.record !== MFT_RECORD) lost.push(number)
      else found.push(...record.attributes.map((attribute) => ({ record: number, attribute })))
    }
    waiting = unmapped
  }
  lost.push(...waiting)
  if (lost.length > 0) {
    const named = lost.slice(0, MOST_NAMED).join(', ') + (lost.length > MOST_NAMED ? ' and more' : '')
    complain(`records ${named}, which say where it goes on, cannot be read; what they lead to is missing`)
  }
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

/** @returns undefined where nothing is mapped, or cannot be read */
async function tryRead(mft: NtfsStream, recordSize: number, number: number): Promise<Buffer | undefined> {
  try {
    const bytes = await mft.read(BigInt(number) * BigInt(recordSize), recordSize)
    return bytes.length < recordSize ? undefined : Buffer.from(bytes)
  } catch {
    return undefined
  }
}

function tryDecode(raw: Buffer, number: number): MftRecord | undefined {
  try {
    return decodeRecord(raw, number)
  } catch {
    return undefined
  }
}
