import { type DigestName, openDigests } from '../codecs/digest.js'
import { fillSymbolic, type SymbolicContent } from './aff4/symbolic.js'
import type { Bytes } from './byte-source.js'
import { min } from './min-max.js'

/** Most bytes without content in front of or between ranges that are hashed as the zeros which they read as. */
export const MOST_ABSENT = 64n << 30n
const BLOCK = 1 << 20

/** What a digest is of: all from 0 to the size, gaps as zeros; or the ranges alone, one behind the other. */
export type Covers = 'linear' | 'ranges'

/** A digest that somebody has stated. */
export interface StatedDigest {
  /** As DIGEST frames name it: `md5`, `sha1`, `sha256`. */
  readonly algorithm: string
  /** Hexadecimal. */
  readonly value: string
  readonly covers: Covers
}

/** Digests of what a reader of a stream sees, taken as it comes in ascending order: holes read as their text. */
export interface StreamDigest {
  data(offset: bigint, bytes: Bytes): void
  fill(offset: bigint, length: bigint, content: SymbolicContent): void
  /**
   * Ends the digests.
   * @param size where the stream ends
   * @returns those that could be taken: no linear ones where too much was absent
   */
  values(size: bigint): StatedDigest[]
}

/** Starts digests of the given names, of either kind. */
export function openStreamDigest(wanted: Readonly<Record<Covers, readonly DigestName[]>>): StreamDigest {
  let linear = wanted.linear.length > 0 ? openDigests(wanted.linear) : undefined
  const ranges = wanted.ranges.length > 0 ? openDigests(wanted.ranges) : undefined
  const block = Buffer.alloc(BLOCK)
  let position = 0n
  let absent = 0n

  function update(bytes: Bytes): void {
    linear?.update(bytes)
    ranges?.update(bytes)
  }

  function hashSymbolic(content: SymbolicContent, from: bigint, to: bigint, into = update): void {
    for (let at = from; at < to; ) {
      // Up to the next multiple of a block, so that a block holds the same text each time.
      const length = Number(min(to - at, BigInt(BLOCK) - (at % BigInt(BLOCK))))
      const piece = block.subarray(0, length)
      fillSymbolic(content, at, piece)
      into(piece)
      at += BigInt(length)
    }
  }

  function gapTo(offset: bigint): void {
    if (offset <= position) return
    absent += offset - position
    if (absent > MOST_ABSENT) linear = undefined
    if (linear) hashSymbolic('zero', position, offset, linear.update)
    position = offset
  }

  return {
    data(offset, bytes) {
      gapTo(offset)
      update(bytes)
      position = offset + BigInt(bytes.length)
    },
    fill(offset, length, content) {
      gapTo(offset)
      hashSymbolic(content, offset, offset + length)
      position = offset + length
    },
    values(size) {
      gapTo(size)
      const of = (covers: Covers, digests = covers === 'linear' ? linear : ranges): StatedDigest[] =>
        [...(digests?.values() ?? [])].map(([algorithm, value]) => ({ algorithm, value, covers }))
      return [...of('linear'), ...of('ranges')]
    },
  }
}
