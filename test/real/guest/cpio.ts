import type { Bytes } from '../../../src/formats/byte-source.js'

/**
 * cpio archives in the "newc" form, which the kernel unpacks as its first file system
 * (Linux Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 *   c_magic "070701", then 13 fields of 8 hex digits: ino mode uid gid nlink mtime filesize
 *   devmajor devminor rdevmajor rdevminor namesize check; the name with its NUL, then the data,
 *   each padded to 4. The entry TRAILER!!! ends the archive.
 */
export interface CpioEntry {
  readonly name: string
  /** File type and permissions, as in st_mode. */
  readonly mode: number
  readonly data?: Bytes
  /** Major and minor number of a device node. */
  readonly device?: readonly [number, number]
}

export const DIRECTORY = 0o040755
export const PROGRAM = 0o100755
export const FILE = 0o100644
export const CHARACTER_DEVICE = 0o020600

/** @throws nothing; the archive as one buffer, a multiple of 4 bytes */
export function encodeCpio(entries: readonly CpioEntry[]): Buffer {
  const all = [...entries, { name: 'TRAILER!!!', mode: 0 }]
  return Buffer.concat(all.flatMap((entry, index) => encodeEntry(entry, index + 1)))
}

function encodeEntry(
  { name, mode, data = new Uint8Array(), device = [0, 0] }: CpioEntry,
  inode: number,
): Bytes[] {
  const nameBytes = Buffer.from(`${name}\0`)
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], nameBytes.length, 0]
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`)
  return [header, nameBytes, padding(header.length + nameBytes.length), data, padding(data.length)]
}

const padding = (length: number): Bytes => new Uint8Array(-length & 3)
