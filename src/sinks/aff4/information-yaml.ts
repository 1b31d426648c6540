import { VERSION } from '../../cli/version.js'
import type { Run } from '../../formats/address-space.js'
import { aff4, pmem } from '../../formats/aff4/lexicon.js'
import type { Graph } from '../../formats/aff4/turtle.js'

/**
 * The `information.yaml` that the pmem imagers put beside a memory map, and Rekall reads: flat YAML, decimal
 * integers, only what is known. What they did not have is called as in the structs of WinPmem.
 */
export function informationYaml(graph: Graph, image: string, runs: readonly Run[]): string {
  const number = (key: string, term: string) => {
    const value = graph.integer(image, aff4(term))
    return value === undefined ? [] : [`${key}: ${value}`]
  }
  const text = (key: string, term: string) => {
    const value = graph.value(image, pmem(term))
    return value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`]
  }
  const addresses = (key: string, term: string) => {
    const values = graph
      .all(image, pmem(term))
      .map(({ value }) => value)
      .filter((value) => /^0x[\da-f]+$/.test(value))
    return values.length === 0 ? [] : [`${key}: [${values.map(BigInt).join(', ')}]`]
  }
  const version = graph.value(image, pmem('kernelRelease')) ?? graph.value(image, pmem('kernelVersion'))
  return [
    `Imager: pmem ${VERSION}`,
    ...number('  CR3', 'memoryPageTableEntryOffset').flatMap((line) => ['Registers:', line]),
    ...number('NtBuildNumber', 'NTBuilderNumber'),
    ...number('KernBase', 'NTKernelBase'),
    ...number('NtBuildNumberAddr', 'NTBuilderNumberAddr'),
    ...number('KDBG', 'NTKDBG'),
    ...addresses('KPCR', 'kpcr'),
    ...number('PfnDataBase', 'NTPFNDataBase'),
    ...number('PsLoadedModuleList', 'NTPSLoadedModuleList'),
    ...number('PsActiveProcessHead', 'NTPSActiveProcessHead'),
    ...text('Driver', 'driver'),
    ...text('Mode', 'acquisitionMode'),
    ...number('kernel_poffset', 'OSXKernelPhysicalOffset'),
    ...number('kaslr_slide', 'OSXKALSRSlide'),
    ...(version === undefined ? [] : [`kernel_version: ${JSON.stringify(version)}`]),
    ...number('kernel_version_poff', 'OSXVersionPhysicalOffset'),
    'Runs:',
    ...runs.flatMap(({ start, length }) => [`  - start: ${start}`, `    length: ${length}`]),
    '',
  ].join('\n')
}
