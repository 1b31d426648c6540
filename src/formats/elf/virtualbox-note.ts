import { asDataView } from '../../codecs/views.js'
import type { ElfNote } from './notes.js'

// VirtualBox, include/VBox/vmm/dbgfcorefmt.h, struct DBGFCOREDESCRIPTOR: the note VBCORE.
const TYPE = 0xb00
const SIZE = 24
const OFFSETS = { magic: 0, formatVersion: 4, size: 8, version: 12, revision: 16, processors: 20 } as const
const MAGIC = 0xc01ac0de

export interface VirtualBoxCore {
  /** `7.0.14 r161095`. */
  readonly version: string
  readonly processors: number
}

/** What VirtualBox says of a guest and of itself; undefined where the core is of somebody else. */
export function decodeVirtualBoxNote(notes: readonly ElfNote[]): VirtualBoxCore | undefined {
  const note = notes.find(({ name, type }) => name === 'VBCORE' && type === TYPE)
  if (!note || note.desc.length < SIZE) return undefined
  const view = asDataView(note.desc)
  const field = (name: keyof typeof OFFSETS) => view.getUint32(OFFSETS[name], true)
  if (field('magic') !== MAGIC) return undefined
  const version = field('version')
  return {
    version: `${version >>> 24}.${(version >>> 16) & 0xff}.${version & 0xffff} r${field('revision')}`,
    processors: field('processors'),
  }
}
