import { FormatError } from '../../formats/format-error.js'
import type { PageRun } from '../../formats/kdump/bitmaps.js'
import { type Descriptor, encodeDescriptor } from '../../formats/kdump/descriptors.js'
import { DESCRIPTOR_SIZE } from '../../formats/kdump/structs.js'
import type { LargeWrites } from '../large-writes.js'

/** Which pages were written, and where the bytes of each stand. */
export interface PageTable {
  /** Takes note of pages in a row. */
  add(pages: PageRun, describe: (index: number) => Descriptor): void | Promise<void>
  /** How many pages were added. */
  readonly count: number
  /** The first `count` that were added, ascending by page. */
  runs(count: number): PageRun[]
}

/** Descriptors that are made at once. */
const STEP = 2048

function rows(first: number, count: number, describe: (index: number) => Descriptor, room: Buffer): Buffer {
  for (let i = 0; i < count; i++) encodeDescriptor(describe(first + i), room, i * DESCRIPTOR_SIZE)
  return room.subarray(0, count * DESCRIPTOR_SIZE)
}

/** Joins what follows one another. */
function addRun(runs: { first: number; count: number }[], first: number, count: number): void {
  const last = runs.at(-1)
  if (last && last.first + last.count === first) last.count += count
  else runs.push({ first, count })
}

/**
 * For pages that come in their order: descriptors go to their place at once.
 * @param allowed the pages that may come, ascending: there is room for the descriptors of as many
 */
export function orderedTable(writes: LargeWrites, at: number, allowed: readonly PageRun[]): PageTable {
  const room = Buffer.allocUnsafe(STEP * DESCRIPTOR_SIZE)
  const runs: { first: number; count: number }[] = []
  let count = 0
  let index = 0

  function check(first: number, pages: number): void {
    while (index < allowed.length && allowed[index]!.first + allowed[index]!.count <= first) index++
    const run = allowed[index]
    if (!run || first < run.first || first + pages > run.first + run.count)
      throw new FormatError(
        `page 0x${first.toString(16)} or one behind it is in none of the ranges that its STREAM announces`,
      )
  }

  return {
    get count() {
      return count
    },
    async add(pages, describe) {
      check(pages.first, pages.count)
      for (let done = 0; done < pages.count; done += STEP) {
        const step = rows(done, Math.min(STEP, pages.count - done), describe, room)
        await writes.put(BigInt(at + count * DESCRIPTOR_SIZE), step)
        count += step.length / DESCRIPTOR_SIZE
      }
      addRun(runs, pages.first, pages.count)
    },
    runs: (most) => firstOf(runs, most),
  }
}

function firstOf(runs: readonly PageRun[], most: number): PageRun[] {
  let left = most
  const first: PageRun[] = []
  for (const run of runs) {
    if (left <= 0) break
    first.push({ first: run.first, count: Math.min(run.count, left) })
    left -= run.count
  }
  return first
}

/** A table that is kept until all pages have come. */
export interface KeptTable extends PageTable {
  /** Writes the descriptors of the first `count` pages that were added, in the order of the pages. */
  write(writes: LargeWrites, at: number, count: number): Promise<void>
}

/** Sizes of so many pages are allocated together. */
const CHUNK = 1 << 16
/** In place of a size that no stored form has: that of zeros, and of a page as it is. */
const ZEROS = 0
const RAW = 1

interface Stretch {
  first: number
  count: number
  /** Which page it began with, of all that came. */
  readonly from: number
  /** Where the bytes of its pages begin, but for those of zeros. */
  readonly offset: number
}

/**
 * For pages in any order, or of which nobody tells ahead how many there will be: keeps 2 bytes for each, for their
 * bytes stand in the file as they came.
 * @param flags of a page that is compressed @param zerosAt where the page of zeros stands, the others behind it
 */
export function keptTable(pageSize: number, flags: number, zerosAt: number): KeptTable {
  const sizes: Uint16Array[] = []
  const stretches: Stretch[] = []
  let count = 0
  let end = zerosAt + pageSize

  const sizeAt = (index: number) => sizes[Math.floor(index / CHUNK)]![index % CHUNK]!

  function note({ offset, size, flags: stored }: Descriptor): void {
    if (count % CHUNK === 0) sizes.push(new Uint16Array(CHUNK))
    const code = offset === zerosAt ? ZEROS : stored === 0 ? RAW : size
    sizes[Math.floor(count / CHUNK)]![count % CHUNK] = code
    count++
    if (code !== ZEROS) end += size
  }

  function describe(code: number, offset: number): Descriptor {
    if (code === ZEROS) return { offset: zerosAt, size: pageSize, flags: 0 }
    return code === RAW ? { offset, size: pageSize, flags: 0 } : { offset, size: code, flags }
  }

  /** Of the first `most` pages, ascending by page. */
  function ordered(most: number): Stretch[] {
    return stretches
      .filter(({ from }) => from < most)
      .map((stretch) => ({ ...stretch, count: Math.min(stretch.count, most - stretch.from) }))
      .sort((a, b) => a.first - b.first)
  }

  return {
    get count() {
      return count
    },
    add(pages, describe) {
      const last = stretches.at(-1)
      if (last && last.first + last.count === pages.first) last.count += pages.count
      else stretches.push({ ...pages, from: count, offset: end })
      for (let i = 0; i < pages.count; i++) note(describe(i))
    },
    runs(most) {
      const runs: { first: number; count: number }[] = []
      for (const stretch of ordered(most)) addRun(runs, stretch.first, stretch.count)
      return runs
    },
    async write(writes, at, most) {
      const room = Buffer.allocUnsafe(STEP * DESCRIPTOR_SIZE)
      let written = 0
      for (const stretch of ordered(most)) {
        let { offset } = stretch
        const next = (index: number): Descriptor => {
          const descriptor = describe(sizeAt(stretch.from + index), offset)
          if (descriptor.offset !== zerosAt) offset += descriptor.size
          return descriptor
        }
        for (let done = 0; done < stretch.count; done += STEP) {
          const step = rows(done, Math.min(STEP, stretch.count - done), next, room)
          await writes.put(BigInt(at + written * DESCRIPTOR_SIZE), step)
          written += step.length / DESCRIPTOR_SIZE
        }
      }
    },
  }
}
