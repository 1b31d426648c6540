import { VERSION } from '../../cli/version.js'
import type { Run } from '../../formats/address-space.js'
import { aff4, pmem } from '../../formats/aff4/lexicon.js'
import type { Graph } from '../../formats/aff4/turtle.js'

/**
 * The `information.yaml` that the pmem imagers put beside a memory map, and Rekall reads: flat YAML, decimal
 * integers, only what is known.
 */
export function informationYaml(graph: Graph, image: string, runs: readonly Run[]): string {
  const lines = [`Imager: pmem ${VERSION}`]
  const pageTable = graph.integer(image, aff4('memoryPageTableEntryOffset'))
  if (pageTable !== undefined) lines.push('Registers:', `  CR3: ${pageTable}`)
  const slide = graph.integer(image, aff4('OSXKALSRSlide'))
  if (slide !== undefined) lines.push(`kaslr_slide: ${slide}`)
  const release = graph.value(image, pmem('kernelRelease'))
  if (release !== undefined) lines.push(`kernel_version: ${JSON.stringify(release)}`)
  const listed = runs.flatMap(({ start, length }) => [`  - start: ${start}`, `    length: ${length}`])
  return [...lines, 'Runs:', ...listed, ''].join('\n')
}
