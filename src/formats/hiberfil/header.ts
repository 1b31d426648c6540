import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'

/*
 * The header of hiberfil.sys, PO_MEMORY_IMAGE, little-endian. Of which Windows it is shows in its own length, for
 * Windows 8 to 11 as LeechCore tells; before, memory was kept in another way.
 */

/** In lower case before Windows 8. Other than HIBR: Windows has gone on from it, or may at each start. */
const MAGICS = ['HIBR', 'WAKE', 'RSTR', 'HORM']
const MAGIC_SIZE = 4
const LENGTH_SELF = 0x0c
const LEAST_LENGTH = 0x60
export const PAGE = 0x1000
export const HEADER_SIZE = PAGE
/** A header that was wiped is empty from here to there. */
const WIPED = [4, 0x40] as const

interface Layout {
  readonly pageSize: number
  readonly systemTime: number
  readonly loaderPages: number
  /** Pages of the file, a word each. */
  readonly firstBootPage: number
  readonly firstKernelPage: number
}

const LAYOUT_64: Layout = {
  pageSize: 0x18,
  systemTime: 0x20,
  loaderPages: 0x58,
  firstBootPage: 0x68,
  firstKernelPage: 0x70,
}
const LAYOUT_64_OF_8: Layout = { ...LAYOUT_64, firstBootPage: 0x60, firstKernelPage: 0x68 }
const LAYOUT_32: Layout = {
  pageSize: 0x14,
  systemTime: 0x18,
  loaderPages: 0x48,
  firstBootPage: 0x50,
  firstKernelPage: 0x54,
}

/** By the length of the header: its layout, and where KernelPagesProcessed and HighestPhysicalPage stand. */
const PROFILES: Readonly<
  Record<
    number,
    readonly [bits: 32 | 64, layout: Layout, kernelPages: number, highestPage: number, system: string]
  >
> = {
  864: [64, LAYOUT_64_OF_8, 0x1c8, 0x330, 'Windows 8'],
  944: [64, LAYOUT_64, 0x218, 0x380, 'Windows 10'],
  968: [64, LAYOUT_64, 0x220, 0x388, 'Windows 10'],
  984: [64, LAYOUT_64, 0x230, 0x398, 'Windows 10'],
  992: [64, LAYOUT_64, 0x230, 0x398, 'Windows 10'],
  1096: [64, LAYOUT_64, 0x230, 0x400, 'Windows 11'],
  1240: [64, LAYOUT_64, 0x238, 0x498, 'Windows 11'],
  712: [32, LAYOUT_32, 0x1b0, 0x2b0, 'Windows 8'],
  784: [32, LAYOUT_32, 0x1f8, 0x2f8, 'Windows 10'],
  808: [32, LAYOUT_32, 0x200, 0x300, 'Windows 10'],
  824: [32, LAYOUT_32, 0x210, 0x310, 'Windows 10'],
  832: [32, LAYOUT_32, 0x210, 0x310, 'Windows 10'],
}

/** Sets of pages that follow one another. */
export interface RestoreSet {
  readonly what: string
  /** Offset in the file. */
  readonly start: bigint
  readonly pages: bigint
}

export interface HibernationHeader {
  readonly bits: 32 | 64
  /** The oldest Windows that has such a header. */
  readonly system: string
  /** Windows has gone on from it: `WAKE`, `RSTR`; or may again and again: `HORM`. */
  readonly magic: string
  /** FILETIME. */
  readonly systemTime: bigint
  readonly highestPage: bigint
  /** In the order in which Windows restores them. */
  readonly sets: readonly RestoreSet[]
}

/** Whether a file begins as a hibernation file of any Windows, wiped or not. */
export function isHibernation(head: Bytes): boolean {
  if (head.length < WIPED[1] || !MAGICS.includes(magicOf(head).toUpperCase())) return false
  const view = asDataView(head)
  const length = view.getUint32(LENGTH_SELF, true)
  const pageSizes = [LAYOUT_32, LAYOUT_64].map(({ pageSize }) => view.getUint32(pageSize, true))
  return isWiped(head) || (length >= LEAST_LENGTH && length <= HEADER_SIZE && pageSizes.includes(PAGE))
}

const magicOf = (head: Bytes): string => asBuffer(head).toString('latin1', 0, MAGIC_SIZE)
const isWiped = (head: Bytes): boolean => head.subarray(...WIPED).every((byte) => byte === 0)

/**
 * @param bytes the first page of the file
 * @throws {FormatError} where it is of a Windows before 8, or was wiped
 */
export function decodeHibernationHeader(bytes: Bytes): HibernationHeader {
  if (bytes.length < HEADER_SIZE) throw new FormatError('the header is cut off', BigInt(bytes.length))
  if (isWiped(bytes))
    throw new FormatError('a hibernation file whose header was wiped when Windows went on: not read', 0n)
  const view = asDataView(bytes)
  const length = view.getUint32(LENGTH_SELF, true)
  const profile = PROFILES[length]
  if (!profile || view.getUint32(profile[1].pageSize, true) !== PAGE)
    throw new FormatError(
      `a hibernation file with a header of ${length} bytes: only those of Windows 8 to 11 are read`,
      BigInt(LENGTH_SELF),
      'Volatility 2 reads those of Windows 7 and earlier: imagecopy makes a flat image',
    )
  const [bits, layout, kernelPages, highestPage, system] = profile
  const word = (at: number) => (bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)))
  const start = (at: number) => word(at) * BigInt(PAGE)
  return {
    bits,
    system,
    magic: magicOf(bytes).toUpperCase(),
    systemTime: view.getBigUint64(layout.systemTime, true),
    highestPage: word(highestPage),
    sets: [
      {
        what: 'loader',
        start: start(layout.firstBootPage),
        pages: view.getBigUint64(layout.loaderPages, true),
      },
      {
        what: 'kernel',
        start: start(layout.firstKernelPage),
        pages: view.getBigUint64(kernelPages, true),
      },
    ],
  }
}
