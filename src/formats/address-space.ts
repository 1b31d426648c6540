import type { Bytes } from './byte-source.js'
import { max } from './min-max.js'

/** A half-open range of addresses that belongs to an image. */
export interface Run {
  readonly start: bigint
  readonly length: bigint
}

/** What every memory image offers: the runs it covers, and the bytes at an address inside one. */
export interface AddressSpace {
  /** Ascending, not overlapping, not touching. */
  readonly runs: readonly Run[]
  /**
   * Reads exactly `length` bytes at `address`, which must lie within one run.
   * @param into at least `length` bytes that may be used: the result is a view of them, or memory of its own
   * @throws {FormatError} with the address when the image cannot give them
   */
  read(address: bigint, length: number, into?: Bytes): Promise<Bytes>
}

/** Sorts runs in ascending order; those with one start stay as they are. */
export const byStart = (a: Pick<Run, 'start'>, b: Pick<Run, 'start'>): number =>
  a.start < b.start ? -1 : a.start > b.start ? 1 : 0

/** One past the highest address of runs in any order. */
export const endOfRuns = (runs: Iterable<Run>): bigint => {
  let highest = 0n
  for (const { start, length } of runs) highest = max(highest, start + length)
  return highest
}

/** How many bytes they cover, those that several cover counted for each. */
export const sumOfRuns = (runs: Iterable<Run>): bigint => {
  let sum = 0n
  for (const { length } of runs) sum += length
  return sum
}

/** Adds a range, to the last run where it continues that. */
export function appendRun(runs: { start: bigint; length: bigint }[], start: bigint, length: bigint): void {
  const last = runs.at(-1)
  if (last && last.start + last.length === start) last.length += length
  else runs.push({ start, length })
}

/**
 * Sorts runs and joins those that touch; empty ones vanish.
 * @throws {RangeError} naming the address at which two runs overlap
 */
export function mergeRuns(runs: Iterable<Run>): Run[] {
  const sorted = [...runs].filter((run) => run.length > 0n).sort(byStart)
  const merged: { start: bigint; length: bigint }[] = []
  for (const run of sorted) {
    const last = merged.at(-1)
    const end = last && last.start + last.length
    if (last && end !== undefined && run.start < end)
      throw new RangeError(`runs overlap at 0x${run.start.toString(16)}`)
    if (last && run.start === end) last.length += run.length
    else merged.push({ start: run.start, length: run.length })
  }
  return merged
}

/** Sorts runs and joins those that touch or overlap; empty ones vanish. */
export function uniteRuns(runs: Iterable<Run>): Run[] {
  const united: { start: bigint; length: bigint }[] = []
  for (const { start, length } of [...runs].sort(byStart)) {
    if (length <= 0n) continue
    const last = united.at(-1)
    if (last && start <= last.start + last.length) {
      if (start + length > last.start + last.length) last.length = start + length - last.start
    } else united.push({ start, length })
  }
  return united
}

/**
 * Index of the first of `count` things in order that is `reached`, which all behind it are, too; `count` when none is.
 */
export function firstIndex(count: number, reached: (index: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (reached(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** `runs` without what `taken`, sorted and joined, covers. */
export function* subtractRuns(runs: Iterable<Run>, taken: readonly Run[]): Generator<Run> {
  for (const run of runs) {
    const end = run.start + run.length
    let at = run.start
    for (let index = firstBehind(taken, at); index < taken.length && at < end; index++) {
      const next = taken[index]!
      if (next.start >= end) break
      if (next.start > at) yield { start: at, length: next.start - at }
      at = next.start + next.length
    }
    if (at < end) yield { start: at, length: end - at }
  }
}

/** Index of the first run that ends behind an address. */
const firstBehind = (runs: readonly Run[], address: bigint): number =>
  firstIndex(runs.length, (index) => runs[index]!.start + runs[index]!.length > address)
