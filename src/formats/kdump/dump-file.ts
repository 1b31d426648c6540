import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { type PageRun, readBitmaps } from './bitmaps.js'
import { openDescriptors } from './descriptors.js'
import { type DumpHeader, readDumpHeader } from './dump-header.js'
import { endsWhole, findLost, without } from './lost-pages.js'
import { openPages, type Pages } from './pages.js'
import { INCOMPLETE } from './structs.js'

/** One file of a kernel dump: all of it, or the part from one page to another. */
export interface DumpFile {
  readonly source: ByteSource
  readonly about: DumpHeader
  /** Pages that can be read. */
  readonly held: readonly PageRun[]
  /** Memory that was left out. */
  readonly excluded: readonly PageRun[]
  /** Pages that were to be in the file and are not. */
  readonly lost: readonly PageRun[]
  readonly pages: Pages
}

/** @throws {FormatError} with the offset of what makes no sense */
export async function openDumpFile(source: ByteSource): Promise<DumpFile> {
  const about = await readDumpHeader(source)
  const { held, excluded } = await readBitmaps(source, about, about.first, about.end)
  const descriptors = openDescriptors(source, about.descriptorsAt, about.model.littleEndian, held)
  const marked = (about.header.status & BigInt(INCOMPLETE)) !== 0n
  const doubtful = marked || !(await endsWhole(descriptors, source.size))
  const lost = doubtful ? await findLost(descriptors, held, source.size) : []
  return {
    source,
    about,
    held: lost.length > 0 ? without(held, lost) : held,
    excluded,
    lost,
    pages: openPages(source, descriptors, about.blockSize),
  }
}

/** What is not in any of the parts: the bitmaps of one tell about all pages. */
export async function findAbsent({ source, about }: DumpFile, gaps: readonly PageRun[]): Promise<PageRun[]> {
  const absent: PageRun[] = []
  for (const { first, count } of gaps) {
    const { held, excluded } = await readBitmaps(source, about, first, first + count)
    absent.push(...held, ...excluded)
  }
  return absent.sort((a, b) => a.first - b.first)
}

/**
 * Whether two files are parts of one dump.
 * @throws {FormatError} where they tell of the same pages
 */
export function belongTogether(one: DumpHeader, other: DumpHeader): boolean {
  const same =
    one.split &&
    other.split &&
    one.pages === other.pages &&
    one.blockSize === other.blockSize &&
    one.bitmapSize === other.bitmapSize &&
    (['sysname', 'nodename', 'release', 'version', 'machine'] as const).every(
      (name) => one.header[name] === other.header[name],
    )
  if (same && one.first < other.end && other.first < one.end)
    throw new FormatError(
      `two parts of one dump hold pages ${Math.max(one.first, other.first)} to ${Math.min(one.end, other.end)}`,
      undefined,
      'name each part once',
    )
  return same
}
