import { asDataView } from '../../codecs/views.js'
import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { type HibernationHeader, PAGE, type RestoreSet } from './header.js'

/*
 * A set: a u32 with the number of its descriptors (8 bits), the size of its compressed bytes (22 bits) and how they are
 * compressed (2 bits); the descriptors, a word each: pages less one (4 bits) and the first page; the compressed bytes.
 */
const COUNT_MASK = 0xff
const SIZE_SHIFT = 8
const SIZE_MASK = 0x3f_ffff
const METHOD_SHIFT = 30
const HEAD_SIZE = 4
const DESCRIPTOR_BITS = 4
/** Pages that Windows compresses together. */
const MOST_PAGES = 16
/** Pages are kept by numbers of 32 bits: 16 TiB of addresses. */
const MOST_PAGE = 1n << 32n
/** Sets are kept by numbers of 28 bits. */
const MOST_SETS = 1 << 28
const BYTE_ORDER_IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** How a set is compressed. */
export const METHOD = { PLAIN: 0, UNKNOWN: 1, HUFFMAN: 2, HUFFMAN_MOST: 3 } as const

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

/** Goes through all sets of a file. What they say of pages is kept, 8 bytes a page, and 16 bytes a set. */
export async function readPageSets(
  source: ByteSource,
  { bits, sets, highestPage }: HibernationHeader,
): Promise<PageSets> {
  const word = bits === 64 ? 8 : 4
  const offsets: Growing<Float64Array> = { items: new Float64Array(64), count: 0 }
  /** Size and method, number of pages. */
  const shapes: Growing<Uint32Array> = { items: new Uint32Array(128), count: 0 }
  /** Pairs: set and slot below, the page above, so that they sort as numbers of 64 bits. */
  const pairs: Growing<Uint32Array> = { items: new Uint32Array(2048), count: 0 }
  const broken: string[] = []

  /** @returns where the set ends and how many pages it holds, or what is wrong with it */
  async function readSet(at: bigint): Promise<{ end: bigint; pages: number } | string> {
    const head = await source.read(at, HEAD_SIZE + MOST_PAGES * word)
    if (head.length < HEAD_SIZE) return 'the file ends'
    const view = asDataView(head)
    const state = view.getUint32(0, true)
    const count = state & COUNT_MASK
    const size = (state >>> SIZE_SHIFT) & SIZE_MASK
    if (count === 0 || count > MOST_PAGES) return `a set has ${count} descriptors`
    const start = HEAD_SIZE + count * word
    if (head.length < start) return 'the file ends'
    const set = offsets.count
    if (set === MOST_SETS) return `there are more than ${MOST_SETS} sets`
    const listed: number[] = []
    for (let place = HEAD_SIZE; place < start; place += word) {
      const descriptor = word === 8 ? view.getBigUint64(place, true) : BigInt(view.getUint32(place, true))
      const first = descriptor >> BigInt(DESCRIPTOR_BITS)
      const pages = (Number(descriptor & 0xfn) & (MOST_PAGES - 1)) + 1
      if (first + BigInt(pages) - 1n > highestPage || first + BigInt(pages) > MOST_PAGE)
        return `a set tells of page ${first}, and the highest one is ${highestPage}`
      for (let i = 0; i < pages; i++) listed.push(Number(first) + i)
    }
    if (listed.length > MOST_PAGES) return `a set has ${listed.length} pages`
    if (size === 0 || size > listed.length * PAGE)
      return `a set of ${listed.length} pages takes ${size} bytes`
    const end = at + BigInt(start + size)
    if (end > source.size) return 'the file ends'
    append(offsets, Number(at) + start)
    append(shapes, (size | ((state >>> METHOD_SHIFT) << METHOD_SHIFT)) >>> 0, listed.length)
    for (const [slot, page] of listed.entries()) append(pairs, ((set << 4) | slot) >>> 0, page)
    return { end, pages: listed.length }
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
      return index < 0 ? undefined : { set: low! >>> 4, slot: low! & (MOST_PAGES - 1) }
    },
    place: (set) => ({
      offset: BigInt(offsets.items[set]!),
      size: shapes.items[2 * set]! & SIZE_MASK,
      pages: shapes.items[2 * set + 1]!,
      method: shapes.items[2 * set]! >>> METHOD_SHIFT,
    }),
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
    if (first >= 0)
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
