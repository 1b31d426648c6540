import type { Run } from '../address-space.js'
import { FormatError } from '../format-error.js'

/** Where a page stands in the file, or what it is; undefined where the stream does not hold it. */
export type Page =
  | { readonly kind: 'whole' | 'deflated'; readonly offset: number }
  | { readonly kind: 'fill'; readonly byte: number }
  | { readonly kind: 'lost' }

/** Where the pages of a memory stand: 8 bytes a page, for as many as come. */
export interface PageTable {
  /** A page that comes again replaces what was there. @throws {FormatError} where pages are strewn too widely */
  set(page: number, value: Page): void
  get(page: number): Page | undefined
  /** How many pages from one on stand in the file `stride` bytes from one to the next; at most `most`. */
  inARow(page: number, stride: number, most: number): number
  /** Of pages whose bytes are known, or of those that are there but cannot be read: ascending, in pages. */
  ranges(kind: 'known' | 'lost'): Run[]
}

/** A place is a number: above zero the offset of a whole page, below it the others. */
const ABSENT = 0
const LOST = -512
const DEFLATED = -1024

function encode(page: Page): number {
  switch (page.kind) {
    case 'whole':
      return page.offset
    case 'deflated':
      return DEFLATED - page.offset
    case 'fill':
      return -1 - page.byte
    case 'lost':
      return LOST
  }
}

function decode(place: number): Page {
  if (place > 0) return { kind: 'whole', offset: place }
  if (place <= DEFLATED) return { kind: 'deflated', offset: DEFLATED - place }
  return place === LOST ? { kind: 'lost' } : { kind: 'fill', byte: -1 - place }
}

/** Pages whose places are kept together, made room for when the first of them comes. */
const TOGETHER = 1 << 14
/** Room that any stream may take; each further byte of room costs a byte of the stream. */
const FREE_ROOM = 64 << 20

/** @param streamSize in bytes: a stream that is small cannot hold many pages */
export function createPageTable(streamSize: number): PageTable {
  const parts: (Float64Array | undefined)[] = []
  let left = FREE_ROOM + streamSize

  function partOf(page: number): Float64Array {
    const number = Math.floor(page / TOGETHER)
    const known = parts[number]
    if (known) return known
    const part = new Float64Array(TOGETHER)
    left -= part.byteLength
    if (left < 0) throw new FormatError(`pages of memory that are strewn too widely: page ${page}`)
    parts[number] = part
    return part
  }
  const place = (page: number): number => parts[Math.floor(page / TOGETHER)]?.[page % TOGETHER] ?? ABSENT

  return {
    set(page, value) {
      partOf(page)[page % TOGETHER] = encode(value)
    },
    get(page) {
      const found = place(page)
      return found === ABSENT ? undefined : decode(found)
    },
    inARow(page, stride, most) {
      const first = place(page)
      let count = 1
      while (count < most && place(page + count) === first + count * stride) count++
      return count
    },
    ranges(kind) {
      const ranges: { start: bigint; length: bigint }[] = []
      let start = 0
      let end = 0
      const close = () => {
        if (end > start) ranges.push({ start: BigInt(start), length: BigInt(end - start) })
      }
      for (const [number, part] of parts.entries()) {
        if (!part) continue
        for (let i = 0; i < TOGETHER; i++) {
          const found = part[i]!
          if (found === ABSENT || (found === LOST) !== (kind === 'lost')) continue
          const page = number * TOGETHER + i
          if (page !== end) {
            close()
            start = page
          }
          end = page + 1
        }
      }
      close()
      return ranges
    },
  }
}
