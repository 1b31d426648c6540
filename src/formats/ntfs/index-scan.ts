import { type NtfsIndex, readBlockBitmap, testBit } from './index.js'
import { decodeIndexBlock, type IndexBlock, isIndexBlock } from './index-block.js'
import { readThroughWindows } from './index-block-reader.js'

export interface ScannedBlock {
  /** Its place in $INDEX_ALLOCATION, in blocks. */
  readonly number: number
  /** By $BITMAP; undefined when that does not say. */
  readonly inUse: boolean | undefined
  readonly block: IndexBlock
}

/**
 * Every block that looks like one, wherever the tree leads: for damaged trees, and for what blocks no longer in use
 * still hold. What cannot be read is complained about and passed over; holes and zeros are passed over.
 * @param skip blocks that need not be read
 */
export async function* scanIndexBlocks(
  index: NtfsIndex,
  skip: (block: number, inUse: boolean | undefined) => boolean = () => false,
): AsyncGenerator<ScannedBlock> {
  const bitmap = await readBlockBitmap(index)
  const read = readThroughWindows(index)
  for (const number of index.storedBlocks()) {
    const inUse = bitmap && testBit(bitmap, number)
    if (skip(number, inUse)) continue
    const offset = BigInt(number) * BigInt(index.blockSize)
    let raw: Buffer
    try {
      raw = await read(number)
    } catch (error) {
      index.complain(`block ${number} cannot be read: ${(error as Error).message}`, offset)
      continue
    }
    const block = decodeIndexBlock(raw)
    if (typeof block !== 'string') {
      if (blockVcn(index, number) !== block.vcn)
        index.complain(`block ${number} bears VCN ${block.vcn}`, offset)
      yield { number, inUse, block }
    } else if (inUse === true || isIndexBlock(raw)) index.complain(`block ${number} ${block}`, offset)
  }
}

/** The first block in use that is not among those a walk has visited. */
export async function findUnreached(
  index: NtfsIndex,
  visited: ReadonlySet<number>,
): Promise<number | undefined> {
  const bitmap = index.allocation && (await readBlockBitmap(index))
  if (!bitmap) return undefined
  for (const number of index.storedBlocks())
    if (testBit(bitmap, number) === true && !visited.has(number)) return number
  return undefined
}

const blockVcn = ({ blockSize, vcnSize }: NtfsIndex, number: number) => number * (blockSize / vcnSize)
