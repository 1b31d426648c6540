import { createHash, type Hash } from 'node:crypto'
import type { Bytes } from '../../byte-source.js'
import { DIGESTS } from '../lexicon.js'
import type { Graph } from '../turtle.js'
import type { Report } from './finding.js'

/** Digests by the datatypes of their values, in lower case: AFF4 Standard v1.0 §6.1, and the 2.1 draft of AFF4-L. */
const ALGORITHMS = new Map<string, string>([
  ...Object.values(DIGESTS).map(({ datatype, node }) => [datatype.toLowerCase(), node] as const),
  ['sha3-256', 'sha3-256'],
  ['sha3-384', 'sha3-384'],
  ['sha3-512', 'sha3-512'],
])

/** A digest that a volume states as the value of a property. */
export interface Claim {
  readonly subject: string
  readonly predicate: string
  /** The last part of that IRI. */
  readonly property: string
  /** The last part of its datatype: `SHA512`. */
  readonly datatype: string
  /** What Node calls the algorithm; undefined for one that isn't known. */
  readonly algorithm: string | undefined
  /** Hexadecimal, lower case. */
  readonly value: string
}

const localName = (iri: string) => iri.replace(/^.*[#/]/, '')

/** The digests that a property of an object states, in any of several graphs. */
export function claimsIn(graphs: Iterable<Graph>, subject: string, predicate: string): Claim[] {
  const found = new Map<string, Claim>()
  for (const graph of graphs)
    for (const claim of claimsOf(graph, subject, predicate))
      found.set(`${claim.datatype} ${claim.value}`, claim)
  return [...found.values()]
}

/** The digests that a property of an object states. */
export function claimsOf(graph: Graph, subject: string, predicate: string): Claim[] {
  return graph.all(subject, predicate).flatMap((node) => {
    if (node.termType !== 'Literal') return []
    const datatype = localName(node.datatype.value)
    const algorithm = ALGORITHMS.get(datatype.toLowerCase().replace(/^blockmaphash/, ''))
    const property = localName(predicate)
    return [{ subject, predicate, property, datatype, algorithm, value: node.value.toLowerCase() }]
  })
}

/** Whether a datatype is that of a digest. */
export const isDigestType = (datatype: string): boolean =>
  ALGORITHMS.has(
    localName(datatype)
      .toLowerCase()
      .replace(/^blockmaphash/, ''),
  )

/** The hash of an Image that covers its map and its block hashes, not its bytes. */
export const isBlockMapHash = ({ datatype }: Claim): boolean => /^blockMapHash/i.test(datatype)

/** Why there is no digest to compare with. */
export interface Failure {
  readonly outcome: 'mismatched' | 'unchecked'
  readonly detail: string
}

/** Reports whether claims hold. @param digestOf the digest by an algorithm, or why there is none */
export async function judge(
  claims: readonly Claim[],
  digestOf: (algorithm: string) => Buffer | Failure,
  report: Report,
): Promise<void> {
  for (const { subject, property, datatype, algorithm, value } of claims) {
    const about = { subject, property: `${property} ${datatype}` }
    if (algorithm === undefined) {
      await report({ ...about, outcome: 'unchecked', detail: 'an algorithm that is not known' })
      continue
    }
    const digest = digestOf(algorithm)
    if (!Buffer.isBuffer(digest)) await report({ ...about, ...digest })
    else if (digest.toString('hex') === value) await report({ ...about, outcome: 'matched' })
    else
      await report({
        ...about,
        outcome: 'mismatched',
        detail: `is ${digest.toString('hex')}, the volume says ${value}`,
      })
  }
}

/** Digests of the same bytes by all algorithms that claims name. */
export interface Sums {
  /** Whether there is any. */
  readonly wanted: boolean
  update(bytes: Bytes): void
  /** May be asked at any time and again. */
  digest(algorithm: string): Buffer | undefined
}

export function openSums(algorithms: Iterable<string | undefined>): Sums {
  const sums = new Map<string, Hash>()
  for (const algorithm of algorithms)
    if (algorithm !== undefined && !sums.has(algorithm)) sums.set(algorithm, createHash(algorithm))
  return {
    wanted: sums.size > 0,
    update(bytes) {
      for (const sum of sums.values()) sum.update(bytes)
    },
    digest: (algorithm) => sums.get(algorithm)?.copy().digest(),
  }
}
