import { createHash } from 'node:crypto'
import type { Bytes } from '../../formats/byte-source.js'

/** What is compared: a small file whole, a large one by pieces of this size. */
export const BLOCK = 1n << 20n
/** What is shorter takes more to point to than to store again. */
export const SMALLEST = 1n << 10n
/** A bound for what is remembered: two tebibytes of evidence, in some 300 MB. */
const MOST = 1 << 21

/** Where bytes stand in a volume. */
export interface Place {
  /** An image stream, or a file that is a member of its own. */
  readonly target: string
  readonly offset: bigint
}

/** The bytes that a volume holds, so that none are stored twice. */
export interface StoredBlocks {
  find(key: string): Place | undefined
  /** Remembers bytes that are in the volume for good. */
  add(key: string, place: Place): void
}

/** The SHA-256 of bytes: what is equal in it is equal. */
export function blockKey(pieces: readonly Bytes[]): string {
  const sum = createHash('sha256')
  for (const piece of pieces) sum.update(piece)
  return sum.digest().toString('latin1')
}

export function createStoredBlocks(): StoredBlocks {
  const places = new Map<string, Place>()
  return {
    find: (key) => places.get(key),
    add(key, place) {
      if (places.size < MOST && !places.has(key)) places.set(key, place)
    },
  }
}
