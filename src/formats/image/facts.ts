import { NAMESPACES } from '../aff4/namespaces.js'
import type { Bytes } from '../byte-source.js'

interface Values {
  text: string
  /** A count, or an address or offset that other tools write in decimal. */
  number: bigint
  /** Written in hexadecimal. */
  address: bigint
  /** Nanoseconds since the Unix epoch. */
  time: bigint
  bytes: Bytes
}
type Kind = keyof Values

interface Term {
  readonly kind: Kind
  /** As Turtle writes it with a prefix. */
  readonly predicate: `aff4:${string}` | `pmem:${string}`
  /** For people, lower case. */
  readonly title: string
}

const term = <K extends Kind>(kind: K, predicate: Term['predicate'], title: string) => ({
  kind,
  predicate,
  title,
})

/**
 * What is known about a machine, a disk or a case besides the bytes, by the names that formats, META frames and
 * reports share. A fact that an output has no place for is named before the first byte.
 */
export const FACTS = {
  /** `Linux`, `Windows`, `macOS`. */
  system: term('text', 'pmem:operatingSystem', 'operating system'),
  hostName: term('text', 'pmem:hostName', 'host name'),
  /** e_machine of an ELF file. */
  machine: term('number', 'pmem:elfMachine', 'machine'),
  processors: term('number', 'pmem:processors', 'processors'),
  pageSize: term('number', 'aff4:pageSize', 'page size'),
  /** Physical address of the kernel's topmost page table. */
  pageTableRoot: term('number', 'aff4:memoryPageTableEntryOffset', 'page table root'),
  /** The register as it was, flags in its low bits. */
  cr3: term('number', 'pmem:cr3', 'CR3'),
  pagingLevels: term('number', 'pmem:pagingLevels', 'paging levels'),
  kernelRelease: term('text', 'pmem:kernelRelease', 'kernel release'),
  kernelVersion: term('text', 'pmem:kernelVersion', 'kernel version'),
  kernelBuildId: term('text', 'pmem:kernelBuildId', 'kernel build id'),
  /** Drawn by a Linux kernel whenever it starts. */
  bootId: term('text', 'pmem:bootId', 'boot id'),
  bootCommandLine: term('text', 'pmem:bootCommandLine', 'boot command line'),
  hypervisor: term('text', 'pmem:hypervisor', 'hypervisor'),
  /** As its hypervisor calls it, which is not the host name. */
  virtualMachine: term('text', 'pmem:virtualMachine', 'virtual machine'),
  kaslrShift: term('number', 'pmem:kaslrShift', 'KASLR shift'),
  physBase: term('number', 'pmem:physBase', 'phys_base'),
  kimageVoffset: term('address', 'pmem:kimageVoffset', 'kimage_voffset'),
  directMapBase: term('address', 'pmem:directMapBase', 'direct map'),
  /** The text of the note. */
  vmcoreinfo: term('text', 'pmem:vmcoreinfo', 'VMCOREINFO'),
  /** Notes of an ELF core other than VMCOREINFO and our own, as its PT_NOTE segment holds them. */
  elfNotes: term('bytes', 'pmem:elfNotes', 'ELF notes'),
  /** The low 16 bits of NtBuildNumber. */
  ntBuild: term('number', 'aff4:NTBuilderNumber', 'Windows build'),
  ntBuildNumberAddress: term('number', 'aff4:NTBuilderNumberAddr', 'NtBuildNumber'),
  ntKernelBase: term('number', 'aff4:NTKernelBase', 'kernel base'),
  kdDebuggerDataBlock: term('number', 'aff4:NTKDBG', 'KdDebuggerDataBlock'),
  pfnDataBase: term('number', 'aff4:NTPFNDataBase', 'MmPfnDatabase'),
  psLoadedModuleList: term('number', 'aff4:NTPSLoadedModuleList', 'PsLoadedModuleList'),
  psActiveProcessHead: term('number', 'aff4:NTPSActiveProcessHead', 'PsActiveProcessHead'),
  /** The code and its parameters, as WinDbg writes them. */
  bugCheck: term('text', 'pmem:bugCheck', 'bug check'),
  /** The header of a Microsoft crash dump, and the summary that follows it in a bitmap dump. */
  crashDumpHeader: term('bytes', 'pmem:crashDumpHeader', 'crash dump header'),
  acquisitionTime: term('time', 'pmem:acquisitionTime', 'acquired'),
  /** Of a sample of pages that were read again: `changed=32 compared=1024 unreadable=0 share=3.13% from=… to=… seed=…`. */
  smear: term('text', 'pmem:smear', 'smear'),
  /** The same by the time between the two reads: `0s-1s=0/20 1s-10s=32/1004`. */
  smearByAge: term('text', 'pmem:smearByAge', 'smear by age'),
  /** And by the ranges of the memory: `0x1000-0x9f000=0/3 …`. */
  smearByRange: term('text', 'pmem:smearByRange', 'smear by range'),
  acquisitionTool: term('text', 'pmem:acquisitionTool', 'acquired with'),
  acquisitionSystem: term('text', 'pmem:acquisitionSystem', 'acquired on'),
  caseNumber: term('text', 'pmem:caseNumber', 'case'),
  evidenceNumber: term('text', 'pmem:evidenceNumber', 'evidence number'),
  examiner: term('text', 'pmem:examiner', 'examiner'),
  description: term('text', 'pmem:description', 'description'),
  caseNotes: term('text', 'pmem:caseNotes', 'notes'),
  sectorSize: term('number', 'aff4:blockSize', 'sector size'),
  diskMake: term('text', 'aff4:diskMake', 'disk make'),
  diskModel: term('text', 'aff4:diskModel', 'disk model'),
  diskSerial: term('text', 'aff4:diskSerial', 'disk serial number'),
} as const satisfies Record<string, Term>

