import { FormatError } from '../format-error.js'

/*
 * What libvirt's `virsh save` puts before the stream (qemu_saveimage.h), in the byte order of the host:
 *
 *   0 16  "LibvirtQemudSave", "LibvirtQemudPart" until it is done
 *  16  4  version
 *  20  4  length of what follows the header: the domain as XML, a zero, a cookie, padding
 *  24  4  whether the guest was running
 *  28  4  how the stream is compressed
 *  32  4  where the cookie begins
 *  36 56  unused
 */
const HEADER_SIZE = 92
export const LIBVIRT_WHOLE = 'LibvirtQemudSave'
export const LIBVIRT_PARTIAL = 'LibvirtQemudPart'

/** By number: what undoes it; none of what is no compression. */
const COMPRESSIONS: Readonly<Record<number, { readonly name: string; readonly undo?: string }>> = {
  1: { name: 'gzip', undo: 'gzip -dc' },
  2: { name: 'bzip2', undo: 'bzip2 -dc' },
  3: { name: 'xz', undo: 'xz -dc' },
  4: { name: 'lzop', undo: 'lzop -dc' },
  5: { name: 'zstd', undo: 'zstd -dc' },
  6: { name: 'sparse' },
}

export interface LibvirtHeader {
  /** Where the stream begins. */
  readonly streamAt: number
  /** Where the domain's XML begins, and its length with what follows. */
  readonly xmlAt: number
  readonly xmlLength: number
  /** Libvirt says that it did not finish the file. */
  readonly partial: boolean
}

/** Whether a file begins as libvirt's do. */
export function isLibvirt(head: Buffer): boolean {
  const magic = head.toString('latin1', 0, LIBVIRT_WHOLE.length)
  return magic === LIBVIRT_WHOLE || magic === LIBVIRT_PARTIAL
}

/**
 * @param head the first bytes of the file
 * @throws {FormatError} where the stream is compressed, with the command that helps
 */
export function decodeLibvirtHeader(head: Buffer, name: string): LibvirtHeader {
  if (head.length < HEADER_SIZE) throw new FormatError("the file ends inside libvirt's header", 0n)
  const little = head.readUInt32LE(16) <= 0xffff
  const u32 = (at: number) => (little ? head.readUInt32LE(at) : head.readUInt32BE(at))
  const version = u32(16)
  if (version < 1 || version > 3) throw new FormatError(`libvirt's header is of version ${version}`, 16n)
  const xmlLength = u32(20)
  const streamAt = HEADER_SIZE + xmlLength
  const compression = u32(28)
  if (compression !== 0) {
    const { name: how, undo } = COMPRESSIONS[compression] ?? { name: `form ${compression}` }
    throw new FormatError(
      `saved by libvirt, compressed: ${how}`,
      28n,
      undo === undefined ? undefined : `tail -c +${streamAt + 1} ${name} | ${undo} > STREAM`,
    )
  }
  const partial = head.toString('latin1', 0, LIBVIRT_PARTIAL.length) === LIBVIRT_PARTIAL
  return { streamAt, xmlAt: HEADER_SIZE, xmlLength, partial }
}

/** The name of a domain in its XML. */
export const domainName = (xml: string): string | undefined =>
  /<name>([^<]+)<\/name>/
    .exec(xml)?.[1]
    ?.replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => ENTITIES[entity] ?? '')

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
