import type { Run } from '../../formats/address-space.js'
import type { Bytes } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'

// /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst): u64 per page frame, little-endian on every
// machine pmem runs on, at 8 times the page's number. Reads are multiples of 8 bytes at multiples of 8.
const ENTRY = 8
const HWPOISON = 1 << 19
/** No page is online there: an offlined block of memory. */
const NOPAGE = 1 << 20
/** Ballooned away, or unplugged from a virtio-mem device. */
const OFFLINE = 1 << 23
const ANY = HWPOISON | NOPAGE | OFFLINE

/** Entries of one read: 128 MiB of RAM in pages of 4 KiB. */
const ENTRIES_PER_READ = 32768

/**
 * Why kcore gives zeros for a page whatever it holds. `absent` pages did read on kernels before 5.14;
 * the other two must not be touched there.
 */
export type PageFault = 'poisoned' | 'offline' | 'absent'

export interface FaultyRun extends Run {
  readonly fault: PageFault
}

/** Reads into `into` at a position in kpageflags; gives how many bytes, 0 past the last page. */
export type ReadFlags = (position: bigint, into: Bytes) => number | Promise<number>

/**
 * The pages of `run` that kcore cannot show, ascending, joined, looked up as they are asked for. Pages past
 * the end of kpageflags count as good.
 */
export async function* faultyRuns(read: ReadFlags, run: Run, pageSize: bigint): AsyncGenerator<FaultyRun> {
  const buffer = Buffer.alloc(ENTRIES_PER_READ * ENTRY)
  const end = (run.start + run.length) / pageSize
  let pending: FaultyRun | undefined
  for (let page = run.start / pageSize; page < end; ) {
    const left = end - page
    const entries = clipLength(ENTRIES_PER_READ, left)
    const bytes = await read(page * BigInt(ENTRY), buffer.subarray(0, entries * ENTRY))
    const count = Math.floor(bytes / ENTRY)
    if (count === 0) break
    for (const { fault, first, pages } of scanPageFlags(buffer.subarray(0, count * ENTRY))) {
      const found = { fault, start: (page + BigInt(first)) * pageSize, length: BigInt(pages) * pageSize }
      if (pending && pending.fault === fault && pending.start + pending.length === found.start)
        pending = { ...pending, length: pending.length + found.length }
      else {
        if (pending) yield pending
        pending = found
      }
    }
    page += BigInt(count)
  }
  if (pending) yield pending
}

/** The faulty pages among whole entries, as runs of page indices. */
export function scanPageFlags(flags: Bytes): { fault: PageFault; first: number; pages: number }[] {
  const found: { fault: PageFault; first: number; pages: number }[] = []
  // Every bit of interest is in the low half of its entry.
  const words = new Uint32Array(flags.buffer, flags.byteOffset, flags.byteLength >> 2)
  let current: { fault: PageFault; first: number; pages: number } | undefined
  for (let at = 0; at < words.length; at += 2) {
    const word = words[at]!
    if ((word & ANY) === 0) continue
    const fault = word & HWPOISON ? 'poisoned' : word & OFFLINE ? 'offline' : 'absent'
    const first = at / 2
    if (current && current.fault === fault && current.first + current.pages === first) current.pages++
    else {
      current = { fault, first, pages: 1 }
      found.push(current)
    }
  }
  return found
}
