import { aff4, pmem } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { type Context, taken } from './context.js'
import { type Claim, claimsIn, isBlockMapHash } from './digest-claims.js'
import type { MapDigests } from './map-check.js'
import type { Found } from './objects.js'
import type { StreamCheck } from './stream-check.js'

/** Of the digests of members of the volume itself: AFF4 Standard v1.0a §6.2, and the one before it. */
export const SUMS = ['sha512', 'sha256']

/** A map whose members were checked. */
export interface CheckedMap {
  readonly volume: Volume
  readonly digests: MapDigests
  /** What it points to; nothing when it is damaged. */
  readonly targets: readonly string[]
}

/** What the steps of one course of checks share. */
export interface Course extends Context {
  /** Everything that has bytes, by its URN. */
  readonly objects: ReadonlyMap<string, Found>
  /** Images by what they are made of. */
  readonly images: ReadonlyMap<string, readonly string[]>
  /** Those that were begun; undefined where the description is damaged. */
  readonly streams: Map<string, StreamCheck | undefined>
  readonly finished: Set<StreamCheck>
  readonly maps: Map<string, CheckedMap>
}

/** The digests that a property of an object states in any volume: they count as judged from now on. */
export function stated(course: Course, subject: string, predicate: string): readonly Claim[] {
  const graphs = course.volumes.map(({ graph }) => graph)
  return taken(course, claimsIn(graphs, subject, predicate))
}

/** The digests that are stated of the bytes of an object: its own, and those of the images that it is the data of. */
export function statedOfBytes(course: Course, urn: string): Claim[] {
  return [urn, ...(course.images.get(urn) ?? [])]
    .flatMap((subject) => stated(course, subject, aff4('hash')))
    .filter((claim) => !isBlockMapHash(claim))
}

/** The digests that are stated of what the entries of a map cover, without its gaps. */
export const statedOfRanges = (course: Course, urn: string): readonly Claim[] =>
  stated(course, urn, pmem('rangesHash'))
