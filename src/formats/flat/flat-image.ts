import { isZero } from '../../codecs/zero.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image, Surroundings } from '../image/image.js'
import { openFlat } from './flat-source.js'
import { isFlat } from './records.js'

/** Bytes by which its content is known. */
const HEADER = 16

/**
 * The image of memory in a flat container: a kernel dump or an ELF core.
 * @throws {FormatError} where it holds none
 */
export async function openFlatImage(source: ByteSource, surroundings: Surroundings): Promise<Image> {
  const { content, cutAt, trailing } = await openFlat(source)
  if (cutAt !== undefined && isZero(await content.read(0n, HEADER)))
    throw new FormatError('the container was cut before the headers of what it holds', cutAt)
  if (isFlat(await content.read(0n, HEADER))) throw new FormatError('a flat container in a flat container')
  const image = await surroundings.openContent(content)
  if (!image)
    throw new FormatError(
      'a flat container without an image of memory',
      undefined,
      'makedumpfile -R FILE < CONTAINER takes out what it holds',
    )
  const cut =
    cutAt === undefined
      ? undefined
      : `the container ends at 0x${cutAt.toString(16)} without the record that ends it`
  return {
    ...image,
    format: 'flat',
    variant: ['version 1', `${image.format} ${image.variant}`.trimEnd()].join(', '),
    incomplete: [cut, image.incomplete].filter((reason) => reason !== undefined).join('; ') || undefined,
    remarks:
      trailing > 0n
        ? [...image.remarks, `${trailing} bytes follow the record that ends the container`]
        : image.remarks,
  }
}
