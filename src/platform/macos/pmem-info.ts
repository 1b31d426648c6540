import { createRequire } from 'node:module'
import { byStart, type Run } from '../../formats/address-space.js'
import { FormatError } from '../../formats/format-error.js'

/*
 * /dev/pmem_info of MacPmem: YAML with `meta` and `records`. Versions 2 and 3 of its interface; 3 has added three
 * registers, which nobody needs.
 */

/** What MacPmem knows of the machine. */
export interface PmemInfo {
  readonly apiVersion: bigint
  /** Of the process that read the device; its page tables map the kernel, too. */
  readonly cr3: bigint | undefined
  /** Physical address of its page table root. */
  readonly dtb: bigint | undefined
  /** Bytes of memory that are installed. */
  readonly memorySize: bigint | undefined
  readonly kaslrSlide: bigint | undefined
  /** Physical address of the kernel's image. */
  readonly kernelOffset: bigint | undefined
  readonly kernelVersion: string | undefined
  /** Physical address of that very string. */
  readonly versionOffset: bigint | undefined
  /** Of the firmware's memory map, in its order. */
  readonly efiRanges: readonly EfiRange[]
}

export interface EfiRange extends Run {
  /** Name of its EFI_MEMORY_TYPE. */
  readonly type: string
}

/** EFI_MEMORY_TYPE: those whose pages are memory. Reading others may touch devices. */
const RAM_TYPES = new Set([
  'EfiLoaderCode',
  'EfiLoaderData',
  'EfiBootServicesCode',
  'EfiBootServicesData',
  'EfiRuntimeServicesCode',
  'EfiRuntimeServicesData',
  'EfiConventionalMemory',
  'EfiACPIReclaimMemory',
  'EfiACPIMemoryNVS',
  'EfiPalCode',
])

/** The kernel extension writes no more. */
export const MOST_PMEM_INFO = 64 << 10

const ADDRESSES = 1n << 64n

const require = createRequire(import.meta.url)

/** @throws {FormatError} when it is not what MacPmem writes */
export function parsePmemInfo(text: string): PmemInfo {
  const { meta, records } = mapping(parseYaml(text), 'it')
  const known = mapping(meta, 'meta')
  const number = (key: string) => (known[key] === undefined ? undefined : address(known[key], `meta.${key}`))
  const apiVersion = number('pmem_api_version')
  if (apiVersion === undefined) throw new FormatError('no meta.pmem_api_version: not the YAML of MacPmem')
  if (records !== null && !Array.isArray(records)) throw new FormatError('records: not a list')
  const version = known.kernel_version
  return {
    apiVersion,
    cr3: number('cr3'),
    dtb: number('dtb_off'),
    memorySize: number('phys_mem_size'),
    kaslrSlide: number('kaslr_slide'),
    kernelOffset: number('kernel_poffset'),
    kernelVersion: typeof version === 'string' ? version : undefined,
    versionOffset: number('version_poffset'),
    efiRanges: ((records ?? []) as unknown[]).flatMap((record, index) =>
      efiRange(mapping(record, `records[${index}]`), `records[${index}]`),
    ),
  }
}

/** The ranges that hold memory: ascending, joined where they touch or overlap. */
export function ramRuns(ranges: readonly EfiRange[]): Run[] {
  const ram = ranges.filter(({ type, length }) => RAM_TYPES.has(type) && length > 0n).sort(byStart)
  const runs: { start: bigint; length: bigint }[] = []
  for (const { start, length } of ram) {
    const last = runs.at(-1)
    if (!last || start > last.start + last.length) runs.push({ start, length })
    else if (start + length > last.start + last.length) last.length = start + length - last.start
  }
  return runs
}

function parseYaml(text: string): unknown {
  // Loaded here: every pmem would start 40 ms later for what only a Mac needs.
  const { parse } = require('yaml') as typeof import('yaml')
  try {
    // Aliases would let a few bytes stand for very many.
    return parse(text, { intAsBigInt: true, maxAliasCount: 0, logLevel: 'error' })
  } catch (error) {
    throw new FormatError(`not YAML: ${(error as Error).message.split('\n')[0]!.replace(/:$/, '')}`)
  }
}

/** PCI ranges are of devices: only the firmware's map tells what memory is. */
function efiRange(record: Record<string, unknown>, where: string): EfiRange[] {
  if (record.type !== 'efi_range') return []
  const { efi_type: type } = record
  if (typeof type !== 'string') throw new FormatError(`${where}.efi_type: not a name`)
  const start = address(record.start, `${where}.start`)
  const length = address(record.length, `${where}.length`)
  if (start + length > ADDRESSES) throw new FormatError(`${where}: leaves the address space`, start)
  return [{ type, start, length }]
}

function mapping(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`${where}: not a mapping`)
  return value as Record<string, unknown>
}

function address(value: unknown, where: string): bigint {
  if (typeof value !== 'bigint' || value < 0n || value >= ADDRESSES)
    throw new FormatError(`${where}: not an unsigned number of 64 bits`)
  return value
}
