import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image, Surroundings } from '../image/image.js'
import { openRawImage } from '../image/raw-image.js'
import { walkChunks } from './chunk-walk.js'
import { readWindow } from './read-window.js'
import { recordContent } from './record-content.js'

/** No content is longer. */
const ALL = 1n << 64n

/**
 * The image in a framed stream of snappy, such as go-winpmem and Velociraptor write: raw where it is no other format.
 * @throws {FormatError} where there is no chunk in it
 */
export async function openSnappyImage(source: ByteSource, surroundings: Surroundings): Promise<Image> {
  const walk = walkChunks(readWindow(source), 0n, source.size, ALL)
  while (walk.offset < source.size && (await walk.step()));
  if (walk.reached === 0) throw new FormatError(walk.flaw ?? 'an empty stream of snappy', walk.offset)
  const held = BigInt(walk.reached)
  const content = recordContent(source, [{ start: 0n, length: held, offset: 0n, end: walk.offset, held }])
  const unpacked = { ...content, close: async () => {} }
  const image = (await surroundings.openContent(unpacked)) ?? openRawImage(unpacked)
  const flaw = walk.flaw && `${walk.flaw} at 0x${walk.offset.toString(16)}: what follows is not read`
  return {
    ...image,
    format: 'snappy',
    variant: ['framed', `${image.format} ${image.variant}`.trimEnd()].join(', '),
    checks: ['CRC-32C of each chunk', ...image.checks],
    incomplete: flaw ?? image.incomplete,
  }
}
