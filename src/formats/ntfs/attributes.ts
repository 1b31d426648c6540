import { ATTRIBUTE_FLAG, type Attribute, type NonResidentAttribute, type StreamSizes } from './attribute.js'
import { ATTRIBUTE, attributeTypeName, isAttributeType } from './attribute-type.js'
import { decodeRuns } from './runs.js'

/**
 * Attribute header, little-endian:
 *
 *      0  4  type code, ffffffff behind the last one     9  1  name length in UTF-16 units
 *      4  4  length with name and value                 10  2  name offset
 *      8  1  1: non-resident                            12  2  flags
 *                                                       14  2  id
 *     resident                    non-resident
 *     16  4  value length         16  8  lowest VCN          40  8  allocated size
 *     20  2  value offset         24  8  highest VCN         48  8  data size
 *     22  1  1: indexed           32  2  run list offset     56  8  initialised size
 *                                 34  2  compression unit    64  8  total allocated size
 */
const RESIDENT_SIZE = 24
const NON_RESIDENT_SIZE = 64
const COMPRESSED_SIZE = 72
const END = 0xffffffff
/** Exponents of compression units that are believed; 2^4 clusters is what every writer chooses. */
const LARGEST_UNIT = 6
const USUAL_UNIT = 4

export interface Attributes {
  readonly attributes: readonly Attribute[]
  readonly complaints: readonly string[]
}

/**
 * The attributes of a record, up to the first that is damaged.
 * @param record its bytes in use, fixups undone
 * @param first offset of the first attribute
 */
export function decodeAttributes(record: Buffer, first: number): Attributes {
  const attributes: Attribute[] = []
  const complaints: string[] = []
  const end = (complaint?: string): Attributes => {
    if (complaint !== undefined) complaints.push(`${complaint}; what follows is not read`)
    return { attributes, complaints }
  }
  let at = first
  if (at % 8 !== 0 || at < 42 || at > record.length) return end(`its first attribute would stand at ${at}`)
  while (at + 4 <= record.length) {
    const type = record.readUInt32LE(at)
    if (type === END) return end()
    if (at + 8 > record.length) break
    let length = record.readUInt32LE(at + 4)
    // Some writers leave what was there before in the upper half.
    if (length > record.length - at && (length & 0xffff) <= record.length - at) {
      complaints.push(
        `the attribute at ${at} states a length of 0x${length.toString(16)}; its lower half is taken`,
      )
      length &= 0xffff
    }
    if (length < RESIDENT_SIZE || length % 8 !== 0 || length > record.length - at)
      return end(`the attribute at ${at} states a length of ${length}`)
    const form = record[at + 8]!
    if (!isAttributeType(type))
      complaints.push(`the attribute at ${at} has a type that is not known, ${attributeTypeName(type)}`)
    else if (record[at + 9] !== 0 && type < ATTRIBUTE.DATA)
      complaints.push(`${attributeTypeName(type)} at ${at} bears a name, which none does`)
    if (form > 1) complaints.push(`the attribute at ${at} has a form that is not known, ${form}`)
    else {
      const attribute =
        form === 0 ? resident(record, at, length, complaints) : nonResident(record, at, length, complaints)
      if (typeof attribute === 'string')
        complaints.push(`${attributeTypeName(type)} at ${at} ${attribute}; it is passed over`)
      else attributes.push(attribute)
    }
    at += length
  }
  complaints.push(`its attributes have no end in its first ${record.length} bytes`)
  return { attributes, complaints }
}

/** @returns a text where it cannot be used: what is wrong */
function resident(record: Buffer, at: number, length: number, complaints: string[]): Attribute | string {
  const common = header(record, at, length, RESIDENT_SIZE)
  if (typeof common === 'string') return common
  const valueLength = record.readUInt32LE(at + 16)
  const valueOffset = record.readUInt16LE(at + 20)
  if (valueOffset < RESIDENT_SIZE || valueOffset + valueLength > length) {
    const what = `has a value of ${valueLength} bytes at ${valueOffset}, which leaves the attribute`
    if (valueLength > 0) return what
    complaints.push(`${attributeTypeName(common.type)} at ${at} ${what}`)
  }
  return {
    ...common,
    resident: true,
    indexed: (record[at + 22]! & 1) !== 0,
    value: record.subarray(at + valueOffset, at + valueOffset + valueLength),
  }
}

