import { byStart, type Run } from '../../formats/address-space.js'
import type { PageRun } from '../../formats/kdump/bitmaps.js'

/** The pages that ranges touch, ascending; in any order, overlapping or not. */
export function pageRuns(ranges: readonly Run[], pageSize: number): PageRun[] {
  const size = BigInt(pageSize)
  const runs: { first: number; count: number }[] = []
  for (const { start, length } of [...ranges].sort(byStart)) {
    if (length === 0n) continue
    const first = Number(start / size)
    const end = Number((start + length + size - 1n) / size)
    const last = runs.at(-1)
    if (last && first <= last.first + last.count) last.count = Math.max(last.count, end - last.first)
    else runs.push({ first, count: end - first })
  }
  return runs
}

export const pagesIn = (runs: readonly PageRun[]): number => runs.reduce((sum, { count }) => sum + count, 0)

export const addressRuns = (runs: readonly PageRun[], pageSize: number): Run[] =>
  runs.map(({ first, count }) => ({
    start: BigInt(first) * BigInt(pageSize),
    length: BigInt(count) * BigInt(pageSize),
  }))
