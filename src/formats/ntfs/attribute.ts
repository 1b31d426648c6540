import type { ClusterRun } from './runs.js'

/** Flags of the attribute header. */
export const ATTRIBUTE_FLAG = {
  COMPRESSED: 0x0001,
  COMPRESSION_METHOD: 0x00ff,
  ENCRYPTED: 0x4000,
  SPARSE: 0x8000,
} as const

/** An attribute as it stands in one MFT record. */
export type Attribute = ResidentAttribute | NonResidentAttribute

interface AttributeHeader {
  readonly type: number
  /** UTF-16 code units as they are; empty for the unnamed one. */
  readonly name: string
  readonly flags: number
  /** Unique within its record alone. */
  readonly id: number
  /** Where its header begins in the record, and how long it is with all that belongs to it. */
  readonly position: number
  readonly length: number
}

export interface ResidentAttribute extends AttributeHeader {
  readonly resident: true
  readonly indexed: boolean
  readonly value: Buffer
}

/** One extent of an attribute whose value lies in clusters. */
export interface NonResidentAttribute extends AttributeHeader {
  readonly resident: false
  /** First VCN of this extent, and the last as the header states it: -1 without clusters. */
  readonly lowestVcn: number
  readonly highestVcn: number
  readonly runs: readonly ClusterRun[]
  /** VCN behind the last run. */
  readonly endVcn: number
  /** Bytes; they count in the extent with lowest VCN 0 alone, and so do flags and unit. */
  readonly sizes: StreamSizes
  /** Clusters of a compression unit, a power of two; 0 for none. */
  readonly compressionUnit: number
}

export interface StreamSizes {
  readonly allocated: bigint
  readonly data: bigint
  /** Bytes behind it have never been written: they read as zeros. */
  readonly initialised: bigint
  /** Of compressed and sparse ones: bytes that clusters are in use for. */
  readonly totalAllocated?: bigint
}
