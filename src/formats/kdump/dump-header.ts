import { asBuffer, asDataView } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import {
  decodeStruct,
  HEADER,
  type Header,
  type Model,
  offsetOf,
  SIGNATURE,
  SINCE,
  SUB_HEADER,
  type SubHeader,
  structSize,
} from './structs.js'

/** Above the newest header_version there is, and below the least one in the other byte order. */
const MOST_VERSION = 0xffff
const LEAST_BLOCK = 512
/** What one read of frames takes; the largest page that Linux has is 256 KiB. */
const MOST_BLOCK = 1 << 20

/** What one file says of itself, and where its parts stand. */
export interface DumpHeader {
  readonly model: Model
  readonly header: Header
  readonly version: number
  /** Fields that its version does not have are 0. */
  readonly sub: SubHeader
  /** Bytes of a page, and of a block of the file. */
  readonly blockSize: number
  /** One past the last page. */
  readonly pages: number
  /** Where bitmap 1 stands, and bitmap 2 behind it. */
  readonly bitmapsAt: bigint
  /** Bytes of one bitmap. */
  readonly bitmapSize: number
  readonly descriptorsAt: bigint
  /** The pages that this file holds of the bitmaps: all, unless it is one of several. */
  readonly first: number
  readonly end: number
  readonly split: boolean
}

export const isKdump = (head: Bytes): boolean =>
  asBuffer(head).toString('latin1', 0, SIGNATURE.length) === SIGNATURE

/** @throws {FormatError} with the offset of what makes no sense */
export async function readDumpHeader(source: ByteSource): Promise<DumpHeader> {
  const largest = structSize(HEADER, { bits: 64, littleEndian: true, align: 8 })
  const head = await readExactly(source, 0n, largest, 'the header lies')
  const model = modelOf(head)
  const header = decodeStruct(HEADER, head, model)
  const version = Number(header.header_version)
  const blockSize = Number(header.block_size)
  const sub = await readSubHeader(source, blockSize, version, model)
  const pages = version >= 6 && sub.max_mapnr_64 > 0n ? sub.max_mapnr_64 : header.max_mapnr
  const bitmapsAt = (1n + header.sub_hdr_size) * BigInt(blockSize)
  const bitmaps = header.bitmap_blocks * BigInt(blockSize)
  const descriptorsAt = bitmapsAt + bitmaps
  if (pages > bitmaps * 4n)
    throw new FormatError(
      `${pages} pages in bitmaps of ${bitmaps / 2n} bytes`,
      BigInt(offsetOf(HEADER, 'bitmap_blocks', model)),
    )
  // A writer may leave out the padding of the last block.
  const bitmapsEnd = bitmapsAt + bitmaps / 2n + (pages + 7n) / 8n
  if (bitmapsEnd > source.size)
    throw new FormatError(`cut within its bitmaps, which end at 0x${bitmapsEnd.toString(16)}`, source.size)
  const split = sub.split > 0n
  const [first, end] =
    version >= 6 && sub.end_pfn_64 > 0n ? [sub.start_pfn_64, sub.end_pfn_64] : [sub.start_pfn, sub.end_pfn]
  if (split && (first > end || first > pages))
    throw new FormatError(`a part of pages ${first} to ${end}`, BigInt(blockSize))
  return {
    model,
    header,
    version,
    sub,
    blockSize,
    pages: Number(pages),
    bitmapsAt,
    bitmapSize: Number(bitmaps / 2n),
    descriptorsAt,
    first: split ? Number(first) : 0,
    end: split && end < pages ? Number(end) : Number(pages),
    split,
  }
}

async function readSubHeader(
  source: ByteSource,
  blockSize: number,
  version: number,
  model: Model,
): Promise<SubHeader> {
  const length = structSize(SUB_HEADER, model)
  const bytes = await readExactly(source, BigInt(blockSize), length, 'the sub header lies')
  const sub = decodeStruct(SUB_HEADER, bytes, model)
  for (const [name, since] of Object.entries(SINCE) as [keyof SubHeader, number][])
    if (version < since) sub[name] = 0n
  return sub
}

/** Nothing tells it, but only one makes sense of the sizes: what 32 bits have there, 64 have as a part of the time. */
function modelOf(head: Bytes): Model {
  const view = asDataView(head)
  const littleEndian = isVersion(view.getUint32(8, true))
  if (!littleEndian && !isVersion(view.getUint32(8, false)))
    throw new FormatError(`header_version ${view.getInt32(8, true)}`, 8n)
  const narrow: Model = { bits: 32, littleEndian, align: 8 }
  const wide: Model = { bits: 64, littleEndian, align: 8 }
  for (const model of [narrow, wide]) {
    const { block_size, sub_hdr_size, bitmap_blocks, machine } = decodeStruct(HEADER, head, model)
    if (!isBlockSize(Number(block_size)) || sub_hdr_size === 0n || bitmap_blocks === 0n) continue
    return model.bits === 32 && /^i\d86$/.test(machine) ? { ...model, align: 4 } : model
  }
  const { block_size } = decodeStruct(HEADER, head, wide)
  throw new FormatError(`blocks of ${block_size} bytes`, BigInt(offsetOf(HEADER, 'block_size', wide)))
}

const isVersion = (version: number) => version > 0 && version <= MOST_VERSION

const isBlockSize = (size: number) =>
  size >= LEAST_BLOCK && size <= MOST_BLOCK && Number.isInteger(Math.log2(size))
