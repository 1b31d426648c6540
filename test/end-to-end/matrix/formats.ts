import type { FactName, Facts } from '../../../src/formats/image/facts.js'
import type { Content } from './content.js'

/** What a format makes of a memory: how it is written, and what of it comes back. */
export interface FormatRow {
  readonly title: string
  /** Options of its sink. */
  readonly words: readonly string[]
  /** Of its files, where readers go by it. */
  readonly ending?: string
  /** Which facts it has a place for. */
  keeps(name: FactName, facts: Facts): boolean
  /** What it knows of ranges that were never tried, with the map beside it: that they were there, or nothing. */
  readonly unknown: 'kept' | 'absent'
  /**
   * What stands for bad ranges where the map is lost: themselves, or text that passes for bytes; `bad`: themselves but
   * for those that were never tried.
   */
  readonly bare: 'kept' | 'bad' | 'text'
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
  'aff4-sink': { title: 'AFF4', words: [], keeps: all, unknown: 'kept', bare: 'kept' },
  'avml-sink': { title: 'AVML', words: [], keeps: none, unknown: 'kept', bare: 'text' },
  'crashdump-sink': { title: 'crash dump', words: [], keeps: ofDump, unknown: 'kept', bare: 'text' },
  'elf-sink': { title: 'ELF core', words: [], keeps: all, unknown: 'kept', bare: 'kept' },
  'ewf-sink': { title: 'E01', words: [], ending: '.E01', keeps: all, unknown: 'kept', bare: 'bad' },
  'lime-sink': { title: 'LiME', words: [], keeps: none, unknown: 'kept', bare: 'text' },
  // Without its map a raw image is bytes from 0 on.
  'raw-sink': { title: 'raw', words: ['--holes', 'seek'], keeps: none, unknown: 'kept', bare: 'text' },
}

/** What comes back of a memory that was written in a format, the map beside it. */
export function expected(row: FormatRow, content: Content): Content {
  const facts = Object.entries(content.facts).filter(([name]) => row.keeps(name as FactName, content.facts))
  return {
    ...content,
    unknown: row.unknown === 'kept' ? content.unknown : [],
    facts: Object.fromEntries(facts) as Facts,
  }
}
