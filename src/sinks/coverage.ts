import { byStart, type Run } from '../formats/address-space.js'
import type { BlockStatus, MapBlock } from '../formats/mapfile.js'
import { max, min } from '../formats/min-max.js'
import type { DataFrame, FillFrame } from '../frames/frame.js'

/** What became of each address of a stream, in the statuses of a map file. */
export interface Coverage {
  /** Takes note of a frame's range, once its bytes are on their way. */
  add(frame: DataFrame | FillFrame): void
  /** One past the highest address covered. */
  readonly end: bigint
  /** What is covered, ascending. */
  blocks(): readonly MapBlock[]
}

/** `+` what can be read back, `-` what could not be read, `?` what was never tried. */
export function statusOf(frame: DataFrame | FillFrame): BlockStatus {
  if (frame.type === 'data') return '+'
  return frame.fill === 'unreadable' ? '-' : frame.fill === 'unknown' ? '?' : '+'
}

export function createCoverage(): Coverage {
  const blocks: { start: bigint; length: bigint; status: BlockStatus }[] = []
  let end = 0n
  let ascending = true
  return {
    add(frame) {
      const status = statusOf(frame)
      const { offset, length } = frame
      const last = blocks.at(-1)
      if (last && last.status === status && last.start + last.length === offset) last.length += length
      else {
        if (last && offset < last.start) ascending = false
        blocks.push({ start: offset, length, status })
      }
      if (offset + length > end) end = offset + length
    },
    get end() {
      return end
    },
    blocks: () => (ascending ? blocks : inOrder(blocks)),
  }
}

/** Sorted, and cut where one begins before the other ends. */
function inOrder(blocks: readonly MapBlock[]): MapBlock[] {
  let at = 0n
  return [...blocks]
    .sort(byStart)
    .map(({ start, length, status }) => {
      const from = max(start, at)
      at = start + length > at ? start + length : at
      return { start: from, length: at - from, status }
    })
    .filter(({ length }) => length > 0n)
}

/**
 * Blocks of a map file from 0 to `size`: those that are covered, and `?` for everything else.
 * @param covered ascending
 */
export function wholeMap(covered: Iterable<MapBlock>, size: bigint): MapBlock[] {
  const whole: { start: bigint; length: bigint; status: BlockStatus }[] = []
  let at = 0n
  const upTo = (end: bigint, status: BlockStatus) => {
    if (end <= at) return
    const last = whole.at(-1)
    if (last?.status === status) last.length += end - at
    else whole.push({ start: at, length: end - at, status })
    at = end
  }
  for (const { start, length, status } of covered) {
    upTo(start, '?')
    upTo(start + length, status)
  }
  upTo(size, '?')
  return whole
}

/** The parts of `runs` that lie in `others`, as they are but for their ends. Both ascend. */
export function* within<R extends Run>(runs: Iterable<R>, others: readonly Run[]): Generator<R> {
  let index = 0
  for (const run of runs) {
    const end = run.start + run.length
    for (let i = index; i < others.length; i++) {
      const other = others[i]!
      const otherEnd = other.start + other.length
      if (other.start >= end) break
      const start = max(other.start, run.start)
      const stop = min(otherEnd, end)
      if (stop > start) yield { ...run, start, length: stop - start }
      if (otherEnd <= end) index = i + 1
    }
  }
}
