import type { Run } from '../../address-space.js'

/** What became of one object. */
export interface RecoveredObject {
  readonly urn: string
  /** What people call it. */
  readonly name: string
  /** Bytes that are in the new volume; those of symbolic ranges don't count. */
  readonly kept: bigint
  /** Ranges whose bytes are lost. */
  readonly lost: readonly Run[]
  /** Ranges that are kept, and no checksum vouches for. */
  readonly unsure: readonly Run[]
  /** What else is not as it was, or not known. */
  readonly remarks: readonly string[]
}

export interface Recovery {
  /** It was encrypted, and the new volume is not. */
  readonly decrypted?: boolean
  readonly urn: string
  readonly objects: readonly RecoveredObject[]
  /** What is missing or not known of the volume as a whole. */
  readonly remarks: readonly string[]
  /** Nothing is missing. */
  readonly complete: boolean
}

export const isComplete = ({ lost, unsure, remarks }: RecoveredObject): boolean =>
  lost.length + unsure.length + remarks.length === 0

/** What is missing of an object, in words. */
export function describeObject({ lost, unsure, remarks }: RecoveredObject): string {
  const doubts = unsure.length === 0 ? [] : [`${total(unsure)} bytes kept that no checksum vouches for`]
  return [...describeLoss(lost), ...doubts, ...remarks].join('; ')
}

export const describeLoss = (lost: readonly Run[]): string[] =>
  lost.length === 0
    ? []
    : [`${total(lost)} bytes lost in ${lost.length} ${lost.length === 1 ? 'range' : 'ranges'}`]

const total = (runs: readonly Run[]) => runs.reduce((sum, { length }) => sum + length, 0n)
