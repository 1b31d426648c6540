import type { Run } from '../../formats/address-space.js'
import type { Facts } from '../../formats/image/facts.js'
import type { PartitionTable } from '../../formats/partitions/partition.js'
import type { StatedDigest } from '../../formats/stream-digest.js'

/** A range of an image, and what stands there. */
export interface Range extends Run {
  readonly content: 'present' | 'zero' | 'unreadable' | 'unknown' | `byte:0x${string}`
}

/** What is told about one image, or about one stream of a volume. */
export interface ImageReport {
  /** Of a volume the stream; else undefined. */
  readonly name: string | undefined
  readonly format: string
  /** Of the format, for people. */
  readonly title: string
  readonly variant: string
  readonly category: string | undefined
  /** One past the last address; undefined where nothing tells it. */
  readonly size: bigint | undefined
  /** Ascending. May be a million. */
  readonly ranges: readonly Range[]
  readonly facts: Facts
  readonly digests: readonly StatedDigest[]
  /** What every read compares, in words. */
  readonly checks: readonly string[]
  readonly incomplete: readonly string[]
  readonly remarks: readonly string[]
  readonly companions: readonly {
    readonly name: string
    readonly category: string | undefined
    readonly size: bigint
  }[]
  /** Of a disk. */
  readonly partitions: PartitionTable | undefined
  /** What an image without a format begins with: `an ext volume of Linux`. */
  readonly beginsWith: string | undefined
}

/** What is told about files that belong together: an image, the segments of one, a set of volumes. */
export interface FileReport {
  readonly file: string
  /** Further files that were given and belong to it. */
  readonly parts: readonly string[]
  /** Of a volume those that wrote it, oldest first. */
  readonly writtenBy: readonly string[]
  readonly images: readonly ImageReport[]
  /** Of a volume: how many files, folders and links it holds beside images. */
  readonly others: number
  /** Whether something is told by the image itself to be missing. */
  readonly incomplete: boolean
}

/** How many bytes of each kind, in the order of their names below. */
export function tally(
  ranges: readonly Range[],
): Record<'present' | 'zero' | 'unreadable' | 'unknown', bigint> {
  const bytes = { present: 0n, zero: 0n, unreadable: 0n, unknown: 0n }
  for (const { length, content } of ranges)
    bytes[content in bytes ? (content as keyof typeof bytes) : 'present'] += length
  return bytes
}
