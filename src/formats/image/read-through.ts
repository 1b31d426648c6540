import type { Run } from '../address-space.js'
import type { Bytes } from '../byte-source.js'
import { isDamage } from '../format-error.js'
import type { Image } from './image.js'

/** Reads are of this size, and end at multiples of it. */
const READ_SIZE = 1 << 20

/** A range whose bytes an image announces and does not give. */
export interface LostRange extends Run {
  /** The first of the errors. */
  readonly error: Error
}

/**
 * Reads all bytes of an image once, in order. Where that fails, it is tried again in halves, down to the unit of the
 * image.
 * @param read in place of the image's own
 * @param tick told of bytes that were read
 * @returns what cannot be read, in ascending ranges
 */
export async function* readThrough(
  { runs, unit }: Pick<Image, 'runs' | 'unit'>,
  read: Image['read'],
  tick: (bytes: number) => Promise<void> | undefined,
): AsyncGenerator<LostRange> {
  const room = Buffer.allocUnsafe(READ_SIZE)
  let lost: { start: bigint; length: bigint; error: Error } | undefined
  for (const { start, length } of runs) {
    const end = start + length
    for (let at = start; at < end; ) {
      const left = Math.min(READ_SIZE - Number(at % BigInt(READ_SIZE)), Number(end - at))
      for (const part of await readHalving(read, at, left, BigInt(unit), room)) {
        if (lost && lost.start + lost.length === part.start) lost.length += part.length
        else {
          if (lost) yield lost
          lost = { ...part }
        }
      }
      at += BigInt(left)
      await tick(left)
    }
  }
  if (lost) yield lost
}

async function readHalving(
  read: Image['read'],
  address: bigint,
  length: number,
  unit: bigint,
  room: Bytes,
): Promise<LostRange[]> {
  try {
    await read(address, length, room)
    return []
  } catch (error) {
    if (!isDamage(error)) throw error
    const half = address + BigInt(length >> 1)
    const below = half - (half % unit)
    const middle = below > address ? below : below + unit
    const end = address + BigInt(length)
    if (middle >= end) return [{ start: address, length: BigInt(length), error }]
    return [
      ...(await readHalving(read, address, Number(middle - address), unit, room)),
      ...(await readHalving(read, middle, Number(end - middle), unit, room)),
    ]
  }
}
