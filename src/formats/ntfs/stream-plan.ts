import { firstIndex } from '../address-space.js'
import { max, min } from '../min-max.js'
import type { FileAttribute } from './file-attribute.js'
import type { ClusterRun } from './runs.js'

/** What a stretch of a stream is, in ascending order and without gaps; offsets and lengths in bytes of the stream. */
export type Segment =
  | ClusterSegment
  | { readonly kind: 'zero'; readonly offset: bigint; readonly length: bigint; readonly why: ZeroReason }
  | { readonly kind: 'gap'; readonly offset: bigint; readonly length: bigint; readonly reason: string }
  | UnitSegment

/** Clusters one behind another, `place` bytes from the beginning of the volume. */
export interface ClusterSegment {
  readonly kind: 'clusters'
  readonly offset: bigint
  readonly length: bigint
  readonly place: bigint
}

/** What is wanted of a compression unit: the bytes of `runs`, one behind another, decompress to all of it. */
export interface UnitSegment {
  readonly kind: 'unit'
  readonly offset: bigint
  readonly length: bigint
  /** Where the unit begins in the stream, and its size in bytes. */
  readonly begin: bigint
  readonly size: number
  readonly runs: readonly ClusterRun[]
}

/** Never written at all, or not up to here: clusters beyond the initialised size hold what was there before. */
export type ZeroReason = 'hole' | 'uninitialised'

/** Bytes of a compression unit that is decompressed: Windows has 64 KiB at most. */
const LARGEST_UNIT = 1 << 20

const MISSING = 'runs of its compression unit are missing'

/** Where the clusters of a volume lie. */
export interface ClusterSpace {
  readonly clusterSize: number
  readonly clusterCount: number
}

/**
 * The segments of a stream in clusters between two of its offsets.
 * @param end not beyond the size of the stream
 */
export function* planStream(
  attribute: FileAttribute,
  space: ClusterSpace,
  start: bigint,
  end: bigint,
): Generator<Segment> {
  const { initialised } = attribute.sizes
  const written = min(end, initialised)
  if (start < written)
    yield* attribute.compressionUnit > 0
      ? planUnits(attribute, space, start, written)
      : planRuns(attribute, space, start, written)
  const from = max(start, initialised)
  const mapped = BigInt(attribute.endVcn) * BigInt(space.clusterSize)
  const behind = min(end, mapped)
  if (from < behind) yield { kind: 'zero', offset: from, length: behind - from, why: 'uninitialised' }
  const unmapped = max(from, mapped)
  if (unmapped < end && initialised < end)
    yield { kind: 'gap', offset: unmapped, length: end - unmapped, reason: 'no run covers it' }
}

function* planRuns(
  attribute: FileAttribute,
  space: ClusterSpace,
  start: bigint,
  end: bigint,
): Generator<Segment> {
  const { runs } = attribute
  const clusterSize = BigInt(space.clusterSize)
  let offset = start
  for (let index = firstRun(runs, Number(start / clusterSize)); offset < end; index++) {
    const run = runs[index]
    const begin = run ? min(BigInt(run.vcn) * clusterSize, end) : end
    if (offset < begin) {
      yield { kind: 'gap', offset, length: begin - offset, reason: 'no run covers it' }
      offset = begin
    }
    if (!run || offset >= end) return
    const behind = min(BigInt(run.vcn + run.length) * clusterSize, end)
    yield* planRun(run, space, offset, behind)
    offset = behind
  }
}

function* planRun(run: ClusterRun, space: ClusterSpace, offset: bigint, end: bigint): Generator<Segment> {
  if (run.lcn === undefined) {
    yield { kind: 'zero', offset, length: end - offset, why: 'hole' }
    return
  }
  const clusterSize = BigInt(space.clusterSize)
  const place = BigInt(run.lcn - run.vcn) * clusterSize + offset
  const inside = BigInt(space.clusterCount) * clusterSize - place
  const length = end - offset
  if (inside >= length) yield { kind: 'clusters', offset, length, place }
  else {
    if (inside > 0n) yield { kind: 'clusters', offset, length: inside, place }
    const from = inside > 0n ? inside : 0n
    yield {
      kind: 'gap',
      offset: offset + from,
      length: length - from,
      reason: `its run at cluster ${run.lcn} leaves the volume`,
    }
  }
}

