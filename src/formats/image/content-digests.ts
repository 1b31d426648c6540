import { setImmediate as nextTurn } from 'node:timers/promises'
import { type DigestName, isDigestName, openDigests } from '../../codecs/digest.js'
import { clipLength } from '../clip-length.js'
import type { Image, StoredDigest } from './image.js'

/** Bytes that an image does not hold and that are hashed at most. */
const MOST_ABSENT = 64n << 30n
const ZEROS = Buffer.alloc(1 << 20)

/** What became of a digest that an image carries. */
export interface ComparedDigest extends StoredDigest {
  /** Of what was read; undefined where the algorithm is not known, or not all of the image was read. */
  readonly found: string | undefined
}

export interface ContentDigests {
  /** Reads as the image does; what comes in the order of its runs is taken up. */
  readonly read: Image['read']
  /** To be asked once everything was read. */
  compare(): Promise<readonly ComparedDigest[]>
}

/** Takes the digests that an image carries while it is read: over its runs, and zeros wherever it has none. */
export function digestContent({ runs, size, digests: stored, read }: Image): ContentDigests {
  const wanted = stored.map(({ algorithm }) => algorithm).filter(isDigestName)
  const absent = runs.reduce((left, { length }) => left - length, size)
  const digests = wanted.length > 0 && absent <= MOST_ABSENT ? openDigests(wanted) : undefined
  /** The run that is being read, or comes next. */
  let index = 0
  let next = 0n
  let values: ReadonlyMap<DigestName, string> | undefined

  async function addZeros(end: bigint): Promise<void> {
    for (; next < end; await nextTurn()) {
      const length = clipLength(ZEROS.length, end - next)
      digests?.update(ZEROS.subarray(0, length))
      next += BigInt(length)
    }
  }

  return {
    read: !digests
      ? read
      : async (address, length, into) => {
          const bytes = await read(address, length, into)
          const run = runs[index]
          if (run && address === run.start) await addZeros(run.start)
          if (run && address === next) {
            digests.update(bytes)
            next += BigInt(bytes.length)
            if (next === run.start + run.length) index++
          }
          return bytes
        },
    async compare() {
      if (index === runs.length && !values) {
        await addZeros(size)
        values = digests?.values()
      }
      return stored.map((digest) => ({
        ...digest,
        found: isDigestName(digest.algorithm) ? values?.get(digest.algorithm) : undefined,
      }))
    },
  }
}
