import { type InventoryEntry, takeInventory } from '../../formats/aff4/inventory.js'
import { aff4, pmem, RDF_TYPE } from '../../formats/aff4/lexicon.js'
import type { Graph } from '../../formats/aff4/turtle.js'
import type { Volume } from '../../formats/aff4/volume.js'
import { type Facts, factOf, type MutableFacts, setFact, systemOf } from '../../formats/image/facts.js'
import type { FileReport, ImageReport, Range } from './report.js'

/** What the ranges of a stream tell by themselves. */
const IN_RANGES = /^(?:unreadable|unknown) \d+$/
const IMAGES = ['memory', 'disk', 'volume', 'map', 'image', 'stream']

/** What AFF4 volumes that belong together hold: each image, and how much else. */
export async function reportVolumes(
  volumes: readonly Volume[],
  paths: readonly [string, ...string[]],
): Promise<FileReport> {
  const [file, ...parts] = paths
  const images: ImageReport[] = []
  let others = 0
  for await (const entry of takeInventory(volumes))
    if (IMAGES.includes(entry.kind)) images.push(await describe(volumes, entry))
    else others++
  const incomplete = volumes.flatMap(({ graph, urn }) => graph.value(urn, pmem('incomplete')) ?? [])
  return {
    file,
    parts,
    writtenBy: volumes.flatMap(writersOf),
    images,
    others,
    incomplete: incomplete.length > 0 || images.some((image) => image.incomplete.length > 0),
  }
}

async function describe(volumes: readonly Volume[], entry: InventoryEntry): Promise<ImageReport> {
  const extents = await entry.extents()
  return {
    name: entry.name,
    format: 'aff4',
    title: 'AFF4',
    variant: [entry.kind, ...entry.compression].join(', '),
    category: entry.category,
    size: entry.size,
    ranges: Array.from(extents, ({ start, length, content }): Range => {
      if (typeof content === 'number') return { start, length, content: `byte:0x${content.toString(16)}` }
      return { start, length, content: content === 'stored' ? 'present' : content }
    }),
    facts: factsOf(
      volumes.map(({ graph }) => graph),
      entry.urn,
    ),
    digests: entry.digests.map(({ algorithm, value, ofRanges }) => ({
      algorithm,
      value,
      covers: ofRanges ? 'ranges' : 'linear',
    })),
    checks: [],
    incomplete: entry.incomplete.filter((why) => !IN_RANGES.test(why)),
    remarks: [],
    companions: [],
    partitions: undefined,
    beginsWith: undefined,
  }
}

/** What volumes say of an object and of what holds its bytes, by the names that all formats share. */
function factsOf(graphs: readonly Graph[], urn: string): Facts {
  const facts: MutableFacts = {}
  const holders = graphs.flatMap((graph) => graph.all(urn, aff4('dataStream')).map(({ value }) => value))
  for (const graph of graphs)
    for (const subject of [...holders, urn])
      for (const { predicate, object } of graph.about(subject)) {
        const name = factOf(predicate)
        const system = predicate === RDF_TYPE ? systemOf(object.value) : undefined
        if (system !== undefined) facts.system = system
        else if (name !== undefined && object.termType === 'Literal') setFact(facts, name, object.value)
      }
  return facts
}

/** The tool of version.txt, or the programs that the evidence came through. */
function writersOf({ graph, version }: Volume): string[] {
  const programs = [...graph.subjects()]
    .filter((subject) => graph.isA(subject, pmem('Program')))
    .map((subject) => ({
      position: graph.integer(subject, pmem('position')) ?? 0n,
      text: `${graph.value(subject, pmem('name')) ?? '?'} ${graph.value(subject, pmem('version')) ?? ''}`.trim(),
    }))
    .sort((a, b) => Number(a.position - b.position))
    .map(({ text }) => text)
  return programs.length > 0 || version?.tool === undefined ? [...new Set(programs)] : [version.tool]
}
