import type { ByteSource } from './byte-source.js'
import { clipLength } from './clip-length.js'
import { min } from './min-max.js'

/**
 * Some bytes of a source, as a source: from `start` on, `length` of them, fewer where the source ends before. Closing
 * it closes the source.
 * @param name what a message calls it; the name of the source where absent
 */
export function sourceRange(
  source: ByteSource,
  start: bigint,
  length: bigint,
  name = source.name,
): ByteSource {
  const left = source.size > start ? source.size - start : 0n
  const size = min(length, left)
  return {
    name,
    size,
    ...(source.place && { place: { fd: source.place.fd, offset: source.place.offset + start } }),
    async read(offset, count, into) {
      const here = offset < size ? size - offset : 0n
      return source.read(start + offset, clipLength(count, here), into)
    },
    close: () => source.close(),
  }
}
