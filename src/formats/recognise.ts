import { isZero } from '../codecs/zero.js'

/** What something is that was taken for something else. */
export interface Recognised {
  /** With its article: "a gzip file". */
  readonly what: string
  /** What can be done. */
  readonly hint?: string
}

interface Signature extends Recognised {
  readonly at: number
  readonly bytes: Buffer
}

/** How much of its beginning tells what it is. */
export const TELLING_SIZE = 68 << 10

const sign = (at: number, text: string, what: string, hint?: string): Signature => ({
  at,
  bytes: Buffer.from(text, 'latin1'),
  what,
  ...(hint !== undefined && { hint }),
})

const SIGNATURES: readonly Signature[] = [
  sign(3, '-FVE-FS-', 'a volume that BitLocker encrypts', 'unlock it first: a decrypted image can be read'),
  sign(3, 'ReFS\0\0\0\0', 'a ReFS volume'),
  sign(3, 'EXFAT   ', 'an exFAT volume'),
  sign(82, 'FAT32   ', 'a FAT32 volume'),
  sign(54, 'FAT16   ', 'a FAT16 volume'),
  sign(54, 'FAT12   ', 'a FAT12 volume'),
  sign(0, 'LUKS\xba\xbe', 'a volume that LUKS encrypts', 'unlock it first: cryptsetup open --readonly'),
  sign(0x438, '\x53\xef', 'an ext volume of Linux'),
  sign(0, 'XFSB', 'an XFS volume'),
  sign(0x10040, '_BHRfS_M', 'a Btrfs volume'),
  sign(32, 'NXSB', 'an APFS container'),
  sign(1024, 'H+\0\x04', 'an HFS+ volume'),
  sign(4086, 'SWAPSPACE2', 'swap space of Linux'),
  sign(0x8001, 'CD001', 'a CD or DVD'),
  ...[0, 512, 1024, 1536].map((at) =>
    sign(at, 'LABELONE', 'a physical volume of LVM', 'give one of its logical volumes'),
  ),
  sign(0, 'MSWIM\0\0\0', 'a WIM file'),
  sign(0, 'FILE0\0', 'an $MFT without its volume'),
]

const CONVERT = 'qemu-img convert -O raw FILE IMAGE'

/** What an image may be packed in. */
const PACKAGES: readonly Signature[] = [
  sign(
    0,
    'PK\x03\x04',
    'a ZIP file',
    'unzip -p FILE > IMAGE; of an AFF4 volume, give VOLUME.aff4 or VOLUME.aff4:STREAM',
  ),
  sign(0, 'EVF\x09\x0d\x0a\xff\x00', 'an EWF image (E01)', 'image-cat FILE | raw-sink IMAGE'),
  sign(0, 'EVF2\x0d\x0a\x81\x00', 'an EWF image (Ex01)', 'image-cat FILE | raw-sink IMAGE'),
  sign(0, '\x1f\x8b', 'a gzip file', 'gzip -dc FILE > IMAGE'),
  sign(0, '\xfd7zXZ\0', 'an xz file', 'xz -dc FILE > IMAGE'),
  sign(0, 'BZh', 'a bzip2 file', 'bzip2 -dc FILE > IMAGE'),
  sign(0, '\x28\xb5\x2f\xfd', 'a zstd file', 'zstd -dc FILE > IMAGE'),
  sign(0, '7z\xbc\xaf\x27\x1c', 'a 7z file', '7z e -so FILE > IMAGE'),
  sign(0, 'vhdxfile', 'a VHDX image', CONVERT),
  sign(0, 'conectix', 'a VHD image', CONVERT),
  sign(0, 'KDMV', 'a VMDK image', CONVERT),
  sign(0, 'QFI\xfb', 'a QCOW image', CONVERT),
  sign(64, '\x7f\x10\xda\xbe', 'a VDI image', CONVERT),
]

export const EMPTY: Recognised = { what: 'zeros' }

/** What a volume, a disk or a file begins with is, undefined where that is not known. */
export const recognise = (head: Buffer): Recognised | undefined =>
  isZero(head) ? EMPTY : (find(SIGNATURES, head) ?? find(PACKAGES, head))

/** What an image is packed in, undefined where it is in nothing that is known. */
export const recognisePackage = (head: Buffer): Recognised | undefined => find(PACKAGES, head)

function find(signatures: readonly Signature[], head: Buffer): Recognised | undefined {
  const found = signatures.find(({ at, bytes }) => bytes.equals(head.subarray(at, at + bytes.length)))
  return found && { what: found.what, ...(found.hint !== undefined && { hint: found.hint }) }
}
