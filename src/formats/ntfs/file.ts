import type { Attribute } from './attribute.js'
import { type AttributeListEntry, decodeAttributeList, LARGEST_ATTRIBUTE_LIST } from './attribute-list.js'
import { ATTRIBUTE, attributeTypeName } from './attribute-type.js'
import type { FileAttribute, PlacedAttribute } from './file-attribute.js'
import { joinAttributes } from './file-attribute.js'
import { type FileReference, isSameFile } from './file-reference.js'
import { type Finding, NtfsError } from './finding.js'
import { isInUse, type MftRecord, RECORD_FLAG } from './record.js'

/** A file: its base record and all attributes, wherever they stand. */
export interface NtfsFile {
  readonly reference: FileReference
  readonly base: MftRecord
  /** Records that hold further attributes, in the order of the attribute list. */
  readonly extensions: readonly MftRecord[]
  readonly attributes: readonly FileAttribute[]
  /** Of the records, and of how they fit. */
  readonly findings: readonly Finding[]
}

/**
 * Records that a list names in vain, as many as a list of Windows has room for: one that is of the file is of no other,
 * but those that are not may be named by each.
 */
const MOST_LOST = 8192
/** What is said of one file. */
const MOST_FINDINGS = 1000

export interface FileParts {
  readonly clusterSize: number
  record(number: number): Promise<MftRecord>
  /** Reads a stream whole. @throws when it cannot be read */
  read(attribute: FileAttribute): Promise<Buffer>
}

/**
 * Puts a file together. An attribute list that cannot be read, or entries that lead nowhere, cost what they lead to.
 * @throws {NtfsError} when the record belongs to another file
 */
export async function assembleFile(base: MftRecord, parts: FileParts): Promise<NtfsFile> {
  const reference = { record: base.number, sequence: base.sequence }
  if (base.base)
    throw new NtfsError(
      `record ${base.number} is no file, it holds attributes of record ${base.base.record}`,
      undefined,
      `${base.base.record} is the file`,
    )
  const findings: Finding[] = [...base.findings]
  const note = (finding: Finding) => {
    if (findings.length < MOST_FINDINGS) findings.push(finding)
    else if (findings.length === MOST_FINDINGS)
      findings.push({
        message: `record ${base.number}: more is wrong with it than is told`,
        record: base.number,
      })
  }
  const complain = (what: string) => note({ message: `record ${base.number}: ${what}`, record: base.number })
  const own = base.attributes.map((attribute): PlacedAttribute => ({ record: base.number, attribute }))
  const listed = await readList(own, parts, complain)
  if (!listed)
    return {
      reference,
      base,
      extensions: [],
      attributes: joinAttributes(own, parts.clusterSize, complain),
      findings,
    }
  const extensions = await fetchExtensions(base, listed, parts, complain)
  for (const extension of extensions.values()) extension.findings.forEach(note)
  const placed = collect(base, extensions, listed, complain)
  return {
    reference,
    base,
    extensions: [...extensions.values()],
    attributes: joinAttributes(placed, parts.clusterSize, complain),
    findings,
  }
}

/** @returns undefined where there is none, or none that can be read */
async function readList(
  own: readonly PlacedAttribute[],
  parts: FileParts,
  complain: (what: string) => void,
): Promise<readonly AttributeListEntry[] | undefined> {
  const lists = own.filter(({ attribute }) => attribute.type === ATTRIBUTE.ATTRIBUTE_LIST)
  if (lists.length === 0) return undefined
  const list = joinAttributes(lists, parts.clusterSize, complain)[0]!
  if (list.sizes.data > LARGEST_ATTRIBUTE_LIST) {
    complain(`its attribute list claims ${list.sizes.data} bytes and is not read`)
    return undefined
  }
  try {
    const { entries, complaints } = decodeAttributeList(list.value ?? (await parts.read(list)))
    for (const complaint of complaints) complain(complaint)
    return entries
  } catch (error) {
    complain(`its attribute list cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

/** By record number. Lists that stand in extension records are never followed, so nothing goes in circles. */
async function fetchExtensions(
  base: MftRecord,
  entries: readonly AttributeListEntry[],
  parts: FileParts,
  complain: (what: string) => void,
): Promise<Map<number, MftRecord>> {
  const extensions = new Map<number, MftRecord>()
  const tried = new Set<number>([base.number])
  for (const { holder } of entries) {
    if (tried.has(holder.record)) continue
    if (tried.size - extensions.size > MOST_LOST) {
      complain(`more than ${MOST_LOST} records of its attribute list are none of it; the rest is not read`)
      break
    }
    tried.add(holder.record)
    try {
      const record = await parts.record(holder.record)
      if (belongs(record, holder, base)) extensions.set(holder.record, record)
      else complain(`record ${holder.record}, which held attributes of it, belongs to another file by now`)
    } catch (error) {
      complain(
        `record ${holder.record}, which holds attributes of it, cannot be read: ${(error as Error).message}`,
      )
    }
  }
  return extensions
}

/** A deleted file's records count one up from what the references to them say. */
function belongs(record: MftRecord, holder: FileReference, base: MftRecord): boolean {
  if (!record.base) return false
  const sequences = isInUse(base) ? [0] : [0, 1]
  return (
    sequences.some((more) => isSameFile(holder, record.number, record.sequence - more)) &&
    sequences.some((more) => isSameFile(record.base!, base.number, base.sequence - more))
  )
}

function collect(
  base: MftRecord,
  extensions: ReadonlyMap<number, MftRecord>,
  entries: readonly AttributeListEntry[],
  complain: (what: string) => void,
): PlacedAttribute[] {
  const placed: PlacedAttribute[] = []
  const taken = new Set<Attribute>()
  for (const entry of entries) {
    const record = entry.holder.record === base.number ? base : extensions.get(entry.holder.record)
    if (!record) continue
    const attribute = findListed(record, entry)
    if (!attribute)
      complain(
        `record ${record.number} lacks the ${attributeTypeName(entry.type)} that its attribute list names`,
      )
    else if (!taken.has(attribute)) {
      taken.add(attribute)
      placed.push({ record: record.number, attribute })
    }
  }
  const unlisted: PlacedAttribute[] = []
  for (const record of [base, ...extensions.values()])
    for (const attribute of record.attributes) {
      if (taken.has(attribute)) continue
      unlisted.push({ record: record.number, attribute })
      const where = record === base ? '' : ` in record ${record.number}`
      if (record !== base || attribute.type !== ATTRIBUTE.ATTRIBUTE_LIST)
        complain(`its ${attributeTypeName(attribute.type)}${where} is not in its attribute list`)
    }
  // Where two are alike, the one that is listed counts.
  return [...placed, ...unlisted].sort((a, b) => a.attribute.type - b.attribute.type)
}

function findListed(record: MftRecord, entry: AttributeListEntry): Attribute | undefined {
  const alike = record.attributes.filter(({ type, name }) => type === entry.type && name === entry.name)
  return (
    alike.find(({ id }) => id === entry.id) ??
    alike.find((attribute) => (attribute.resident ? 0 : attribute.lowestVcn) === entry.lowestVcn)
  )
}

export const isDirectory = (file: NtfsFile): boolean =>
  (file.base.flags & RECORD_FLAG.DIRECTORY) !== 0 ||
  findAttribute(file, ATTRIBUTE.INDEX_ROOT, '$I30') !== undefined

/** The first of this type and name. */
export const findAttribute = (file: NtfsFile, type: number, name = ''): FileAttribute | undefined =>
  file.attributes.find((attribute) => attribute.type === type && attribute.name === name)
