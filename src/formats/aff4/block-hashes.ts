import { createHash, hash } from 'node:crypto'
import type { Bytes } from '../byte-source.js'
import { DIGESTS, type DigestName } from './lexicon.js'

/** The digest of the objects that carry digests themselves: AFF4 Standard v1.0a §6.2. */
export const sha512 = (...pieces: readonly Bytes[]): Buffer => {
  const sum = createHash('sha512')
  for (const piece of pieces) sum.update(piece)
  return sum.digest()
}

/** The digests of a bevy's chunks under one algorithm, back to back, as their segment holds them. */
export interface BlockHashes {
  readonly digest: DigestName
  /** Adds the digest of the next chunk. `content` shorter than a chunk is padded with zeros. */
  add(content: Bytes): void
  /** Gives the segment of the bevy and starts the next one. */
  take(): Bytes
  /** A segment that was taken is in the volume. */
  commit(segment: Bytes): void
  /** The bevy is dropped. */
  drop(): void
  /** SHA-512 over the segments of all bevies that were written: what `<stream>/blockhash.<alg>` carries. */
  sum(): Buffer
}

export function createBlockHashes(digest: DigestName, chunkSize: number, chunks: number): BlockHashes {
  const { node, size } = DIGESTS[digest]
  const bevy = Buffer.alloc(size * chunks)
  const all = createHash('sha512')
  let used = 0
  return {
    digest,
    add(content) {
      const value =
        content.length === chunkSize
          ? hash(node, content, 'buffer')
          : createHash(node)
              .update(content)
              .update(Buffer.alloc(chunkSize - content.length))
              .digest()
      value.copy(bevy, used)
      used += size
    },
    take() {
      const segment = Uint8Array.from(bevy.subarray(0, used))
      used = 0
      return segment
    },
    commit: (segment) => void all.update(segment),
    drop() {
      used = 0
    },
    sum: () => all.copy().digest(),
  }
}

const ORDER = Object.keys(DIGESTS)

/**
 * What the block map hash (AFF4 Standard v1.0a §6.2) begins with: the sums of a stream's block hashes in the order of
 * the Standard. The digests of the map's own segments follow.
 */
export const sumsOf = (blockHashes: readonly BlockHashes[]): Buffer[] =>
  [...blockHashes]
    .sort((a, b) => ORDER.indexOf(a.digest) - ORDER.indexOf(b.digest))
    .map((hashes) => hashes.sum())
