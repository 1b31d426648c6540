import { setImmediate as nextTurn } from 'node:timers/promises'
import { type DigestName, isDigestName } from '../../codecs/digest.js'
import { min } from '../min-max.js'
import { type Covers, MOST_ABSENT, openStreamDigest, type StatedDigest } from '../stream-digest.js'
import type { Image } from './image.js'

/** Holes are hashed in steps of this size, between which signals have their turn. */
const STEP = 64n << 20n

/** What became of a digest that an image carries. */
export interface ComparedDigest extends StatedDigest {
  /** Of what was read; undefined where the algorithm is not known, or not all of the image was read. */
  readonly found: string | undefined
}

export interface ContentDigests {
  /** Reads as the image does; what comes in the order of its runs is taken up. */
  readonly read: Image['read']
  /** To be asked once everything was read. */
  compare(): Promise<readonly ComparedDigest[]>
}

/** Takes the digests that an image carries while it is read. */
export function digestContent({ runs, holes, size, digests: stated, read }: Image): ContentDigests {
  const named = (covers: Covers): DigestName[] =>
    stated
      .filter((digest) => digest.covers === covers)
      .map(({ algorithm }) => algorithm)
      .filter(isDigestName)
  const held = [...runs, ...holes].reduce((sum, { length }) => sum + length, 0n)
  const linear = size - held <= MOST_ABSENT ? named('linear') : []
  const ranges = named('ranges')
  const digests = linear.length + ranges.length > 0 ? openStreamDigest({ linear, ranges }) : undefined
  const waiting = [...holes]
  /** The run that is being read, or comes next, and the address that does. */
  let index = 0
  let next = runs[0]?.start
  let values: readonly StatedDigest[] | undefined

  async function takeHoles(end: bigint): Promise<void> {
    for (; waiting[0] && waiting[0].start < end; waiting.shift()) {
      const { start, length, content } = waiting[0]
      for (let done = 0n; done < length; done += STEP, await nextTurn())
        digests?.fill(start + done, min(STEP, length - done), content)
    }
  }

  return {
    read: !digests
      ? read
      : async (address, length, into) => {
          const bytes = await read(address, length, into)
          if (address !== next) return bytes
          const run = runs[index]!
          if (address === run.start) await takeHoles(address)
          digests.data(address, bytes)
          next += BigInt(bytes.length)
          if (next === run.start + run.length) next = runs[++index]?.start
          return bytes
        },
    async compare() {
      if (index === runs.length && !values) {
        await takeHoles(size)
        values = digests?.values(size)
      }
      const found = ({ algorithm, covers }: StatedDigest) =>
        values?.find((digest) => digest.algorithm === algorithm && digest.covers === covers)?.value
      return stated.map((digest) => ({ ...digest, found: found(digest) }))
    },
  }
}
