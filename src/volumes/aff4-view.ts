import { EXIT } from '../cli/exit.js'
import { SECRET_OPTIONS, secretsOf } from '../cli/secret.js'
import type { Tool } from '../cli/tool.js'
import { NAMESPACES } from '../formats/aff4/namespaces.js'
import { createGraph, formatGraph, type Graph, type Prefixes } from '../formats/aff4/turtle.js'
import type { Volume } from '../formats/aff4/volume.js'
import { openVolumeFiles } from '../formats/aff4/volume-file.js'
import { printParts } from './printer.js'

/** What the pmem suite of 2015 wrote at the top, in its order. */
const SUITE: Prefixes = {
  rdf: NAMESPACES.rdf,
  aff4: NAMESPACES.aff4,
  xsd: NAMESPACES.xsd,
  memory: `${NAMESPACES.aff4}memory/`,
}

/** aff4-view: the metadata of volumes, merged. */
export const tool: Tool = {
  name: 'aff4-view',
  role: 'report',
  usage: 'VOLUME…',
  summary: 'show the metadata of AFF4 volumes',
  options: { json: { help: 'as RDF/JSON instead of Turtle' }, ...SECRET_OPTIONS },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log }) {
    const volumes = await openVolumeFiles(operands, secretsOf(options), (message) => log.warn(message))
    const { graph, prefixes } = await merge(volumes)
    await printParts(io, options.flag('json') ? asJson(graph) : formatGraph(graph, prefixes))
    return EXIT.complete
  },
}

/** What the volumes say in their own words, of whatever era, with the prefixes that they use themselves. */
async function merge(volumes: readonly Volume[]): Promise<{ graph: Graph; prefixes: Prefixes }> {
  const merged = createGraph()
  let only: Graph | undefined
  const bound = new Map<string, string>()
  for (const volume of volumes) {
    const { graph, prefixes } = await volume.asWritten()
    if (volumes.length === 1) only = graph
    else for (const { subject, predicate, object } of graph.statements) merged.add(subject, predicate, object)
    // The empty one is each volume's own name.
    for (const [prefix, namespace] of prefixes)
      if (/^[A-Za-z][A-Za-z0-9]*$/.test(prefix) && !bound.has(prefix)) bound.set(prefix, namespace)
  }
  return { graph: only ?? merged, prefixes: { ...SUITE, ...Object.fromEntries(bound) } }
}

/** RDF 1.1 JSON: {subject: {predicate: [{type, value, datatype or lang}]}}. */
function* asJson(graph: Graph): Generator<string> {
  yield '{'
  let comma = ''
  for (const subject of graph.subjects()) {
    const predicates = new Map<string, object[]>()
    for (const { predicate, object } of graph.about(subject)) {
      const values = predicates.get(predicate) ?? []
      predicates.set(predicate, values)
      values.push(
        object.termType === 'Literal'
          ? {
              type: 'literal',
              value: object.value,
              ...(object.language ? { lang: object.language } : { datatype: object.datatype.value }),
            }
          : { type: object.termType === 'NamedNode' ? 'uri' : 'bnode', value: object.value },
      )
    }
    const text = JSON.stringify({ [subject]: Object.fromEntries(predicates) }, null, 2)
    yield `${comma}${text.slice('{'.length, -'\n}'.length)}`
    comma = ','
  }
  yield `${comma && '\n'}}\n`
}
