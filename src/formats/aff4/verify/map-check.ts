import { min } from '../../min-max.js'
import { aff4 } from '../lexicon.js'
import { idxUrn, mapUrn, symbolicContent } from '../map.js'
import { type LoadedMap, loadMap } from '../map-reader.js'
import { fillSymbolic, type SymbolicContent } from '../symbolic.js'
import type { Volume } from '../volume.js'
import { BLOCK, type Context, damageOf, readThrough, taken } from './context.js'
import { claimsOf, type Failure, judge, openSums, type Sums } from './digest-claims.js'

/** Beyond this much that is not stored a digest would take days. */
const MOST_SYMBOLIC = 1n << 44n

/** The members of a map, in the order in which `mapHash` covers them, and the property that covers each alone. */
const PARTS = [
  { urn: mapUrn, property: 'mapPointHash' },
  { urn: idxUrn, property: 'mapIdxHash' },
  { urn: (map: string) => `${map}/mapPath`, property: 'mapPathHash' },
] as const

/** Digests of the members of a map, those that it has. */
export type MapDigests = (algorithm: string) => Buffer[] | undefined

/**
 * Checks the hashes of a map's own members (AFF4 Standard v1.0a §6.2).
 * @param algorithms that are asked for afterwards
 */
export async function checkMapMembers(
  context: Context,
  volume: Volume,
  urn: string,
  algorithms: readonly string[],
): Promise<MapDigests> {
  const { report } = context
  const claims = (property: string) => taken(context, claimsOf(volume.graph, urn, aff4(property)))
  const ofAll = claims('mapHash')
  const all = openSums(ofAll.map(({ algorithm }) => algorithm))
  const parts: Sums[] = []
  let whole = true
  for (const { urn: partOf, property } of PARTS) {
    const ofPart = claims(property)
    const member = volume.find(partOf(urn))
    const sums = openSums([...ofPart.map(({ algorithm }) => algorithm), ...algorithms])
    let read = member !== undefined
    if (member) {
      context.owned.add(member)
      read = await readThrough(context, volume, member, (bytes) => {
        sums.update(bytes)
        all.update(bytes)
      })
      parts.push(sums)
      whole &&= read
    }
    const detail = member ? 'what it covers is damaged' : 'what it covers is not in the volume'
    await judge(
      ofPart,
      (algorithm) => (read ? sums.digest(algorithm)! : { outcome: 'mismatched', detail }),
      report,
    )
  }
  const detail = 'what it covers is damaged'
  await judge(
    ofAll,
    (algorithm) => (whole ? all.digest(algorithm)! : { outcome: 'mismatched', detail }),
    report,
  )
  return (algorithm) => (whole ? parts.map((sums) => sums.digest(algorithm)!) : undefined)
}

/** The bytes of what a map points to. */
export interface Target {
  readonly size: bigint
  feed(offset: bigint, length: bigint, take: (bytes: Uint8Array) => void): Promise<boolean>
}

/** The bytes that a URN names, or why they are not to be had. */
export type FindTarget = (urn: string) => Promise<Target | Failure>

/**
 * Loads a map, and holds its entries against its targets.
 * @returns undefined when it is damaged
 */
export async function checkEntries(
  context: Context,
  volume: Volume,
  urn: string,
  targetOf: FindTarget,
): Promise<LoadedMap | undefined> {
  const { report } = context
  let map: LoadedMap
  try {
    map = await loadMap(volume, urn)
  } catch (error) {
    const about = { outcome: 'mismatched', property: 'map', subject: urn } as const
    await report({ ...about, ...damageOf(error) })
    return undefined
  }
  const { entries, targets } = map
  const sizes: (bigint | undefined)[] = []
  let all = true
  for (const urnOfTarget of targets) {
    const symbolic = symbolicContent(urnOfTarget) !== undefined
    const target = symbolic ? undefined : await targetOf(urnOfTarget)
    if (target && !('feed' in target)) {
      all = false
      await report({ ...target, property: 'map', subject: urn })
      sizes.push(undefined)
    } else sizes.push(target?.size)
  }
  for (let number = 0; number < entries.count; number++) {
    const { offset, length, targetOffset, targetId } = entries.at(number)
    const size = sizes[targetId]
    if (size === undefined || targetOffset + length <= size) continue
    await report({
      outcome: 'mismatched',
      property: 'map',
      subject: urn,
      detail: `its range at 0x${offset.toString(16)} reaches past the end of ${targets[targetId]}`,
    })
    return undefined
  }
  if (all)
    await report({ outcome: 'matched', property: 'map', subject: urn, detail: `${entries.count} entries` })
  return map
}

/** What the bytes of a map are hashed for: all of its addresses, and what its entries cover. */
export interface MapSums {
  readonly linear: Sums
  readonly ranges: Sums
  /** Told before the last entry, where that is zeros. */
  beforeZeros(): void
}

/**
 * Reads a map from its begin to its end.
 * @returns why it could not be, if so
 */
export async function readMap(
  context: Context,
  { entries, targets, size, gap }: LoadedMap,
  sums: MapSums,
  targetOf: FindTarget,
): Promise<Failure | undefined> {
  const contents = targets.map(symbolicContent)
  const block = Buffer.alloc(BLOCK)
  const both = (bytes: Uint8Array) => {
    sums.linear.update(bytes)
    sums.ranges.update(bytes)
  }
  let stored = 0n
  let covered = 0n
  for (let number = 0; number < entries.count; number++) {
    const { length, targetId } = entries.at(number)
    covered += length
    if (contents[targetId] === undefined) stored += length
  }
  const symbolic = (sums.linear.wanted ? size : covered) - stored
  if (symbolic > MOST_SYMBOLIC)
    return { outcome: 'unchecked', detail: `${symbolic >> 40n} TiB that are not stored are too many to hash` }

  /** Blocks that begin at multiples of their size hold the same text each time. */
  async function fill(
    content: SymbolicContent,
    from: bigint,
    length: bigint,
    take: (bytes: Uint8Array) => void,
  ): Promise<void> {
    let filled = 0
    for (let at = from; at < from + length; ) {
      const within = at % BigInt(BLOCK)
      const left = from + length - at
      const room = BigInt(BLOCK) - within
      const piece = block.subarray(0, Number(min(left, room)))
      if (filled < piece.length) fillSymbolic(content, at, piece)
      filled = within === 0n ? Math.max(filled, piece.length) : 0
      take(piece)
      const pause = context.tick(piece.length)
      if (pause) await pause
      at += BigInt(piece.length)
    }
  }

  let at = 0n
  for (let number = 0; number < entries.count; number++) {
    const { offset, length, targetOffset, targetId } = entries.at(number)
    if (sums.linear.wanted && offset > at) await fill(gap, at, offset - at, sums.linear.update)
    at = offset + length
    const content = contents[targetId]
    if (number === entries.count - 1 && content === 'zero') sums.beforeZeros()
    if (content !== undefined) {
      await fill(content, targetOffset, length, both)
      continue
    }
    const target = await targetOf(targets[targetId]!)
    if (!('feed' in target)) return target
    if (!(await target.feed(targetOffset, length, both)))
      return { outcome: 'mismatched', detail: `what it covers is damaged at 0x${offset.toString(16)}` }
  }
  if (sums.linear.wanted && size > at) await fill(gap, at, size - at, sums.linear.update)
  return undefined
}
