/** What MacPmem writes: version 2 of its interface as the kernel extension of the suite speaks it. */
export interface DriverYaml {
  readonly version?: 2 | 3
  readonly kernelVersion?: string
  readonly versionOffset?: bigint
  readonly records?: readonly string[]
}

export const KERNEL_VERSION =
  'Darwin Kernel Version 14.4.0: Thu May 28 11:35:04 PDT 2015; root:xnu-2782.30.5~1/RELEASE_X86_64'

export function driverYaml({
  version = 2,
  kernelVersion = KERNEL_VERSION,
  versionOffset = 313959808n,
  records = [],
}: DriverYaml = {}): string {
  const escaped = kernelVersion.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t')
  const added =
    version < 3 ? [] : ['msr_ia32_sysenter_eip: 0', 'msr_ia32_gs_base: 0', 'cpuid_vendorstring: GenuineIntel']
  return [
    '%YAML 1.2',
    '---',
    'meta:',
    ...[
      `pmem_api_version: ${version}`,
      'cr3: 5773611222',
      'dtb_off: 5773611008',
      ...added,
      'phys_mem_size: 17179869184',
      'pci_config_space_base: 3758096384',
      'mmap_poffset: 353394688',
      'mmap_desc_version: 1',
      'mmap_size: 11856',
      'mmap_desc_size: 48',
      'kaslr_slide: 304087040',
      'kernel_poffset: 305135616',
      `kernel_version: "${escaped}"`,
      `version_poffset: ${versionOffset}`,
    ].map((line) => `  ${line}`),
    'records:',
    ...records,
    '',
  ].join('\n')
}

export const efiRecord = (type: string, start: bigint, length: bigint): string =>
  record(`(EFI) ${type}`, 'efi_range', `efi_type: "${type}"`, start, length)

export const pciRecord = (start: bigint, length: bigint): string =>
  record('(PCI) IGPU/0', 'pci_range', 'pci_type: "PCIUnknownMemory"', start, length)

function record(purpose: string, type: string, subtype: string, start: bigint, length: bigint): string {
  const lines = [`type: "${type}"`, subtype, `start: ${start}`, `length: ${length}`, 'hw_informant: false']
  return [`  - purpose: "${purpose}"`, ...lines.map((line) => `    ${line}`)].join('\n')
}
