import { firstIndex, type Run } from '../address-space.js'

/** How a page stands in the stream. */
export const PAGE_KIND = { whole: 0, fill: 1, deflated: 2, lost: 3 } as const
export type PageKind = (typeof PAGE_KIND)[keyof typeof PAGE_KIND]

/** Pages of one kind that follow one another. */
export interface PageRun {
  readonly page: number
  readonly count: number
  readonly kind: PageKind
  /**
   * Of whole pages and deflated ones: where the first one's bytes stand in the file, the next ones' each a stride
   * further; of fill the byte.
   */
  readonly value: number
}

/** Where the pages of a memory stand: 17 bytes a run of pages, whatever the size of the memory. */
export interface PageIndex {
  /** Ascending, not overlapping. */
  readonly count: number
  at(index: number): PageRun
  /** The run that holds a page. */
  find(page: number): PageRun | undefined
  /** Pages whose bytes are known, and those that are there but cannot be read. */
  ranges(kind: 'known' | 'lost'): Run[]
}

export interface PageLog {
  /** Notes where a page stands; pages that come again replace what was there. */
  add(page: number, kind: PageKind, value: number): void
  /** To be called once. */
  index(): PageIndex
}

interface Runs {
  count: number
  pages: Uint32Array
  counts: Uint32Array
  kinds: Uint8Array
  values: Float64Array
}

const emptyRuns = (room: number): Runs => ({
  count: 0,
  pages: new Uint32Array(room),
  counts: new Uint32Array(room),
  kinds: new Uint8Array(room),
  values: new Float64Array(room),
})

function push(runs: Runs, page: number, count: number, kind: number, value: number): void {
  if (runs.count === runs.pages.length) {
    const larger = emptyRuns(runs.count * 2)
    larger.pages.set(runs.pages)
    larger.counts.set(runs.counts)
    larger.kinds.set(runs.kinds)
    larger.values.set(runs.values)
    Object.assign(runs, { ...larger, count: runs.count })
  }
  const at = runs.count++
  runs.pages[at] = page
  runs.counts[at] = count
  runs.kinds[at] = kind
  runs.values[at] = value
}

const SOME = 1024

/** @param stride bytes from one whole page in the stream to the next, where nothing stands between them */
export function createPageLog(stride: number): PageLog {
  const log = emptyRuns(SOME)
  return {
    add(page, kind, value) {
      const last = log.count - 1
      if (last >= 0 && log.kinds[last] === kind && kind !== PAGE_KIND.deflated) {
        const count = log.counts[last]!
        const next = kind === PAGE_KIND.whole ? log.values[last]! + count * stride : log.values[last]!
        if (page === log.pages[last]! + count && value === next) {
          log.counts[last] = count + 1
          return
        }
      }
      push(log, page, 1, kind, value)
    },
    index: () => indexOf(isAscending(log) ? log : lastOfEach(log, stride)),
  }
}

const endOf = ({ pages, counts }: Runs, at: number): number => pages[at]! + counts[at]!

function isAscending(runs: Runs): boolean {
  for (let at = 1; at < runs.count; at++) if (runs.pages[at]! < endOf(runs, at - 1)) return false
  return true
}

/** What is left of each run by those that came later. */
function lastOfEach(log: Runs, stride: number): Runs {
  const order = new Uint32Array(log.count)
  for (let at = 0; at < order.length; at++) order[at] = at
  order.sort((a, b) => log.pages[a]! - log.pages[b]!)
  const left = emptyRuns(Math.max(log.count, SOME))
  const open = createLatest()
  let page = 0
  for (let next = 0; next < order.length || open.size > 0; ) {
    if (open.size === 0) page = Math.max(page, log.pages[order[next]!]!)
    while (next < order.length && log.pages[order[next]!]! <= page) open.add(order[next++]!)
    while (open.size > 0 && endOf(log, open.top) <= page) open.drop()
    if (open.size === 0) continue
    const run = open.top
    const begins = next < order.length ? log.pages[order[next]!]! : Number.POSITIVE_INFINITY
    const end = Math.min(endOf(log, run), begins)
    const kind = log.kinds[run]!
    const skipped = kind === PAGE_KIND.whole ? (page - log.pages[run]!) * stride : 0
    extend(left, page, end - page, kind, log.values[run]! + skipped, stride)
    page = end
  }
  return left
}

/** Adds a run, or makes the last one longer where it goes on. */
function extend(runs: Runs, page: number, count: number, kind: number, value: number, stride: number): void {
  const last = runs.count - 1
  if (last >= 0 && runs.kinds[last] === kind && kind !== PAGE_KIND.deflated && endOf(runs, last) === page) {
    const step = kind === PAGE_KIND.whole ? runs.counts[last]! * stride : 0
    if (runs.values[last]! + step === value) {
      runs.counts[last] = runs.counts[last]! + count
      return
    }
  }
  push(runs, page, count, kind, value)
}

/** A heap of numbers: the largest on top. */
function createLatest() {
  const heap: number[] = []
  return {
    get size() {
      return heap.length
    },
    get top() {
      return heap[0]!
    },
    add(value: number) {
      let at = heap.push(value) - 1
      for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! < value; parent = (at - 1) >> 1) {
        heap[at] = heap[parent]!
        at = parent
      }
      heap[at] = value
    },
    drop() {
      const value = heap.pop()!
      if (heap.length === 0) return
      let at = 0
      for (;;) {
        let child = 2 * at + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && heap[child + 1]! > heap[child]!) child++
        if (heap[child]! <= value) break
        heap[at] = heap[child]!
        at = child
      }
      heap[at] = value
    },
  }
}

function indexOf(runs: Runs): PageIndex {
  const at = (index: number): PageRun => ({
    page: runs.pages[index]!,
    count: runs.counts[index]!,
    kind: runs.kinds[index]! as PageKind,
    value: runs.values[index]!,
  })
  return {
    count: runs.count,
    at,
    find(page) {
      const index = firstIndex(runs.count, (i) => runs.pages[i]! > page) - 1
      return index >= 0 && page < endOf(runs, index) ? at(index) : undefined
    },
    ranges(kind) {
      const ranges: { start: bigint; length: bigint }[] = []
      let start = 0
      let end = -1
      const close = () => {
        if (end > start) ranges.push({ start: BigInt(start), length: BigInt(end - start) })
      }
      for (let index = 0; index < runs.count; index++) {
        if ((runs.kinds[index] === PAGE_KIND.lost) !== (kind === 'lost')) continue
        if (runs.pages[index] !== end) {
          close()
          start = runs.pages[index]!
        }
        end = endOf(runs, index)
      }
      close()
      return ranges
    },
  }
}