function nonResident(
  record: Buffer,
  at: number,
  length: number,
  complaints: string[],
): NonResidentAttribute | string {
  if (length < NON_RESIDENT_SIZE) return `is too short for one with clusters`
  const common = header(record, at, length, NON_RESIDENT_SIZE)
  if (typeof common === 'string') return common
  const lowestVcn = Number(record.readBigInt64LE(at + 16))
  const highestVcn = Number(record.readBigInt64LE(at + 24))
  if (lowestVcn < 0 || !Number.isSafeInteger(lowestVcn)) return `begins at VCN ${lowestVcn}`
  const runsOffset = record.readUInt16LE(at + 32)
  if (runsOffset < NON_RESIDENT_SIZE || runsOffset > length) return `has its run list at ${runsOffset}`
  const list = decodeRuns(record.subarray(at + runsOffset, at + length), lowestVcn)
  const complain = (what: string) => complaints.push(`${attributeTypeName(common.type)} at ${at}: ${what}`)
  for (const complaint of list.complaints) complain(complaint)
  // -1 and 0 both stand for "no clusters".
  if (list.endVcn !== highestVcn + 1 && !(list.endVcn === lowestVcn && highestVcn <= 0))
    complain(`its runs end before VCN ${list.endVcn}, its header says ${highestVcn + 1}`)
  const compressed = (common.flags & ATTRIBUTE_FLAG.COMPRESSION_METHOD) !== 0
  const isFirst = lowestVcn === 0
  const exponent = record.readUInt16LE(at + 34)
  if (isFirst && exponent !== 0 && !compressed && (common.flags & ATTRIBUTE_FLAG.SPARSE) === 0)
    complain(`it has a compression unit of 2^${exponent} clusters, and is not marked as compressed`)
  const withTotal =
    isFirst && (compressed || (common.flags & ATTRIBUTE_FLAG.SPARSE) !== 0) && length >= COMPRESSED_SIZE
  return {
    ...common,
    resident: false,
    lowestVcn,
    highestVcn,
    runs: list.runs,
    endVcn: list.endVcn,
    sizes: sizesOf(record, at, withTotal),
    compressionUnit: isFirst && compressed ? unitOf(exponent, complain) : 0,
  }
}

function sizesOf(record: Buffer, at: number, withTotal: boolean): StreamSizes {
  return {
    allocated: record.readBigUInt64LE(at + 40),
    data: record.readBigUInt64LE(at + 48),
    initialised: record.readBigUInt64LE(at + 56),
    ...(withTotal && { totalAllocated: record.readBigUInt64LE(at + 64) }),
  }
}

function unitOf(exponent: number, complain: (what: string) => void): number {
  if (exponent >= 1 && exponent <= LARGEST_UNIT) return 2 ** exponent
  complain(`a compression unit of 2^${exponent} clusters; 2^${USUAL_UNIT} is assumed`)
  return 2 ** USUAL_UNIT
}

function header(record: Buffer, at: number, length: number, size: number) {
  const nameLength = record[at + 9]!
  const nameOffset = record.readUInt16LE(at + 10)
  if (nameLength > 0 && (nameOffset < size || nameOffset + 2 * nameLength > length))
    return `has a name of ${nameLength} units at ${nameOffset}, which leaves the attribute`
  return {
    type: record.readUInt32LE(at),
    name: record.toString('utf16le', at + nameOffset, at + nameOffset + 2 * nameLength),
    flags: record.readUInt16LE(at + 12),
    id: record.readUInt16LE(at + 14),
    position: at,
    length,
  }
}
