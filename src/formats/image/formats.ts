import type { Bytes } from '../byte-source.js'
import { isDump } from '../crash-dump/header.js'
import { isElfCore } from '../elf/core-reader.js'
import { decodeFileHeader } from '../ewf/structs.js'
import { isEx01 } from '../ewf2/structs.js'
import { isFlat } from '../flat/records.js'
import { isHibernation } from '../hiberfil/header.js'
import { isKdump } from '../kdump/dump-header.js'
import { machCoreEncoding } from '../mach-o/core-file.js'
import { isOldXenCore, isXenCore } from '../xen/xen-core.js'
import type { ImageFormat } from './image.js'

/**
 * The formats in the order in which they are tried. Readers are loaded when they are needed.
 */
export const FORMATS: readonly ImageFormat[] = [
  {
    name: 'xen',
    title: 'dump of Xen',
    holdsMemory: true,
    recognises: (head) => isXenCore(head) || isOldXenCore(head),
    open: async (source) => (await import('../xen/xen-image.js')).openXenImage(source),
  },
  {
    name: 'elf',
    title: 'ELF core',
    holdsMemory: true,
    recognises: (head) => head.length >= 18 && isElfCore(head),
    open: async (source) => (await import('../elf/elf-image.js')).openElfImage(source),
  },
  {
    name: 'mach-o',
    title: 'Mach-O core',
    holdsMemory: true,
    recognises: (head) => machCoreEncoding(head) !== undefined,
    open: async (source) => (await import('../mach-o/mach-o-image.js')).openMachCore(source),
  },
  {
    name: 'crashdump',
    title: 'Microsoft crash dump',
    holdsMemory: true,
    recognises: isDump,
    open: async (source) => (await import('../crash-dump/crash-dump-image.js')).openCrashDump(source),
  },
  {
    name: 'lime',
    title: 'LiME',
    holdsMemory: true,
    recognises: (head) => hasMagic(head, 'EMiL'),
    open: async (source) => (await import('../lime/lime-image.js')).openLimeImage(source),
  },
  {
    name: 'avml',
    title: 'AVML',
    holdsMemory: true,
    recognises: (head) => hasMagic(head, 'AVML'),
    open: async (source) => (await import('../avml/avml-image.js')).openAvmlImage(source),
  },
  {
    name: 'kdump',
    title: 'kdump-compressed dump',
    holdsMemory: true,
    recognises: isKdump,
    open: async (source, surroundings) =>
      (await import('../kdump/kdump-image.js')).openKdump(source, surroundings),
  },
  {
    name: 'flat',
    title: 'flat container of makedumpfile',
    holdsMemory: true,
    recognises: isFlat,
    open: async (source, surroundings) =>
      (await import('../flat/flat-image.js')).openFlatImage(source, surroundings),
  },
  {
    name: 'hpak',
    title: 'HPAK',
    holdsMemory: true,
    recognises: (head) => hasMagic(head, 'HPAK'),
    open: async (source) => (await import('../hpak/hpak-image.js')).openHpakImage(source),
  },
  {
    name: 'qemu',
    title: 'QEMU migration stream',
    holdsMemory: true,
    recognises: (head) => hasMagic(head, 'QEVM') || hasMagic(head, 'LibvirtQemud'),
    open: async (source) => (await import('../qemu-savevm/savevm-image.js')).openSavevmImage(source),
  },
  {
    name: 'hiberfil',
    title: 'hibernation file of Windows',
    holdsMemory: true,
    recognises: isHibernation,
    open: async (source) => (await import('../hiberfil/hiberfil-image.js')).openHiberfil(source),
  },
  {
    name: 'ewf',
    title: 'EWF',
    holdsMemory: false,
    recognises: (head) => decodeFileHeader(head) !== undefined || isEx01(head),
    open: async (source, surroundings) =>
      (await import('../ewf/ewf-image.js')).openEwfImage(source, surroundings),
  },
  {
    name: 'vmware',
    title: 'VMware memory',
    holdsMemory: false,
    recognises: async (head, _source, surroundings) =>
      (await import('../vmware/vmware-image.js')).isVmware(head, surroundings),
    open: async (source, surroundings) =>
      (await import('../vmware/vmware-image.js')).openVmwareImage(source, surroundings),
  },
  {
    name: 'snappy',
    title: 'snappy',
    holdsMemory: false,
    recognises: (head) => hasMagic(head, '\xff\x06\x00\x00sNaPpY'),
    open: async (source, surroundings) =>
      (await import('../avml/snappy-image.js')).openSnappyImage(source, surroundings),
  },
  {
    name: 'raw',
    title: 'raw image',
    holdsMemory: false,
    recognises: () => true,
    open: async (source) => (await import('./raw-image.js')).openRawImage(source),
  },
]

/** Whether a file begins with these Latin-1 characters at an offset. */
export function hasMagic(head: Bytes, magic: string, at = 0): boolean {
  for (let i = 0; i < magic.length; i++) if (head[at + i] !== magic.charCodeAt(i)) return false
  return true
}
