import { asDataView } from '../../codecs/views.js'
import type { ElfNote } from './notes.js'

// QEMU, target/i386/arch_dump.c, struct QEMUCPUState: a note QEMU of type 0 for each processor of an x86 guest.
const SIZE = 440
const OFFSETS = { version: 0, cr0: 0x188, cr3: 0x1a0 } as const
const VERSION = 1
/** CR0.PG: addresses are translated. */
const PAGING = 1n << 31n

export const isQemuNote = ({ name, type }: ElfNote): boolean => name === 'QEMU' && type === 0

/** CR3 of a processor; undefined where it translates no addresses, or the note is of another processor. */
export function qemuCr3({ desc }: ElfNote): bigint | undefined {
  if (desc.length < SIZE) return undefined
  const view = asDataView(desc)
  if (view.getUint32(OFFSETS.version, true) !== VERSION) return undefined
  const paging = view.getBigUint64(OFFSETS.cr0, true) & PAGING
  return paging ? view.getBigUint64(OFFSETS.cr3, true) : undefined
}
