import type { ByteSource } from '../../byte-source.js'
import type { Report } from '../finding.js'
import type { StoreLocation } from './catalog.js'
import { BLOCK_TYPE, readChain } from './metadata-block.js'

/** One bit a block of the volume, lowest first, set where nothing used it when the copy was made. */
export type UnusedBlocks = Uint8Array

/**
 * Which blocks of a volume are unused by the bitmap of a store and, where it has one, the bitmap before it as well.
 * What is missing of a bitmap counts as used.
 * @param blockCount of the volume
 */
export async function readUnusedBlocks(
  source: ByteSource,
  { bitmap, previousBitmap }: StoreLocation,
  blockCount: number,
  report: Report,
): Promise<UnusedBlocks> {
  const unused = await readBitmap(source, bitmap, blockCount, report)
  if (previousBitmap === 0n || unused.length === 0) return unused
  const before = await readBitmap(source, previousBitmap, blockCount, report)
  for (let at = 0; at < unused.length; at++) unused[at]! &= before[at] ?? 0
  return unused
}

async function readBitmap(
  source: ByteSource,
  first: bigint,
  blockCount: number,
  report: Report,
): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let wanted = Math.ceil(blockCount / 8)
  const chain = readChain({ source, type: BLOCK_TYPE.bitmap, first, what: 'a bitmap', report })
  for await (const payload of chain) {
    if (wanted === 0) break
    const piece = Buffer.from(payload.subarray(0, wanted))
    pieces.push(piece)
    wanted -= piece.length
  }
  return Buffer.concat(pieces)
}

export const isUnused = (unused: UnusedBlocks, block: number): boolean =>
  (((unused[Math.floor(block / 8)] ?? 0) >> (block % 8)) & 1) === 1
