import type { Run } from '../../formats/address-space.js'
import type { Bytes } from '../../formats/byte-source.js'
import { clipLength } from '../../formats/clip-length.js'

// /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst): u64 per virtual page, at 8 times its number.
// Bit 63 present, 62 swapped out, 58 guard region (since Linux 6.15), which is none of both but may say so.
const ENTRY = 8
const POPULATED = 0xc0000000
const GUARD = 1 << 26

/** Reads into `into` at a position in pagemap; gives how many bytes. */
export type ReadPagemap = (position: bigint, into: Bytes) => number | Promise<number>

/** Entries looked at in one go: 128 MiB of addresses in pages of 4 KiB. */
const ENTRIES_PER_READ = 32768

/**
 * The parts of a private anonymous mapping that hold anything, and those that were never touched, ascending,
 * without gaps; a part ends at latest after 32768 pages, so that a caller can do other things between them.
 * What pagemap doesn't tell counts as populated.
 */
export async function* populatedParts(
  read: ReadPagemap,
  run: Run,
  pageSize: bigint,
): AsyncGenerator<Run & { readonly populated: boolean }> {
  const buffer = Buffer.alloc(ENTRIES_PER_READ * ENTRY)
  const end = run.start + run.length
  for (let at = run.start; at < end; ) {
    const left = (end - at) / pageSize
    const entries = clipLength(ENTRIES_PER_READ, left)
    const bytes = await read((at / pageSize) * BigInt(ENTRY), buffer.subarray(0, entries * ENTRY))
    const count = Math.floor(bytes / ENTRY)
    if (count === 0) {
      yield { start: at, length: end - at, populated: true }
      return
    }
    for (const { pages, populated } of scanPagemap(buffer.subarray(0, count * ENTRY))) {
      const length = BigInt(pages) * pageSize
      yield { start: at, length, populated }
      at += length
    }
  }
}

/** Entries as runs of pages, alternating between populated and not. */
function scanPagemap(entries: Bytes): { pages: number; populated: boolean }[] {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, entries.byteLength >> 2)
  const runs: { pages: number; populated: boolean }[] = []
  let current: { pages: number; populated: boolean } | undefined
  for (let at = 1; at < words.length; at += 2) {
    const word = words[at]!
    const populated = (word & POPULATED) !== 0 && (word & GUARD) === 0
    if (current?.populated === populated) current.pages++
    else {
      current = { pages: 1, populated }
      runs.push(current)
    }
  }
  return runs
}
