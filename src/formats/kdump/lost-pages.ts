import { FormatError } from '../format-error.js'
import { MOST_RUNS, type PageRun } from './bitmaps.js'
import { type Descriptor, type Descriptors, WINDOW } from './descriptors.js'

/** Whether the bytes of a page lie in the file: those of one that its writer lost do not. */
const isThere = ({ offset, size }: Descriptor, fileSize: bigint): boolean =>
  offset > 0 && size > 0 && BigInt(offset) + BigInt(size) <= fileSize

/**
 * Whether the bytes of the last pages lie in the file: who writes a dump writes them last. Pages of zeros say nothing,
 * for they share theirs.
 */
export async function endsWhole(descriptors: Descriptors, fileSize: bigint): Promise<boolean> {
  let shared: number | undefined
  for (let end = descriptors.count; end > 0; ) {
    const count = Math.min(WINDOW, end)
    end -= count
    const found = await descriptors.at(end, count).catch(unlessDamage)
    if (!found) return false
    for (let index = count - 1; index >= 0; index--) {
      const descriptor = found(index)
      if (!isThere(descriptor, fileSize)) return false
      shared ??= descriptor.offset
      if (descriptor.offset !== shared) return true
    }
  }
  return true
}

/**
 * The pages whose bytes are not in the file, though its bitmap says so.
 * @param runs the pages that are in the file by its bitmap, ascending
 * @throws {FormatError} with more than 2^20 runs of them
 */
export async function findLost(
  descriptors: Descriptors,
  runs: readonly PageRun[],
  fileSize: bigint,
): Promise<PageRun[]> {
  const lost: { first: number; count: number }[] = []
  const add = (first: number, count: number) => {
    const last = lost.at(-1)
    if (last && last.first + last.count === first) last.count += count
    else if (count > 0) {
      if (lost.length === MOST_RUNS) throw new FormatError(`more than ${MOST_RUNS} ranges were lost`)
      lost.push({ first, count })
    }
  }
  let before = 0
  for (const { first, count } of runs) {
    for (let done = 0; done < count; ) {
      // Windows of descriptors, whatever the runs: each is read once.
      const rank = before + done
      const here = Math.min(WINDOW - (rank % WINDOW), count - done)
      const readable = await readableCount(descriptors, rank, here)
      if (readable > 0) {
        const found = await descriptors.at(rank, readable)
        for (let i = 0; i < readable; i++) if (!isThere(found(i), fileSize)) add(first + done + i, 1)
      }
      add(first + done + readable, here - readable)
      done += here
    }
    before += count
  }
  return lost
}

/** How many of `count` descriptors can be read: a file is cut once. */
async function readableCount(descriptors: Descriptors, rank: number, count: number): Promise<number> {
  if (await descriptors.at(rank, count).catch(unlessDamage)) return count
  let [low, high] = [0, count]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (await descriptors.at(rank, middle).catch(unlessDamage)) low = middle
    else high = middle
  }
  return low
}

function unlessDamage(error: unknown): undefined {
  if (!(error instanceof FormatError)) throw error
}

/** `runs` without `others`. Both ascend. */
export function without(runs: readonly PageRun[], others: readonly PageRun[]): PageRun[] {
  const left: PageRun[] = []
  let index = 0
  for (const { first, count } of runs) {
    const end = first + count
    let at = first
    while (index < others.length && others[index]!.first < end) {
      const other = others[index]!
      if (other.first > at) left.push({ first: at, count: other.first - at })
      at = Math.max(at, other.first + other.count)
      if (other.first + other.count > end) break
      index++
    }
    if (at < end) left.push({ first: at, count: end - at })
  }
  return left
}
