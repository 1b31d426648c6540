import type { ByteSource, Bytes } from '../../src/formats/byte-source.js'
import type { ImageFormat, Surroundings } from '../../src/formats/image/image.js'
import { bufferSource } from '../formats/buffer-source.js'
import { inTime, MOST_READ, readPieces, unlessDamaged } from './limits.js'
import { createRandom, mutate } from './mutate.js'

/**
 * Opens damaged copies of a file and reads what they claim to hold.
 * @param surroundings where it is opened; fresh for each mutant
 * @param mostTime processor time that one may take, in milliseconds; not looked at unless given
 * @throws what a reader threw that it must not, or took too long or too much for; the message says how to do it again
 */
export async function fuzzImage(
  format: ImageFormat,
  pristine: Bytes,
  surroundings: () => Surroundings,
  count: number,
  seed: number,
  mostTime?: number,
): Promise<void> {
  for (let round = 0; round < count; round++) {
    const number = seed + round * 7919
    const mutant = mutate(Buffer.from(pristine), createRandom(number))
    await checkDamaged(format, mutant, surroundings(), `${format.name} with seed ${number}`, mostTime)
  }
}

/** Opens copies that end at each of the given offsets. */
export async function cutImage(
  format: ImageFormat,
  pristine: Bytes,
  surroundings: () => Surroundings,
  offsets: Iterable<number>,
): Promise<void> {
  for (const offset of offsets)
    await checkDamaged(
      format,
      pristine.subarray(0, offset),
      surroundings(),
      `${format.name} cut at ${offset}`,
    )
}

/** Opens a damaged file and reads it: it may be refused, or read in part. */
export async function checkDamaged(
  format: ImageFormat,
  bytes: Bytes,
  surroundings: Surroundings,
  which: string,
  mostTime?: number,
): Promise<void> {
  const source = bufferSource(bytes)
  await inTime(which, mostTime, () => readAsFarAsItGoes(format, source, surroundings))
  if (source.largestRead > MOST_READ) throw new Error(`${which}: a read of ${source.largestRead} bytes`)
}

async function readAsFarAsItGoes(
  format: ImageFormat,
  source: ByteSource,
  surroundings: Surroundings,
): Promise<void> {
  const image = await unlessDamaged(() => format.open(source, surroundings))
  if (!image) return
  let end = 0n
  const ordered = [...image.runs, ...image.holes].sort((a, b) => (a.start < b.start ? -1 : 1))
  for (const { start, length } of ordered) {
    if (start < end || length <= 0n) throw new Error(`0x${start.toString(16)} comes twice or not at all`)
    end = start + length
  }
  if (end > image.size) throw new Error('a range passes the size')
  for await (const _ of readPieces(image.runs, (address, length) => image.read(address, length)));
  await unlessDamaged(async () => image.verify?.())
  await image.close()
}
