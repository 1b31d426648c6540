import type { Bytes } from '../../formats/byte-source.js'
import { decodeNotes } from '../../formats/elf/notes.js'
import { FormatError } from '../../formats/format-error.js'
import { FACTS, type FactName, formatFact } from '../../formats/image/facts.js'
import { parseVmcoreinfo } from '../../formats/linux/vmcoreinfo.js'

/** Numbers that count; all others are addresses and shown in hexadecimal. */
const COUNTS: readonly FactName[] = ['processors', 'pageSize', 'pagingLevels', 'ntBuild', 'sectorSize']

/** e_machine (System V ABI). */
const MACHINES: Readonly<Record<string, string>> = {
  3: 'x86',
  21: '64-bit PowerPC',
  22: 'S390',
  40: 'ARM',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  258: 'LoongArch',
}
const LONGEST = 200

/** A fact for people, on a line: what is large is cut to what it tells. */
export function showFact(name: FactName, value: string | bigint | Bytes): string {
  if (name === 'vmcoreinfo' && typeof value === 'string') return showVmcoreinfo(value)
  if (name === 'elfNotes' && typeof value === 'object') return showNotes(value)
  if (name === 'machine') return MACHINES[String(value)] ?? `${value}`
  if (typeof value === 'object') return `${value.length} bytes`
  if (typeof value === 'string') return value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value
  return FACTS[name].kind !== 'number' || COUNTS.includes(name) ? formatFact(name, value) : showAddress(value)
}

const showAddress = (value: bigint) =>
  value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`

/** What analysts look for first. */
const SHOWN = ['OSRELEASE', 'BUILD-ID', 'KERNELOFFSET', 'NUMBER(phys_base)', 'CRASHTIME']

function showVmcoreinfo(text: string): string {
  const info = parseVmcoreinfo(text)
  const told = SHOWN.flatMap((key) => (info.has(key) ? [`${key}=${info.get(key)}`] : []))
  return [...told, `${info.size} values`].join(', ')
}

function showNotes(bytes: Bytes): string {
  try {
    const names = decodeNotes(bytes).map(({ name }) => name)
    return `${bytes.length} bytes: ${[...new Set(names)].join(', ')}`
  } catch (error) {
    if (error instanceof FormatError) return `${bytes.length} bytes`
    throw error
  }
}
