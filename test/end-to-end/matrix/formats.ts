import type { FactName, Facts } from '../../../src/formats/image/facts.js'
import type { Content } from './content.js'

/** What a format makes of a memory: how it is written, and what of it comes back. */
export interface FormatRow {
  readonly title: string
  /** Of its files' names, where that matters. */
  readonly ending?: string
  /** Options of its sink. */
  readonly words: readonly string[]
  /** Which facts it has a place for. */
  keeps(name: FactName, facts: Facts): boolean
  /** Which bad ranges are still told where the map is lost; in others stands text that passes for bytes. */
  readonly bare: 'all' | 'none'
}

const all = () => true
const none = () => false

/** Fields of the header of a crash dump. A dump of another system than Windows does not say of which. */
const OF_DUMP: readonly FactName[] = [
  'machine',
  'processors',
  'pageTableRoot',
  'cr3',
  'ntBuild',
  'kdDebuggerDataBlock',
  'pfnDataBase',
  'psLoadedModuleList',
  'psActiveProcessHead',
  'acquisitionTime',
  'description',
]
const ofDump = (name: FactName, { system }: Facts) =>
  OF_DUMP.includes(name) || (name === 'system' && system === 'Windows')

/** By the names of their sinks: each sink of memory images has its row. */
export const FORMAT_ROWS: Readonly<Record<string, FormatRow>> = {
  'aff4-sink': { title: 'AFF4', words: [], keeps: all, bare: 'all' },
  'avml-sink': { title: 'AVML', words: [], keeps: none, bare: 'none' },
  'crashdump-sink': { title: 'crash dump', words: [], keeps: ofDump, bare: 'none' },
  'elf-sink': { title: 'ELF core', words: [], keeps: all, bare: 'all' },
  'ewf-sink': { title: 'E01', ending: '.E01', words: [], keeps: all, bare: 'all' },
  'kdump-sink': { title: 'kdump', words: [], keeps: all, bare: 'all' },
  'lime-sink': { title: 'LiME', words: [], keeps: none, bare: 'none' },
  // Without its map a raw image is bytes from 0 on.
  'raw-sink': { title: 'raw', words: ['--holes', 'seek'], keeps: none, bare: 'none' },
}

/** What comes back of a memory that was written in a format, the map beside it. */
export function expected(row: FormatRow, content: Content): Content {
  const facts = Object.entries(content.facts).filter(([name]) => row.keeps(name as FactName, content.facts))
  return { ...content, facts: Object.fromEntries(facts) as Facts }
}
