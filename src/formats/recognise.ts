import fs from 'node:fs'
import path from 'node:path'
import { constants, inflateSync } from 'node:zlib'
import { isZero } from '../codecs/zero.js'
import { shellWord } from '../platform/shell-word.js'

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

/** Names of what is packed end so. */
const PACKED = /\.(?:gz|xz|bz2|zst|lz4|lzo|7z|zip|zlib|s2)$/i
/** So much of a zlib stream proves that it is one. */
const MOST_INFLATED = 1 << 20

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

export const UNZIP = 'unzip -p FILE > IMAGE'
const CONVERT = 'qemu-img convert -O raw FILE IMAGE'

const LX01 = 'EnCase converts it to E01; libewf since 2020 reads it: ewfexport FILE'

/** What an image may be packed in. */
const PACKAGES: readonly Signature[] = [
  sign(0, 'PK\x03\x04', 'a ZIP file', `${UNZIP}; of an AFF4 volume, give VOLUME.aff4 or VOLUME.aff4:STREAM`),
  sign(0, 'EVF\x09\x0d\x0a\xff\x00', 'an EWF image (E01)', 'image-cat FILE | raw-sink IMAGE'),
  sign(0, 'EVF2\x0d\x0a\x81\x00', 'an EWF image (Ex01)', 'image-cat FILE | raw-sink IMAGE'),
  sign(0, 'LEF2\x0d\x0a\x81\x00', 'logical evidence of EWF version 2 (Lx01)', LX01),
  sign(0, 'ADCRYPT\0', 'an image that AD encryption protects', 'FTK Imager decrypts it'),
  sign(0, 'DISKDUMP', 'a dump of diskdump, from before kdump', 'crash opens it'),
  sign(0, '\x1f\x8b', 'a gzip file', 'gzip -dc FILE > IMAGE'),
  sign(0, '\xfd7zXZ\0', 'an xz file', 'xz -dc FILE > IMAGE'),
  sign(0, 'BZh', 'a bzip2 file', 'bzip2 -dc FILE > IMAGE'),
  sign(0, '\x28\xb5\x2f\xfd', 'a zstd file', 'zstd -dc FILE > IMAGE'),
  sign(0, '7z\xbc\xaf\x27\x1c', 'a 7z file', '7z e -so FILE > IMAGE'),
  sign(0, '\x89LZO\0\r\n\x1a\n', 'an lzop file', 'lzop -dc FILE > IMAGE'),
  sign(0, '\x04\x22\x4d\x18', 'an lz4 file', 'lz4 -dc FILE > IMAGE'),
  sign(
    0,
    '\xff\x06\x00\x00S2sTwO',
    'an S2 stream',
    's2d -c FILE > IMAGE; s2d is in github.com/klauspost/compress',
  ),
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

/** What LiME makes with `compress=1`, whatever is inside. */
const ZLIB_STREAM: Recognised = { what: 'a zlib stream', hint: 'pigz -dc < FILE > IMAGE' }

/** What an image is packed in, undefined where it is in nothing that is known. */
export const recognisePackage = (head: Buffer): Recognised | undefined =>
  find(PACKAGES, head) ?? (isZlibStream(head) ? ZLIB_STREAM : undefined)

/** Whether bytes begin a stream of RFC 1950: two bytes say so of many an image, so the rest must decode, too. */
function isZlibStream(head: Buffer): boolean {
  const [method = 0, flags = 0] = head
  if ((method & 0x8f) !== 0x08 || ((method << 8) | flags) % 31 !== 0) return false
  try {
    inflateSync(head, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MOST_INFLATED })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
  }
}

/** What it is without what it is packed in: a name in the working folder, where nobody has it already. */
function unpackedName(file: string): string {
  const base = path.basename(file)
  const names = [base.replace(PACKED, ''), `${base}.unpacked`]
  return names.find((name) => !fs.existsSync(name)) ?? 'IMAGE'
}

/** A hint with the name of the file that it is about. */
export const hintFor = (hint: string, file: string): string =>
  hint.replace(/\b(FILE|IMAGE)\b/g, (place) => shellWord(place === 'FILE' ? file : unpackedName(file)))

function find(signatures: readonly Signature[], head: Buffer): Recognised | undefined {
  const found = signatures.find(({ at, bytes }) => bytes.equals(head.subarray(at, at + bytes.length)))
  return found && { what: found.what, ...(found.hint !== undefined && { hint: found.hint }) }
}
