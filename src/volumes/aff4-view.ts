import { EXIT } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import { createGraph, formatTurtle, type Graph } from '../formats/aff4/turtle.js'
import type { Volume } from '../formats/aff4/volume.js'
import { openVolumeFile } from '../formats/aff4/volume-file.js'

/** aff4-view: the metadata of volumes, merged. */
export const tool: Tool = {
  name: 'aff4-view',
  role: 'report',
  usage: 'VOLUME…',
  summary: 'show the metadata of AFF4 volumes',
  options: { json: { help: 'as RDF/JSON instead of Turtle' } },
  operands: [1, Number.POSITIVE_INFINITY],
  async run({ operands, options, io, log }) {
    const volumes: Volume[] = []
    for (const path of operands) {
      const volume = await openVolumeFile(path)
      for (const warning of volume.warnings) log.warn(`${path}: ${warning}`)
      volumes.push(volume)
    }
    const graph = merge(volumes)
    await io.print(options.flag('json') ? asJson(graph) : formatTurtle(graph.statements, volumes[0]!.urn))
    return EXIT.complete
  },
}

function merge(volumes: readonly Volume[]): Graph {
  const graph = createGraph()
  for (const volume of volumes)
    for (const { subject, predicate, object } of volume.graph.statements)
      graph.add(subject, predicate, object)
  return graph
}

/** RDF 1.1 JSON: {subject: {predicate: [{type, value, datatype}]}}. */
function asJson(graph: Graph): string {
  const subjects: Record<string, Record<string, object[]>> = {}
  for (const { subject, predicate, object } of graph.statements) {
    subjects[subject] ??= {}
    subjects[subject][predicate] ??= []
    subjects[subject][predicate].push(
      object.termType === 'Literal'
        ? { type: 'literal', value: object.value, datatype: object.datatype.value }
        : { type: object.termType === 'NamedNode' ? 'uri' : 'bnode', value: object.value },
    )
  }
  return `${JSON.stringify(subjects, null, 2)}\n`
}
