import { byStart, firstIndex, type Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Hole } from '../image/image.js'
import { max, min } from '../min-max.js'

/** Parts a medium into what is there and what is not. */
export interface MediumRanges {
  readonly runs: readonly Run[]
  readonly holes: readonly Hole[]
}

/**
 * @param present what the chunks that are there cover, ascending
 * @param errors ranges that could not be read, in any order: only what is present of them counts
 */
export function partMedium(size: bigint, present: readonly Run[], errors: readonly Run[]): MediumRanges {
  const sorted = [...errors].sort(byStart)
  const runs: Run[] = []
  const holes: Hole[] = []
  let at = 0n
  let index = 0
  const hole = (end: bigint, content: Hole['content']) => {
    const last = holes.at(-1)
    if (last && last.start + last.length === at && last.content === content)
      holes[holes.length - 1] = { ...last, length: end - last.start }
    else holes.push({ start: at, length: end - at, content })
    at = end
  }
  const run = (end: bigint) => {
    const last = runs.at(-1)
    if (last && last.start + last.length === at)
      runs[runs.length - 1] = { start: last.start, length: end - last.start }
    else runs.push({ start: at, length: end - at })
    at = end
  }
  for (const { start, length } of present) {
    const end = min(start + length, size)
    if (start > at) hole(min(start, size), 'unknown')
    while (at < end) {
      while (sorted[index] && sorted[index]!.start + sorted[index]!.length <= at) index++
      const error = sorted[index]
      if (!error || error.start >= end) run(end)
      else {
        if (error.start > at) run(error.start)
        hole(min(end, max(at, error.start + error.length)), 'unreadable')
      }
    }
  }
  if (at < size) hole(size, 'unknown')
  return { runs, holes }
}

/** What of the ranges lies before `end`. */
export function clipRanges({ runs, holes }: MediumRanges, end: bigint): MediumRanges {
  const clip = <T extends Run>(ranges: readonly T[]): T[] =>
    ranges
      .filter(({ start }) => start < end)
      .map((range) => ({ ...range, length: min(range.length, end - range.start) }))
  return { runs: clip(runs), holes: clip(holes) }
}

/** A medium that gives no bytes of its holes, whatever its chunks have there. */
export function withoutHoles(medium: ByteSource, holes: readonly Hole[]): ByteSource {
  return {
    ...medium,
    async read(offset, length, into) {
      const index = firstIndex(holes.length, (at) => holes[at]!.start + holes[at]!.length > offset)
      const hole = holes[index]
      if (hole && hole.start < offset + BigInt(length)) {
        const why = hole.content === 'unreadable' ? 'could not be read when it was acquired' : 'is not there'
        throw new FormatError(
          `${medium.name}: 0x${hole.start.toString(16)}+0x${hole.length.toString(16)} ${why}`,
        )
      }
      return medium.read(offset, length, into)
    },
  }
}
