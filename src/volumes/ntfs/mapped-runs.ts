import type { FileAttribute } from '../../formats/ntfs/file-attribute.js'

/** Clusters of a stream and where they are. */
export interface MappedRun {
  readonly vcn: number
  readonly length: number
  /** null: none are given to it. */
  readonly lcn: number | null
  /** outside: it reaches past the end of the volume; missing: the extent that says where they are is not there. */
  readonly kind: 'clusters' | 'sparse' | 'outside' | 'missing'
}

/**
 * The runs of a stream with what lies between them.
 * @param clusterCount of the volume
 */
export function* mappedRuns({ runs }: FileAttribute, clusterCount: number): Generator<MappedRun> {
  let reached = 0
  for (const { vcn, lcn, length } of runs) {
    if (vcn > reached) yield { vcn: reached, length: vcn - reached, lcn: null, kind: 'missing' }
    reached = vcn + length
    if (lcn === undefined) yield { vcn, length, lcn: null, kind: 'sparse' }
    else yield { vcn, length, lcn, kind: lcn + length > clusterCount ? 'outside' : 'clusters' }
  }
}
