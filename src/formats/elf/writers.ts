import type { ElfCore } from './core-reader.js'
import { decodeOwnNote } from './own-note.js'
import { isQemuNote } from './qemu-note.js'
import { decodeVirtualBoxNote } from './virtualbox-note.js'

/** The note of the task that reads /proc/kcore. */
const NT_TASKSTRUCT = 4
const PAGE = 4096n

/** Whether it is a copy of /proc/kcore. */
export const isKcore = ({ notes }: Pick<ElfCore, 'notes'>): boolean =>
  notes.some(({ name, type }) => name === 'CORE' && type === NT_TASKSTRUCT)

/** Who wrote a core, where that can be seen: LOADs alone, as linpmem, WinPmem 2 and 3, and Rekall write, tell nobody. */
export function writerOf(core: ElfCore): string | undefined {
  const { notes, addresses, leftOut, segments } = core
  const own = decodeOwnNote(notes)
  if (own) return own.program
  const virtualBox = decodeVirtualBoxNote(notes)
  if (virtualBox) return `VirtualBox ${virtualBox.version}`
  if (notes.some(isQemuNote)) return 'QEMU'
  if (core.winpmem) return 'WinPmem 1'
  if (isKcore(core)) return '/proc/kcore'
  if (notes.some(({ name }) => name === 'GDB')) return 'gdb'
  if (addresses === 'virtual')
    return notes.some(({ name }) => name === 'LINUX' || name === 'CORE') ? 'process' : undefined
  if (!notes.some(({ name }) => name === 'VMCOREINFO')) return undefined
  // The kernel places segments at pages of the file; makedumpfile packs them.
  const packed =
    leftOut.length > 0 || segments.some(({ offset, filesz }) => filesz > 0n && offset % PAGE !== 0n)
  if (packed) return 'makedumpfile'
  return notes.some(({ name }) => name === 'CORE') ? '/proc/vmcore' : undefined
}
