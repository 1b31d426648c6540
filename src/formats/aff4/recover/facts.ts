import type { CodecName } from '../../../codecs/codec-error.js'
import { aff4, codecOf, GITHUB_SNAPPY, RDF_TYPE } from '../lexicon.js'
import type { Graph } from '../turtle.js'

/** What the graph of a volume, in the terms of the Standard, says that it holds, and how. */

/** The local names of an object's types that are terms of AFF4. */
export const typesOf = (graph: Graph, urn: string): string[] =>
  graph
    .all(urn, RDF_TYPE)
    .filter(({ value }) => value.startsWith(aff4('')))
    .map(({ value }) => value.slice(aff4('').length))

export const isMap = (graph: Graph, urn: string): boolean => graph.isA(urn, aff4('Map'))

/** Whether the chunks of a stream are in this volume: a stub for another one has no chunk size. */
export const isStream = (graph: Graph, urn: string): boolean =>
  (graph.isA(urn, aff4('ImageStream')) || graph.isA(urn, aff4('EncryptedStream'))) &&
  graph.value(urn, aff4('chunkSize')) !== undefined

export const isSegment = (graph: Graph, urn: string): boolean => graph.isA(urn, aff4('ZipSegment'))

export const sizeOf = (graph: Graph, urn: string): bigint | undefined => graph.integer(urn, aff4('size'))

export interface StreamFacts {
  readonly size: bigint | undefined
  readonly chunkSize: number | undefined
  readonly chunksPerBevy: number | undefined
  readonly codec: CodecName | undefined
  /** Chunks of exactly the chunk size may be compressed: not all writers of this method know raw ones. */
  readonly ambiguous: boolean
}

export function streamFacts(graph: Graph, urn: string): StreamFacts {
  const count = (term: string) => {
    const value = graph.integer(urn, aff4(term))
    return value !== undefined && value > 0n && value <= 1n << 30n ? Number(value) : undefined
  }
  const method = graph.value(urn, aff4('compressionMethod'))
  return {
    size: sizeOf(graph, urn),
    chunkSize: count('chunkSize'),
    chunksPerBevy: count('chunksInSegment'),
    codec: method === undefined ? undefined : codecOf(method),
    ambiguous: method === GITHUB_SNAPPY,
  }
}
