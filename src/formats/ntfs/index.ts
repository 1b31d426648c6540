import type { ByteSource } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import type { Report } from './finding.js'
import { decodeIndexRoot, type IndexRoot, isBlockSize } from './index-root.js'

/** Where cluster sizes are larger than blocks, VCNs of an index count these. */
const SMALL_UNIT = 512
/** What all versions of Windows make. */
const USUAL_BLOCK_SIZE = 4096
/** Blocks of an index that are looked at: 16 GiB of the usual size. */
const MOST_BLOCKS = 1 << 22

/** From the first byte to behind the last. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** What an index is made of: three attributes of one name. */
export interface IndexParts {
  /** What a finding calls it: `$I30 of record 5`. */
  readonly name: string
  /** Value of $INDEX_ROOT. */
  readonly root: Buffer
  /** $INDEX_ALLOCATION and $BITMAP; undefined: there is none. */
  readonly allocation?: ByteSource | undefined
  readonly bitmap?: ByteSource | undefined
  /** Bytes of $INDEX_ALLOCATION that clusters are in use for, ascending; all unless given. */
  readonly stored?: readonly ByteRange[] | undefined
  readonly clusterSize: number
  /** Size of a block by the boot sector: counts where the root states none that can be. */
  readonly blockSize: number
  readonly report: Report
}

export interface NtfsIndex {
  readonly name: string
  readonly root: IndexRoot
  readonly allocation: ByteSource | undefined
  readonly bitmap: ByteSource | undefined
  /** Bytes. */
  readonly blockSize: number
  /** Bytes that a VCN of it stands for. */
  readonly vcnSize: number
  /** Whole blocks of $INDEX_ALLOCATION. */
  readonly blockCount: number
  /** Numbers of the blocks that may hold something, ascending. */
  storedBlocks(): Iterable<number>
  /** Of the whole index; a message is a sentence about it. */
  complain(what: string, offset?: bigint): void
}

/**
 * Opens an index; nothing but its root is looked at.
 * @throws {NtfsError} when the root cannot be used
 */
export function openIndex(parts: IndexParts): NtfsIndex {
  const { name, allocation, bitmap, clusterSize, report } = parts
  const complain = (what: string, offset?: bigint) =>
    report({ message: `${name}: ${what}`, ...(offset !== undefined && { offset }) })
  const root = decodeIndexRoot(parts.root)
  for (const complaint of root.node.complaints) complain(`the root ${complaint}`)
  const blockSize = root.blockSize ?? (isBlockSize(parts.blockSize) ? parts.blockSize : USUAL_BLOCK_SIZE)
  if (root.blockSize === undefined)
    complain(`the root states no size that a block can have; ${blockSize} is taken for it`)
  const claimed = allocation ? allocation.size / BigInt(blockSize) : 0n
  if (claimed > MOST_BLOCKS)
    complain(`it claims ${claimed} blocks; no more than ${MOST_BLOCKS} are looked at`)
  const blockCount = clipLength(MOST_BLOCKS, claimed)
  return {
    name,
    root,
    allocation,
    bitmap,
    blockSize,
    vcnSize: clusterSize <= blockSize ? clusterSize : SMALL_UNIT,
    blockCount,
    storedBlocks: () =>
      blocksOf(parts.stored ?? [{ start: 0, end: blockCount * blockSize }], blockSize, blockCount),
    complain,
  }
}

function* blocksOf(ranges: readonly ByteRange[], blockSize: number, blockCount: number): Generator<number> {
  let next = 0
  for (const { start, end } of ranges) {
    const behind = Math.min(blockCount, Math.ceil(end / blockSize))
    for (next = Math.max(next, Math.floor(start / blockSize)); next < behind; next++) yield next
  }
}

/** The block that begins at a VCN; undefined where none can. */
export function blockOf(index: NtfsIndex, vcn: number): number | undefined {
  const block = (vcn * index.vcnSize) / index.blockSize
  return Number.isInteger(block) && block < index.blockCount ? block : undefined
}

/** One bit a block, of those that there are; undefined when no $BITMAP can be read. */
export async function readBlockBitmap(index: NtfsIndex): Promise<Uint8Array | undefined> {
  const length = Math.ceil(index.blockCount / 8)
  if (!index.bitmap) return undefined
  try {
    return await index.bitmap.read(0n, length)
  } catch (error) {
    index.complain(`which blocks are in use cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

/** Whether a bit is set; undefined behind the end. */
export function testBit(bits: Uint8Array, at: number): boolean | undefined {
  const byte = bits[at >>> 3]
  return byte === undefined ? undefined : ((byte >>> (at & 7)) & 1) === 1
}
