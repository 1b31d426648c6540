import type { TreeFile } from '../../cli/tree.js'
import { appendRun, type Run } from '../../formats/address-space.js'
import { fillSymbolic } from '../../formats/aff4/symbolic.js'
import { clipLength } from '../../formats/clip-length.js'
import { encodeMapfile, type MapBlock } from '../../formats/mapfile.js'
import type { Content } from '../../formats/ntfs/content.js'

const PIECE_SIZE = 1 << 20

export interface Copied {
  /** What could not be read, ascending; ranges that touch are one. */
  readonly lost: readonly Run[]
  /** Why the first of them could not. */
  readonly reason: string | undefined
  /** Where the copy ends: before the end of the content where the rest is lost and too large to be written. */
  readonly end: bigint
}

/**
 * Copies a stream: holes are left out, and where bytes cannot be read the text stands that AFF4 has for them.
 * @param mostText bytes of such text at most; a size that no cluster stands behind would fill the disk
 * @param told of how many bytes have been passed
 */
export async function copyContent(
  content: Content,
  file: TreeFile,
  mostText: bigint,
  told: (bytes: bigint) => Promise<void>,
): Promise<Copied> {
  const space = Buffer.allocUnsafe(PIECE_SIZE)
  const lost: Run[] = []
  let reason: string | undefined
  let text = 0n
  for await (const piece of content.pieces(0n, content.size, (_, length) => space.subarray(0, length))) {
    if (piece.kind === 'bytes') {
      file.writeAt(piece.offset, piece.bytes)
      await told(BigInt(piece.bytes.length))
      continue
    }
    const { offset, length } = piece
    if (piece.kind === 'unreadable') {
      reason ??= piece.reason
      text += length
      appendRun(lost, offset, length)
      if (text > mostText) return { lost, reason, end: offset }
      for (let at = offset; at < offset + length; at += BigInt(PIECE_SIZE)) {
        const left = offset + length - at
        const bytes = space.subarray(0, clipLength(PIECE_SIZE, left))
        fillSymbolic('unreadable', at, bytes)
        file.writeAt(at, bytes)
        await told(0n)
      }
    }
    await told(length)
  }
  return { lost, reason, end: content.size }
}

/** The ddrescue map of a copy: what of it is evidence. */
export function mapOfCopy({ lost, end }: Copied, size: bigint, comments: readonly string[]): Uint8Array {
  const blocks: MapBlock[] = []
  let at = 0n
  for (const { start, length } of lost) {
    if (start > at) blocks.push({ start: at, length: start - at, status: '+' })
    blocks.push({ start, length, status: '-' })
    at = start + length
  }
  if (at < size) blocks.push({ start: at, length: size - at, status: at < end ? '+' : '?' })
  const status = end === size ? '+' : '?'
  return encodeMapfile({ position: end === size ? 0n : end, status, pass: 1, blocks }, comments)
}
