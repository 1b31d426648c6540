import { createRequire } from 'node:module'

/** The parts of n3 that read and make RDF terms: its index loads streams and a reasoner too, for 40 ms. */
const require = createRequire(import.meta.url)

export const { default: DataFactory, termFromId } = require('n3/lib/N3DataFactory.js') as {
  default: typeof import('n3').DataFactory
  termFromId: typeof import('n3').termFromId
}
export const { default: Parser } = require('n3/lib/N3Parser.js') as { default: typeof import('n3').Parser }
export type { BlankNode, Literal, NamedNode, Quad } from 'n3'
