import { createHash, hash } from 'node:crypto'
import type { Bytes } from '../../byte-source.js'
import type { Member } from '../container.js'
import { blockHashesOf } from '../dialect.js'
import type { ImageStream } from '../image-stream-reader.js'
import { DIGESTS, type DigestName } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { type Context, readWhole, subjectOf } from './context.js'
import { openSums, type Sums } from './digest-claims.js'

/** In the order of the Standard. */
export const KINDS = Object.keys(DIGESTS) as DigestName[]

/** Block hashes of one kind for the chunks of a bevy: AFF4 Standard v1.0 §6.2. */
export interface Segment {
  readonly kind: DigestName
  readonly volume: Volume
  readonly member: Member
  readonly bytes: Bytes
}

/** What is found out about the block hashes of a stream. */
export interface BlockHashCheck {
  /** The kinds that a bevy has in any volume, as Node calls them. */
  digestsIn(bevy: number): readonly string[]
  /**
   * Loads those of a bevy, and sums up what they are.
   * @param at where the bevy is
   */
  load(bevy: number, at: Volume): Promise<readonly Segment[]>
  /**
   * Compares those of a chunk.
   * @param content as it was stored, with its padding
   * @param used what of it is in the stream
   * @returns the segments that say otherwise
   */
  compare(segments: readonly Segment[], slot: number, content: Bytes, used: Bytes): Segment[]
  /**
   * The same for chunks that follow one another, of which the digests are there already.
   * @param digests by the names that Node has for them those of all chunks, one behind the other
   * @returns false when one of them is another, which is then to be found
   */
  compareAll(
    segments: readonly Segment[],
    slot: number,
    count: number,
    digests: ReadonlyMap<string, Bytes>,
  ): boolean
  /** How many chunks are not what a kind says. */
  wrong(kind: DigestName): number
  /** Tells about each kind. @param bevies that the stream has */
  conclude(bevies: number): Promise<void>
  /** Kinds that there are. */
  readonly kinds: readonly DigestName[]
  /** Digest of all of a kind; undefined when there are none, or not for all of so many bevies. */
  sum(kind: DigestName, algorithm: string, bevies: number): Buffer | undefined
}

interface Tally {
  readonly sums: Sums
  bevies: number
  chunks: bigint
  wrong: number
}

/** @param algorithms of which digests of all block hashes are asked for, besides those of their own kinds */
export function openBlockHashCheck(
  context: Context,
  { urn, chunkSize, bevyBytes }: ImageStream,
  algorithms: readonly string[],
): BlockHashCheck {
  const { volumes, report } = context
  const tallies = new Map<DigestName, Tally>()
  const chunksPerBevy = Number(bevyBytes / BigInt(chunkSize))

  const find = (volume: Volume, bevy: number, kind: DigestName) =>
    volume.find(blockHashesOf(urn, bevy, kind, volume.dialect))

  function tallyOf(kind: DigestName): Tally {
    let known = tallies.get(kind)
    if (!known) {
      known = { sums: openSums([...algorithms, DIGESTS[kind].node]), bevies: 0, chunks: 0n, wrong: 0 }
      tallies.set(kind, known)
    }
    return known
  }

  return {
    digestsIn: (bevy) =>
      KINDS.filter((kind) => volumes.some((volume) => find(volume, bevy, kind))).map(
        (kind) => DIGESTS[kind].node,
      ),

    /** Stripes have copies of one another's block hashes: all of them must hold, those at home are summed up. */
    async load(bevy, at) {
      const segments: Segment[] = []
      for (const volume of [at, ...volumes.filter((other) => other !== at)])
        for (const kind of KINDS) {
          const member = find(volume, bevy, kind)
          if (!member) continue
          context.owned.add(member)
          const bytes = await readWhole(context, volume, member, BigInt(DIGESTS[kind].size * chunksPerBevy))
          if (!bytes) continue
          segments.push({ kind, volume, member, bytes })
          if (volume !== at) continue
          const tally = tallyOf(kind)
          tally.sums.update(bytes)
          tally.bevies++
        }
      return segments
    },

    compare(segments, slot, content, used) {
      return segments.filter(({ kind, bytes }) => {
        const { node, size } = DIGESTS[kind]
        const tally = tallyOf(kind)
        const stated = bytes.subarray(slot * size, (slot + 1) * size)
        tally.chunks++
        // Of a last chunk that is short, some writers hash what is padded, others what is there.
        if (digestOfChunk(node, content, chunkSize).equals(stated)) return false
        if (used.length < chunkSize && hash(node, used, 'buffer').equals(stated)) return false
        tally.wrong++
        return true
      })
    },

    compareAll(segments, slot, count, digests) {
      const all = segments.every(({ kind, bytes }) => {
        const { node, size } = DIGESTS[kind]
        const found = digests.get(node)
        return found && Buffer.compare(found, bytes.subarray(slot * size, (slot + count) * size)) === 0
      })
      if (all) for (const { kind } of segments) tallyOf(kind).chunks += BigInt(count)
      return all
    },

    wrong: (kind) => tallies.get(kind)?.wrong ?? 0,

    async conclude(bevies) {
      for (const kind of KINDS) {
        const tally = tallies.get(kind)
        if (!tally) continue
        const about = { property: `block hashes ${DIGESTS[kind].datatype}`, subject: urn }
        if (tally.wrong > 0) {
          const detail = `${tally.wrong} of ${tally.chunks} differ`
          await report({ ...about, outcome: 'mismatched', detail })
        } else if (tally.bevies !== bevies && tally.bevies > 0) {
          const detail = `only ${tally.bevies} of ${bevies} bevies have them`
          await report({ ...about, outcome: 'mismatched', detail })
        } else await report({ ...about, outcome: 'matched', detail: `of ${tally.chunks} chunks` })
      }
    },

    get kinds() {
      return KINDS.filter((kind) => (tallies.get(kind)?.bevies ?? 0) > 0)
    },

    sum(kind, algorithm, bevies) {
      const tally = tallies.get(kind)
      return tally?.bevies === bevies ? tally.sums.digest(algorithm) : undefined
    },
  }
}

function digestOfChunk(node: string, content: Bytes, chunkSize: number): Buffer {
  if (content.length === chunkSize) return hash(node, content, 'buffer')
  return createHash(node)
    .update(content)
    .update(Buffer.alloc(chunkSize - content.length))
    .digest()
}

/** How a finding names the segment that says otherwise. */
export const statedBy = ({ kind, volume, member, bytes }: Segment, slot: number): string => {
  const by = subjectOf(volume, member)
  const whole = bytes.length >= (slot + 1) * DIGESTS[kind].size
  return whole ? `chunk ${slot} is not what ${by} says` : `chunk ${slot} has none in ${by}`
}