export type FactName = keyof typeof FACTS
export type Facts = { readonly [N in FactName]?: Values[(typeof FACTS)[N]['kind']] | undefined }
export type MutableFacts = { -readonly [N in FactName]?: Facts[N] }

export const FACT_NAMES = Object.keys(FACTS) as FactName[]

const BY_IRI = new Map(
  FACT_NAMES.map((name) => {
    const [prefix, local] = FACTS[name].predicate.split(':') as ['aff4' | 'pmem', string]
    return [NAMESPACES[prefix] + local, name]
  }),
)

/** The fact that a predicate states. @param predicate an IRI */
export const factOf = (predicate: string): FactName | undefined => BY_IRI.get(predicate)

/** What Turtle calls a memory, by the operating system that it is of. */
export const MEMORY_TYPES: Readonly<Record<string, `pmem:${string}`>> = {
  Linux: 'pmem:LinuxMemory',
  Windows: 'pmem:WindowsMemory',
  macOS: 'pmem:MacMemory',
}

const BY_TYPE = new Map(
  Object.entries(MEMORY_TYPES).map(([system, type]) => [
    type.replace('pmem:', () => NAMESPACES.pmem),
    system,
  ]),
)

/** The operating system that a memory of this type is of. @param type an IRI */
export const systemOf = (type: string): string | undefined => BY_TYPE.get(type)

/** The facts that are known, in the table's order. */
export const factEntries = (facts: Facts): [FactName, string | bigint | Bytes][] =>
  FACT_NAMES.flatMap((name) => {
    const value = facts[name]
    return value === undefined ? [] : [[name, value] as [FactName, string | bigint | Bytes]]
  })

const SECOND = 1_000_000_000n

/** A value as text, as Turtle (without its quotes) and our notes write it. */
export function formatFact(name: FactName, value: string | bigint | Bytes): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'bigint') return Buffer.from(value).toString('base64')
  switch (FACTS[name].kind) {
    case 'address':
      return `0x${value.toString(16)}`
    case 'time':
      return formatTime(value)
    default:
      return value.toString()
  }
}

/** What `formatFact` wrote; undefined where it is none of its kind. */
export function parseFact(name: FactName, written: string): string | bigint | Bytes | undefined {
  switch (FACTS[name].kind) {
    case 'text':
      return written
    case 'bytes':
      return Buffer.from(written, 'base64')
    case 'time':
      return parseTime(written)
    default:
      return /^-?[0-9]{1,39}$|^0x[0-9a-f]{1,32}$/i.test(written) ? BigInt(written) : undefined
  }
}

/** Sets a fact that came as text; what is none of its kind is left out. */
export function setFact(facts: MutableFacts, name: FactName, written: string): void {
  const value = parseFact(name, written)
  if (value !== undefined) Object.assign(facts, { [name]: value })
}

/** @param time nanoseconds since the Unix epoch @returns ISO 8601 as XML Schema has it, with all its digits */
export function formatTime(time: bigint): string {
  const fraction = ((time % SECOND) + SECOND) % SECOND
  const seconds = (time - fraction) / SECOND
  // Years from 10000 on have a sign in ISO 8601 as JavaScript writes it, but none in XML Schema.
  const [whole] = new Date(Number(seconds) * 1000).toISOString().replace(/^\+0*/, '').split('.')
  const digits = fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`
  return `${whole}${digits}Z`
}

function parseTime(written: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(written)
  const seconds = match ? Date.parse(`${match[1]}Z`) : Number.NaN
  if (!match || Number.isNaN(seconds)) return undefined
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}
