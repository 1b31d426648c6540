import { createHash } from 'node:crypto'
import { fillSymbolic, type SymbolicContent } from '../formats/aff4/symbolic.js'
import type { Bytes } from '../formats/byte-source.js'
import { clipLength } from '../formats/clip-length.js'

/** Bytes without content that are hashed at most: beyond that a digest is no longer `linear`. */
const MOST_ABSENT = 64n << 30n
const PIECE = 1 << 20

/** The SHA-256 of a stream from 0 on, as it reads from the volume. */
export interface LinearDigest {
  data(offset: bigint, bytes: Bytes): void
  fill(offset: bigint, length: bigint, content: SymbolicContent): void
  /** Undefined where the ranges came in no order, or too many of them are absent. */
  value(): string | undefined
}

export function createLinearDigest(): LinearDigest {
  let sum: ReturnType<typeof createHash> | undefined = createHash('sha256')
  let position = 0n
  let absent = 0n
  let piece: Buffer | undefined

  return {
    data(offset, bytes) {
      if (offset !== position) sum = undefined
      sum?.update(bytes)
      position = offset + BigInt(bytes.length)
    },
    fill(offset, length, content) {
      absent += length
      if (offset !== position || absent > MOST_ABSENT) sum = undefined
      position = offset + length
      piece ??= Buffer.allocUnsafe(PIECE)
      for (let at = offset; sum && at < position; ) {
        const left = position - at
        const into = piece.subarray(0, clipLength(PIECE, left))
        fillSymbolic(content, at, into)
        sum.update(into)
        at += BigInt(into.length)
      }
    },
    value: () => sum?.digest('hex'),
  }
}
