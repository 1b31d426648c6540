import { openDigests } from '../../codecs/digest.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import type { MediumDigest } from './stored-digests.js'

const STEP = 1 << 20
/** A gap between two reads that is filled at once; a larger one is left until the end. */
const NEAR = 16n << 20n

/** Takes the digests of a medium of which only parts are asked for, in ascending order. */
export interface DigestedMedium {
  /** Takes up what was read of it. */
  note(offset: bigint, bytes: Bytes): Promise<void>
  /** Reads what nobody has asked for, and compares. @returns what does not hold */
  compare(): Promise<readonly string[]>
}

/** @param medium with what its chunks have in its holes, too */
export function digestMedium(medium: ByteSource, stated: readonly MediumDigest[]): DigestedMedium {
  const digests = openDigests(stated.map(({ algorithm }) => algorithm))
  let next = 0n
  let result: readonly string[] | undefined
  let room: Buffer | undefined
  /** A gap that cannot be read: what comes behind it is of no use. */
  let stopped = false

  async function fillTo(end: bigint): Promise<void> {
    while (next < end) {
      const left = end - next
      room ??= Buffer.allocUnsafe(STEP)
      const bytes = await medium.read(next, clipLength(STEP, left), room)
      if (bytes.length === 0) throw new FormatError('it ends before')
      digests.update(bytes)
      next += BigInt(bytes.length)
    }
  }

  async function compareAll(): Promise<readonly string[]> {
    try {
      await fillTo(medium.size)
    } catch (error) {
      const names = stated.map(({ algorithm }) => algorithm).join(' and ')
      return [`${names} of the medium cannot be compared: ${(error as Error).message}`]
    }
    const values = digests.values()
    return stated
      .filter(({ algorithm, value }) => values.get(algorithm) !== value)
      .map(
        ({ algorithm, value }) =>
          `${algorithm} of the medium is ${values.get(algorithm)}, the image says ${value}`,
      )
  }

  return {
    async note(offset, bytes) {
      if (stopped) return
      if (offset > next && offset - next <= NEAR)
        await fillTo(offset).catch(() => {
          stopped = true
        })
      const end = offset + BigInt(bytes.length)
      if (offset > next || end <= next) return
      digests.update(bytes.subarray(Number(next - offset)))
      next = end
    },
    async compare() {
      result ??= await compareAll()
      return result
    },
  }
}
