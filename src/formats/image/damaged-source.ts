import { firstIndex } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { MapBlock } from '../mapfile.js'
import { max, min } from '../min-max.js'

/**
 * A file that was rescued from a damaged medium, where only the blocks marked `+` are what it was.
 * @param blocks ascending, not overlapping
 * @returns a source whose reads of any other block throw a FormatError
 */
export function damagedSource(source: ByteSource, blocks: readonly MapBlock[]): ByteSource {
  const lost = blocks.filter(({ status }) => status !== '+')
  return {
    name: source.name,
    size: source.size,
    async read(offset, length, into) {
      const end = min(offset + BigInt(length), source.size)
      const next = lost[firstIndex(lost.length, (i) => lost[i]!.start + lost[i]!.length > offset)]
      if (next && max(next.start, offset) < end)
        throw new FormatError('the map of the file says that this was not read', max(next.start, offset))
      return source.read(offset, length, into)
    },
    close: source.close,
  }
}
