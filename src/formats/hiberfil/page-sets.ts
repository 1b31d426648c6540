import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import { decodeSet, largestHead } from './compression-set.js'
import { type HibernationHeader, PAGE, type RestoreSet } from './header.js'

/** Pages are kept by numbers of 32 bits: 16 TiB of addresses. */
const MOST_PAGE = 0xffff_ffffn
/** Sets are kept by numbers of 28 bits, before the place of a page in them. */
const MOST_SETS = 1 << 28
const SLOT_BITS = 4
const SLOT_MASK = (1 << SLOT_BITS) - 1
const MOST_RUNS = 1 << 20
const BYTE_ORDER_IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Numbers that grow in number: they double their room. */
interface Growing<T extends Float64Array | Uint32Array> {
  items: T
  count: number
}

function append<T extends Float64Array | Uint32Array>(to: Growing<T>, ...values: number[]): void {
  if (to.count + values.length > to.items.length) {
    const wider = new (to.items.constructor as new (length: number) => T)(to.items.length * 2)
    wider.set(to.items)
    to.items = wider
  }
  for (const value of values) to.items[to.count++] = value
}

/** Where one page of memory is kept. */
export interface PagePlace {
  /** Number of the set. */
  readonly set: number
  /** Which page of it. */
  readonly slot: number
}

/** Where the compressed bytes of a set stand. */
export interface SetPlace {
  readonly offset: bigint
  readonly size: number
  readonly pages: number
  readonly method: number
}

/** Which pages a hibernation file holds, and where. */
export interface PageSets {
  /** Ascending. */
  readonly runs: readonly Run[]
  /** Pages that several sets hold: the last one counts, as for Windows. */
  readonly repeated: number
  /** Where the sets do not go on as they should. */
  readonly broken: readonly string[]
  /** The place of the page at an address, if there is one. */
  find(address: bigint): PagePlace | undefined
  place(set: number): SetPlace
}

/** Goes through all sets of a file. What they say of pages is kept, 8 bytes a page, and 20 bytes a set. */
export async function readPageSets(
  source: ByteSource,
  { bits, sets, highestPage }: HibernationHeader,
): Promise<PageSets> {
  const word = bits === 64 ? 8 : 4
  const highest = min(highestPage, MOST_PAGE)
  const offsets: Growing<Float64Array> = { items: new Float64Array(64), count: 0 }
  /** Size, method, and number of pages. */
  const shapes: Growing<Uint32Array> = { items: new Uint32Array(192), count: 0 }
  /** Pairs: set and slot below, the page above, so that they sort as numbers of 64 bits. */
  const pairs: Growing<Uint32Array> = { items: new Uint32Array(2048), count: 0 }
  const broken: string[] = []
  const room = Buffer.alloc(largestHead(word))

  /** @returns where the set ends and how many pages it holds, or what is wrong with it */
  async function readSet(at: bigint): Promise<{ end: bigint; pages: number } | string> {
    const set = decodeSet(await source.read(at, room.length, room), word, highest)
    if (typeof set === 'string') return set
    const { pages, start, size, method } = set
    const end = at + BigInt(start + size)
    if (end > source.size) return 'the file ends'
    const number = offsets.count
    if (number === MOST_SETS) return `there are more than ${MOST_SETS} sets`
    append(offsets, Number(at) + start)
    append(shapes, size, method, pages.length)
    for (const [slot, page] of pages.entries())
      append(pairs, ((number << SLOT_BITS) | slot) >>> 0, Number(page))
    return { end, pages: pages.length }
  }

  async function readSets({ what, start, pages }: RestoreSet): Promise<void> {
    let at = start
    for (let found = 0n; found < pages; ) {
      const set = await readSet(at)
      if (typeof set === 'string') {
        broken.push(
          `${set} at 0x${at.toString(16)}, with ${found} of the ${pages} pages of the ${what} found`,
        )
        return
      }
      at = set.end
      found += BigInt(set.pages)
    }
  }

  for (const set of sets) await readSets(set)
  const sorted = sortPairs(pairs)
  const { runs, count } = runsOf(sorted)
  return {
    runs,
    repeated: sorted.length / 2 - count,
    broken,
    find(address) {
      const index = lastOf(sorted, Number(address / BigInt(PAGE)))
      const low = sorted[2 * index]
      return index < 0 ? undefined : { set: low! >>> SLOT_BITS, slot: low! & SLOT_MASK }
    },
    place(set) {
      const shape = 3 * set
      return {
        offset: BigInt(offsets.items[set]!),
        size: shapes.items[shape]!,
        method: shapes.items[shape + 1]!,
        pages: shapes.items[shape + 2]!,
      }
    },
  }
}

/** By page, and of one page by set. */
function sortPairs({ items, count }: Growing<Uint32Array>): Uint32Array {
  const pairs = items.subarray(0, count)
  if (!BYTE_ORDER_IS_LITTLE) throw new Error('pairs are sorted on little-endian machines only')
  new BigUint64Array(pairs.buffer, 0, count / 2).sort()
  return pairs
}

/** Runs of pages, and how many they are, each counted once. */
function runsOf(pairs: Uint32Array): { runs: Run[]; count: number } {
  const runs: Run[] = []
  let count = 0
  let first = -1
  let next = -1
  const close = () => {
    if (first < 0) return
    if (runs.length === MOST_RUNS) throw new FormatError(`more than ${MOST_RUNS} runs of memory`)
    runs.push({ start: BigInt(first) * BigInt(PAGE), length: BigInt(next - first) * BigInt(PAGE) })
  }
  for (let at = 1; at < pairs.length; at += 2) {
    const page = pairs[at]!
    if (page === next - 1) continue
    count++
    if (page !== next) {
      close()
      first = page
    }
    next = page + 1
  }
  close()
  return { runs, count }
}

/** Index of the last pair of a page, -1 where there is none. */
function lastOf(pairs: Uint32Array, page: number): number {
  let low = 0
  let high = pairs.length / 2
  while (low < high) {
    const middle = (low + high) >>> 1
    if (pairs[2 * middle + 1]! > page) high = middle
    else low = middle + 1
  }
  return low > 0 && pairs[2 * (low - 1) + 1] === page ? low - 1 : -1
}