/** A unit with all its clusters is stored as it is, one without any is a hole, any other is compressed. */
function* planUnits(
  attribute: FileAttribute,
  space: ClusterSpace,
  start: bigint,
  end: bigint,
): Generator<Segment> {
  const { runs, compressionUnit, endVcn } = attribute
  const unitSize = BigInt(compressionUnit * space.clusterSize)
  let unit = Number(start / unitSize)
  let index = firstRun(runs, unit * compressionUnit)
  let offset = start
  while (offset < end) {
    const vcn = unit * compressionUnit
    if (vcn >= endVcn) {
      yield { kind: 'gap', offset, length: end - offset, reason: 'no run covers it' }
      return
    }
    const begin = BigInt(unit) * unitSize
    const run = runs[index]
    const missing = run ? run.vcn - vcn : endVcn - vcn
    const covered = run && missing <= 0 ? run.vcn + run.length - vcn : 0
    // Units that are alike are one, however many a damaged volume may claim.
    const alike = Math.floor(Math.max(missing, covered) / compressionUnit)
    const behind = min(begin + BigInt(Math.max(1, alike)) * unitSize, end)
    if (alike === 0) {
      const within = runsWithin(runs, index, vcn, Math.min(vcn + compressionUnit, endVcn))
      yield* planUnit(attribute, space, within, begin, offset, behind)
    } else if (covered > 0) yield* planRun(run!, space, offset, behind)
    else yield { kind: 'gap', offset, length: behind - offset, reason: MISSING }
    offset = behind
    unit += Math.max(1, alike)
    while (index < runs.length && runs[index]!.vcn + runs[index]!.length <= unit * compressionUnit) index++
  }
}

function* planUnit(
  { compressionUnit }: FileAttribute,
  space: ClusterSpace,
  within: { runs: readonly ClusterRun[]; clusters: number; missing: boolean },
  begin: bigint,
  offset: bigint,
  end: bigint,
): Generator<Segment> {
  const length = end - offset
  const { runs, clusters, missing } = within
  if (missing) yield { kind: 'gap', offset, length, reason: MISSING }
  else if (clusters === 0) yield { kind: 'zero', offset, length, why: 'hole' }
  else if (clusters === compressionUnit) {
    for (const run of runs) {
      const from = BigInt(run.vcn) * BigInt(space.clusterSize)
      const to = from + BigInt(run.length) * BigInt(space.clusterSize)
      const [first, last] = [max(from, offset), min(to, end)]
      if (first < last) yield* planRun(run, space, first, last)
    }
  } else {
    const size = compressionUnit * space.clusterSize
    yield size > LARGEST_UNIT
      ? { kind: 'gap', offset, length, reason: `its compression units are of ${size} bytes` }
      : { kind: 'unit', offset, length, begin, size, runs }
  }
}

/** The parts of runs in [vcn, end) that have clusters, how many those are, and whether some VCN has no run. */
function runsWithin(runs: readonly ClusterRun[], first: number, vcn: number, end: number) {
  const found: ClusterRun[] = []
  let clusters = 0
  let reached = vcn
  let missing = false
  for (let index = first; index < runs.length && runs[index]!.vcn < end; index++) {
    const run = runs[index]!
    const from = Math.max(run.vcn, vcn)
    const behind = Math.min(run.vcn + run.length, end)
    if (from > reached) missing = true
    reached = behind
    if (run.lcn === undefined) continue
    found.push({ vcn: from, lcn: run.lcn + from - run.vcn, length: behind - from })
    clusters += behind - from
  }
  return { runs: found, clusters, missing: missing || reached < end }
}

/** Index of the first run that ends behind a VCN. */
const firstRun = (runs: readonly ClusterRun[], vcn: number): number =>
  firstIndex(runs.length, (index) => runs[index]!.vcn + runs[index]!.length > vcn)
