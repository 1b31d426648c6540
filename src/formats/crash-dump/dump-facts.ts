import type { Bytes } from '../byte-source.js'
import type { FactName, Facts, MutableFacts } from '../image/facts.js'
import { filetimeOf, isOnCalendar, unixNanoseconds } from '../ntfs/filetime.js'
import { rootOfCr3 } from '../windows/kernel-values.js'
import { blankHeader, COMMENT_SIZE, type DumpHeader, type Field, setComment, setField } from './header.js'
import { elfMachineOf, machineTypeOf } from './machine.js'

/** The facts that are numbers of the header as they are; 0 stands for unknown. */
const NUMBERS = [
  ['processors', 'numberProcessors'],
  ['ntBuild', 'minorVersion'],
  ['cr3', 'directoryTableBase'],
  ['kdDebuggerDataBlock', 'kdDebuggerDataBlock'],
  ['pfnDataBase', 'pfnDataBase'],
  ['psLoadedModuleList', 'psLoadedModuleList'],
  ['psActiveProcessHead', 'psActiveProcessHead'],
] as const satisfies readonly (readonly [FactName, Field])[]

/** Virtual addresses, and what analysers take for one: where they are unknown, 0 stands there. */
const ZERO_UNLESS_KNOWN: readonly Field[] = [
  'directoryTableBase',
  'pfnDataBase',
  'psLoadedModuleList',
  'psActiveProcessHead',
  'kdDebuggerDataBlock',
  'bugCheckCode',
  'bugCheckParameter1',
  'bugCheckParameter2',
  'bugCheckParameter3',
  'bugCheckParameter4',
]

const FREE_BUILD = 0xfn

/** What a header tells. @param bytes the header, and the summary of a bitmap dump */
export function factsOfHeader({ bits, fields, comment }: DumpHeader, bytes: Bytes): Facts {
  const facts: MutableFacts = { crashDumpHeader: bytes }
  // Dumps are written of other systems, too, but those have no build.
  if (fields.minorVersion !== undefined) facts.system = 'Windows'
  for (const [fact, field] of NUMBERS) {
    const value = fields[field]
    if (value) facts[fact] = value
  }
  const machine = elfMachineOf(fields.machineImageType)
  if (machine !== undefined) facts.machine = machine
  const { directoryTableBase: root, paeEnabled, systemTime } = fields
  const pae = paeEnabled === 0n || paeEnabled === 1n ? paeEnabled === 1n : undefined
  if (root) facts.pageTableRoot = rootOfCr3(root, bits === 32 ? (pae ? 'pae' : 32) : 64)
  if (pae !== undefined) facts.pagingLevels = pae ? 3n : 2n
  if (systemTime !== undefined && isOnCalendar(systemTime) && unixNanoseconds(systemTime) >= 0n)
    facts.acquisitionTime = unixNanoseconds(systemTime)
  if (comment !== undefined) facts.description = comment
  const bugCheck = bugCheckOf(fields)
  if (bugCheck !== undefined) facts.bugCheck = bugCheck
  return facts
}

/** As WinDbg writes it: `0x000000e2 (0x0, 0x0, 0x0, 0x0)`. */
function bugCheckOf(fields: DumpHeader['fields']): string | undefined {
  if (!fields.bugCheckCode) return undefined
  const parameters = ([1, 2, 3, 4] as const).map((i) => fields[`bugCheckParameter${i}`])
  const shown = parameters.map((value) => (value === undefined ? '?' : `0x${value.toString(16)}`))
  return `0x${fields.bugCheckCode.toString(16).padStart(8, '0')} (${shown.join(', ')})`
}

/** The facts that a header has a place for. */
export const HEADER_FACTS: readonly FactName[] = [
  'system',
  'machine',
  'processors',
  'pageTableRoot',
  'cr3',
  'pagingLevels',
  'ntBuild',
  'kdDebuggerDataBlock',
  'pfnDataBase',
  'psLoadedModuleList',
  'psActiveProcessHead',
  'acquisitionTime',
  'description',
  'bugCheck',
  'crashDumpHeader',
]

/** What WinDbg needs besides the memory. */
const NEEDED_BY_WINDBG: readonly FactName[] = [
  'machine',
  'processors',
  'pageTableRoot',
  'ntBuild',
  'kdDebuggerDataBlock',
  'psLoadedModuleList',
  'psActiveProcessHead',
]

/** What is not known of the facts without which WinDbg does not open a dump. */
export const lackedByWinDbg = (facts: Facts): FactName[] =>
  NEEDED_BY_WINDBG.filter(
    (name) => facts[name] === undefined && !(name === 'pageTableRoot' && facts.cr3 !== undefined),
  )

/** Those of HEADER_FACTS that a header that is made of them has no place for after all. */
export function unfitFacts(bits: 32 | 64, { machine, pagingLevels, description }: Facts): FactName[] {
  const unfit: FactName[] = []
  if (machine !== undefined && machineTypeOf(machine) === undefined) unfit.push('machine')
  if (pagingLevels !== undefined && (bits === 64 || !isPae(pagingLevels))) unfit.push('pagingLevels')
  if (description !== undefined && !isComment(description)) unfit.push('description')
  return unfit
}

const isComment = (text: string): boolean => text.length < COMMENT_SIZE && /^[\x20-\xff]*$/.test(text)
const isPae = (levels: bigint): boolean => levels === 2n || levels === 3n

/** A header with what is known, but for what it holds. */
export function headerOfFacts(bits: 32 | 64, facts: Facts): Buffer {
  const bytes = blankHeader(bits)
  const set = (field: Field, value: bigint | undefined) => {
    if (value !== undefined) setField(bytes, bits, field, value)
  }
  for (const field of ZERO_UNLESS_KNOWN) setField(bytes, bits, field, 0n)
  for (const [fact, field] of NUMBERS) set(field, facts[fact])
  if (facts.cr3 === undefined) set('directoryTableBase', facts.pageTableRoot)
  if (facts.ntBuild !== undefined) setField(bytes, bits, 'majorVersion', FREE_BUILD)
  set('machineImageType', machineTypeOf(facts.machine))
  const { pagingLevels, description = '' } = facts
  if (pagingLevels !== undefined && isPae(pagingLevels)) set('paeEnabled', pagingLevels - 2n)
  if (facts.acquisitionTime !== undefined) set('systemTime', filetimeOf(facts.acquisitionTime))
  setComment(bytes, bits, isComment(description) ? description : '')
  return bytes
}
