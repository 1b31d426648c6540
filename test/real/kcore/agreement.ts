import type { Run } from '../../../src/formats/address-space.js'
import { eachPage, type FlatImage, PAGE } from './flat-image.js'
import { findPattern } from './pattern.js'

/** Memory taken inside the guest, and what the hypervisor saw before and after. */
export interface Witnessed {
  readonly before: FlatImage
  readonly taken: FlatImage
  readonly after: FlatImage
}

/** Stable pages are alike in both dumps; equal ones were taken as they are. */
export interface Agreement {
  readonly pages: number
  readonly stable: number
  readonly equal: number
  /** The same for pages that hold something. */
  readonly filled: { readonly stable: number; readonly equal: number }
}

export function agreement({ before, taken, after }: Witnessed, runs: readonly Run[]): Agreement {
  const count = { pages: 0, stable: 0, equal: 0, filled: { stable: 0, equal: 0 } }
  eachPage(runs, [before, taken, after], (_, old, mine, young) => {
    count.pages++
    if (!same(old!, young!)) return
    const classes = same(old!, EMPTY) ? [count] : [count, count.filled]
    for (const each of classes) {
      each.stable++
      if (same(old!, mine!)) each.equal++
    }
  })
  return count
}

const EMPTY = Buffer.alloc(PAGE)

/** How many different pages of the pattern the hypervisor saw, and how many were taken at the same address. */
export function patternAgreement(
  { before, taken }: Witnessed,
  runs: readonly Run[],
): { seen: number; equal: number } {
  const seen = findPattern(before, runs)
  const mine = findPattern(taken, runs)
  const equal = [...seen].filter(([address, number]) => mine.get(address) === number)
  return { seen: new Set(seen.values()).size, equal: new Set(equal.map(([, number]) => number)).size }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** What /proc/iomem calls by this name, whole pages only: starts rounded up, ends down. */
export function iomemRuns(iomem: string, name: string): Run[] {
  const page = BigInt(PAGE)
  return [...iomem.matchAll(/^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$/gm)]
    .filter((line) => line[3] === name)
    .map((line) => {
      const start = (BigInt(`0x${line[1]}`) + page - 1n) & -page
      const end = (BigInt(`0x${line[2]}`) + 1n) & -page
      return { start, length: end - start }
    })
}
