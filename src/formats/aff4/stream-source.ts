import { firstIndex } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { max } from '../min-max.js'
import type { Extent, OpenStream } from './reader.js'

/**
 * A stream as a ByteSource. What the image has of no medium reads as zero; what could not be read of it then cannot be
 * read now.
 * @param name what a message calls it
 */
export function streamSource(stream: OpenStream, name: string): ByteSource {
  const { size } = stream
  const missing: Extent[] = []
  for (const extent of stream.extents())
    if (extent.content === 'unreadable' || extent.content === 'unknown') missing.push(extent)
  return {
    name,
    size,
    async read(offset, length, into) {
      if (offset >= size) return new Uint8Array(0)
      const end = offset + BigInt(length) < size ? offset + BigInt(length) : size
      const next = missing[firstIndex(missing.length, (index) => isBehind(missing[index]!, offset))]
      if (next && next.start < end)
        throw new FormatError(
          next.content === 'unreadable'
            ? `${name}: could not be read when the image was made`
            : `${name}: not in the image`,
          max(next.start, offset),
        )
      return stream.read(offset, Number(end - offset), into)
    },
    async close() {},
  }
}

const isBehind = ({ start, length }: { start: bigint; length: bigint }, offset: bigint) =>
  start + length > offset
