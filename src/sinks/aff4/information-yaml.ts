import { VERSION } from '../../cli/version.js'
import type { Run } from '../../formats/address-space.js'
import { aff4, pmem } from '../../formats/aff4/lexicon.js'
import type { Graph } from '../../formats/aff4/turtle.js'

/**
 * The `information.yaml` that the pmem imagers put beside a memory map, and Rekall reads: flat YAML, decimal
 * integers, only what is known.
 */
export function informationYaml(graph: Graph, image: string, runs: readonly Run[]): string {
  const number = (key: string, term: string) => {
    const value = graph.integer(image, aff4(term))
    return value === undefined ? [] : [`${key}: ${value}`]
  }
  const version = graph.value(image, pmem('kernelRelease')) ?? graph.value(image, pmem('kernelVersion'))
  return [
    `Imager: pmem ${VERSION}`,
    ...number('  CR3', 'memoryPageTableEntryOffset').flatMap((line) => ['Registers:', line]),
    ...number('NtBuildNumber', 'NTBuilderNumber'),
    ...number('KernBase', 'NTKernelBase'),
    ...number('NtBuildNumberAddr', 'NTBuilderNumberAddr'),
    ...number('kernel_poffset', 'OSXKernelPhysicalOffset'),
    ...number('kaslr_slide', 'OSXKALSRSlide'),
    ...(version === undefined ? [] : [`kernel_version: ${JSON.stringify(version)}`]),
    ...number('kernel_version_poff', 'OSXVersionPhysicalOffset'),
    'Runs:',
    ...runs.flatMap(({ start, length }) => [`  - start: ${start}`, `    length: ${length}`]),
    '',
  ].join('\n')
}
