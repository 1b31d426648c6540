import type { Attribute, NonResidentAttribute, StreamSizes } from './attribute.js'
import { ATTRIBUTE, attributeTypeName } from './attribute-type.js'
import type { ClusterRun } from './runs.js'

/** An attribute and the record that it stands in. */
export interface PlacedAttribute<A extends Attribute = Attribute> {
  readonly record: number
  readonly attribute: A
}

/** An attribute of a file, whole: a value in the record, or all extents of a stream. */
export interface FileAttribute {
  readonly type: number
  readonly name: string
  readonly flags: number
  /** The record and the id of its first extent. */
  readonly record: number
  readonly id: number
  /** Of a resident one. */
  readonly value: Buffer | undefined
  /** Of a resident one: whether an index holds it. */
  readonly indexed: boolean
  /** Of one in clusters, ascending. */
  readonly extents: readonly PlacedAttribute<NonResidentAttribute>[]
  /** Of all extents, ascending, not overlapping. VCNs that no run covers belong to an extent that is missing. */
  readonly runs: readonly ClusterRun[]
  /** VCN behind the last run. */
  readonly endVcn: number
  readonly sizes: StreamSizes
  /** Clusters of a compression unit; 0: not compressed. */
  readonly compressionUnit: number
}

/** Runs that are kept of one stream: more than any attribute list of Windows has room for. */
const MOST_RUNS = 1 << 22
const LARGEST_SIZE = (1n << 63n) - 1n
/** Of these a record has several under one name. */
const REPEATED = new Set<number>([ATTRIBUTE.FILE_NAME])

/**
 * Joins the extents of each stream by type and name: ids repeat from record to record.
 * @param clusterSize in bytes
 * @returns in the order of the first of each
 */
export function joinAttributes(
  placed: readonly PlacedAttribute[],
  clusterSize: number,
  complain: (what: string) => void,
): FileAttribute[] {
  const joined: (FileAttribute | PlacedAttribute<NonResidentAttribute>[])[] = []
  const streams = new Map<string, PlacedAttribute<NonResidentAttribute>[]>()
  const seen = new Set<string>()
  const begun = new Set<string>()
  for (const { record, attribute } of placed) {
    const key = `${attribute.type} ${attribute.name}`
    if (attribute.resident || attribute.lowestVcn === 0) {
      if (seen.has(key) && !REPEATED.has(attribute.type))
        complain(`it has ${label(attribute)} twice; the second can be read by its id`)
      seen.add(key)
    }
    if (attribute.resident) {
      joined.push(ofValue(record, attribute.value, attribute))
      continue
    }
    const extents = streams.get(key)
    if (extents && !(attribute.lowestVcn === 0 && begun.has(key))) extents.push({ record, attribute })
    else {
      const alone = [{ record, attribute }]
      // A second beginning stands alone: later extents belong to the first.
      if (!extents) streams.set(key, alone)
      joined.push(alone)
    }
    if (attribute.lowestVcn === 0) begun.add(key)
  }
  return joined.map((one) => (Array.isArray(one) ? ofExtents(one, clusterSize, complain) : one))
}

function ofValue(record: number, value: Buffer, attribute: Attribute): FileAttribute {
  const size = BigInt(value.length)
  return {
    type: attribute.type,
    name: attribute.name,
    flags: attribute.flags,
    record,
    id: attribute.id,
    value,
    indexed: attribute.resident && attribute.indexed,
    extents: [],
    runs: [],
    endVcn: 0,
    sizes: { allocated: size, data: size, initialised: size },
    compressionUnit: 0,
  }
}

function ofExtents(
  unsorted: readonly PlacedAttribute<NonResidentAttribute>[],
  clusterSize: number,
  complain: (what: string) => void,
): FileAttribute {
  const extents = [...unsorted].sort((a, b) => a.attribute.lowestVcn - b.attribute.lowestVcn)
  const first = extents[0]!
  const { runs, endVcn } = joinRuns(extents, complain)
  const mapped = BigInt(endVcn) * BigInt(clusterSize)
  const { type, name, flags, id, compressionUnit, lowestVcn } = first.attribute
  if (lowestVcn !== 0)
    complain(`the first extent of ${label(first.attribute)} is missing, and its size with it`)
  return {
    type,
    name,
    flags,
    record: first.record,
    id,
    value: undefined,
    indexed: false,
    extents,
    runs,
    endVcn,
    sizes:
      lowestVcn === 0
        ? plausible(first.attribute, mapped, complain)
        : { allocated: mapped, data: mapped, initialised: mapped },
    compressionUnit,
  }
}

/** Where extents overlap, the earlier one counts. */
function joinRuns(
  extents: readonly PlacedAttribute<NonResidentAttribute>[],
  complain: (what: string) => void,
): { runs: readonly ClusterRun[]; endVcn: number } {
  if (extents.length === 1) return extents[0]!.attribute
  const runs: ClusterRun[] = []
  let endVcn = 0
  for (const { attribute } of extents) {
    const { lowestVcn } = attribute
    if (lowestVcn > endVcn)
      complain(`an extent of ${label(attribute)} is missing: clusters ${endVcn} to ${lowestVcn - 1}`)
    if (lowestVcn < endVcn)
      complain(`extents of ${label(attribute)} overlap at cluster ${lowestVcn}; the earlier one counts`)
    for (const run of attribute.runs) {
      const behind = run.vcn + run.length
      if (behind <= endVcn) continue
      if (runs.length === MOST_RUNS) {
        complain(`${label(attribute)} has more than ${MOST_RUNS} runs; the rest is not read`)
        return { runs, endVcn }
      }
      const cut = Math.max(0, endVcn - run.vcn)
      runs.push(
        cut === 0
          ? run
          : { vcn: endVcn, lcn: run.lcn === undefined ? undefined : run.lcn + cut, length: run.length - cut },
      )
      endVcn = behind
    }
  }
  return { runs, endVcn }
}

function plausible(
  attribute: NonResidentAttribute,
  mapped: bigint,
  complain: (what: string) => void,
): StreamSizes {
  const { sizes } = attribute
  let { data, initialised } = sizes
  if (data > LARGEST_SIZE) {
    complain(`${label(attribute)} claims ${data} bytes; the ${mapped} that its runs cover are read`)
    data = mapped
  } else if (data > mapped) complain(`${label(attribute)} claims ${data} bytes, its runs cover ${mapped}`)
  if (initialised > data) {
    complain(`${label(attribute)} claims ${initialised} initialised bytes of ${data}`)
    initialised = data
  }
  return { ...sizes, data, initialised }
}

/** `$DATA`, or `$DATA:name`. */
const label = ({ type, name }: Attribute) => `${attributeTypeName(type)}${name && `:${name}`}`
