import { EXIT, ToolError } from '../../cli/exit.js'
import { asToolError } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import type { Outcome, Output } from '../../cli/output.js'
import { type ChunkCompressor, defaultThreads, openChunkCompressor } from '../../codecs/chunk-compressor.js'
import type { WritableFileCodec } from '../../codecs/codec-error.js'
import type { Run } from '../../formats/address-space.js'
import { encodeNotes } from '../../formats/elf/notes.js'
import { flatWriter } from '../../formats/flat/flat-writer.js'
import type { Facts } from '../../formats/image/facts.js'
import { encodeBitmap, type PageRun } from '../../formats/kdump/bitmaps.js'
import type { Descriptor } from '../../formats/kdump/descriptors.js'
import {
  behindDescriptors,
  type DumpLayout,
  dumpLayout,
  encodeDumpHeaders,
  frontSize,
  notesAt,
} from '../../formats/kdump/dump-layout.js'
import { DESCRIPTOR_SIZE, SNAPPY, ZLIB, ZSTD } from '../../formats/kdump/structs.js'
import { announcedBytes } from '../../frames/streams.js'
import { within } from '../coverage.js'
import { evidenceNotes } from '../evidence-notes.js'
import { refuseUnlessHeld } from '../file-size.js'
import { type LargeWrites, largeWrites, type Written } from '../large-writes.js'
import type { Evidence, ImageWriter } from '../memory-image.js'
import { pageJobs, type StoredPages } from './page-jobs.js'
import { addressRuns, pageRuns, pagesIn } from './page-runs.js'
import { keptTable, orderedTable, type PageTable } from './page-table.js'
import { wholePages } from './whole-pages.js'

/** What pages may be compressed with, and the flag for it. */
export const PAGE_CODECS = { zlib: ZLIB, snappy: SNAPPY, zstd: ZSTD, none: 0 } as const
export type PageCodec = keyof typeof PAGE_CODECS

const PAGE = 4096
const LARGEST_PAGE = 1 << 16
/** Each bitmap takes 1 GiB then. */
const MOST_PAGES = 2 ** 33
/** Room for what the notes say more once the input is over; where it does not do they go behind all else. */
const SPARE = 4096
/** Bytes of memory that may be lost with the process. */
const AT_RISK = 8 << 20

export interface KdumpOptions {
  readonly log: Log
  readonly codec: PageCodec
  readonly deterministic: boolean
}

/**
 * Begins a dump. In a file, where the pages are announced and come in order, their descriptors stand ahead of them and
 * are written as they come: what was cut can be read up to there. Else bitmaps and descriptors follow the pages, and
 * in a flat container the headers come last: crash takes any of several records that overlap.
 * @throws {ToolError} when no dump holds the memory
 */
export async function beginKdump(
  output: Output,
  evidence: Evidence,
  announced: readonly Run[] | undefined,
  options: KdumpOptions,
): Promise<ImageWriter> {
  const { stream, facts } = evidence
  if (stream.category === 'memory:virtual')
    throw new ToolError(EXIT.data, `${output.name}: the memory of a process has no physical addresses`, {
      hint: 'elf-sink takes it',
    })
  tellWhatItLacks(options.log, output, facts)
  const pageSize = pageSizeOf(facts)
  const settled = announced && stream.ordered !== false && output.seekable
  const ahead = settled ? pageRuns(announced, pageSize) : undefined
  const pages = ahead?.at(-1)
  const end = pages ? pages.first + pages.count : 0
  if (end > MOST_PAGES) throw tooFar(output, end, pageSize)

  output.space.demand(announcedBytes(stream))
  const flags = PAGE_CODECS[options.codec]
  const notesOf = (at: Evidence) => evidenceNotes(at, 'kdump-sink', options.deterministic)
  const front = frontSize(pageSize, encodeNotes(notesOf(evidence)).length + SPARE)
  const layout = dumpLayout(pageSize, front, end)
  const zerosAt = ahead ? behindDescriptors(layout, pagesIn(ahead)) : front
  const flat = output.seekable ? undefined : flatWriter(output)
  const target: Written = flat ? { seekable: true, write: output.write, writeAt: flat.writeAt } : output

  async function writeFront(at: DumpLayout, claims: Evidence, complete: boolean, behind?: number) {
    const notes = notesOf(claims)
    const size = encodeNotes(notes).length
    const fits = behind === undefined || notesAt(pageSize) + size <= front
    const place = fits ? notesAt(pageSize) : behind
    const encoded = encodeDumpHeaders(at, { facts: claims.facts, codec: flags, complete }, notes, place)
    await target.writeAt(BigInt(place), encoded.notes)
    await target.writeAt(0n, encoded.headers)
    return fits ? 0 : size
  }

  if (output.seekable) {
    await output.write()
    refuseUnlessHeld(output, BigInt(zerosAt), 'aff4-sink takes any address')
    // What is cut off by a power failure is marked, too.
    await writeFront(layout, evidence, false)
  }
  if (ahead) await writeBitmaps(target, layout, ahead, ahead)
  await target.writeAt(BigInt(zerosAt), Buffer.alloc(pageSize))

  const writes = largeWrites(target)
  const rows = largeWrites(target)
  const kept = ahead ? undefined : keptTable(pageSize, flags, zerosAt)
  const table: PageTable = kept ?? orderedTable(rows, layout.descriptorsAt, ahead ?? [])
  const compressor = openCompressor(options.codec)
  /** Pages that are in the file, descriptors and all. */
  let certain = 0
  const data = pageWriter(writes, table, { pageSize, flags, zerosAt })
  const jobs = pageJobs(pageSize, compressor, take)
  const whole = wholePages(jobs, pageSize)

  /** Descriptors are few bytes: without being asked they would wait for those of a hundred MiB and more. */
  async function take(pages: StoredPages<WritableFileCodec>): Promise<void> {
    await data.take(pages)
    if (!ahead || (table.count - certain) * pageSize < AT_RISK) return
    certain = table.count
    await writes.settle()
    await rows.settle()
  }

  /** How many pages are in the file, in the order in which they came. */
  function countWritten(): number {
    const { lostFrom } = rows
    const listed =
      lostFrom === undefined || kept
        ? table.count
        : Math.floor((Number(lostFrom) - layout.descriptorsAt) / DESCRIPTOR_SIZE)
    return Math.min(listed, data.countBefore(writes.lostFrom))
  }

  async function settle(): Promise<void> {
    if (writes.lostFrom !== undefined || rows.lostFrom !== undefined) return
    await whole.end()
    await jobs.settle()
    await writes.settle()
    await rows.settle()
  }

  return {
    put: whole.put,
    fill: whole.fill,
    release() {},
    get padded() {
      return whole.padded
    },
    async finish(evidence, ranges, complete) {
      let failure: unknown
      try {
        await settle()
      } catch (error) {
        failure = error
      }
      await jobs.close()
      const count = countWritten()
      const lost = count < table.count || failure !== undefined
      const held = table.runs(count)
      const memory = pageRuns([...ranges, ...(announced ?? [])], pageSize)
      const last = memory.at(-1)
      const at = ahead ? layout : behindPages(data.endOf(count), last ? last.first + last.count : 0)
      if (kept) await kept.write(rows, at.descriptorsAt, count)
      await rows.settle()
      await writeBitmaps(target, at, memory, held)
      const behind = kept ? behindDescriptors(at, count) : data.endOf(count)
      const told = failure === undefined ? evidence : { ...evidence, outcome: outcomeOf(failure) }
      const more = await writeFront(at, told, complete && !lost, behind)
      if (output.seekable) await output.truncate(BigInt(behind + more))
      await flat?.end()
      if (failure !== undefined) throw failure
      return lost ? [...within(ranges, addressRuns(held, pageSize))] : ranges
    },
  }

  /** Bitmaps and descriptors behind all pages. */
  function behindPages(end: number, pages: number): DumpLayout {
    if (pages > MOST_PAGES) throw tooFar(output, pages, pageSize)
    return dumpLayout(pageSize, Math.ceil(end / pageSize) * pageSize, pages)
  }
}

function outcomeOf(failure: unknown): Outcome {
  return { status: 'failed', error: asToolError(failure).message, unreadable: false }
}

function openCompressor(codec: PageCodec): ChunkCompressor<WritableFileCodec> {
  return openChunkCompressor<WritableFileCodec>({
    codec,
    threads: codec === 'none' ? 1 : defaultThreads(),
    keep: 1,
  })
}

interface PagePlaces {
  readonly pageSize: number
  readonly flags: number
  readonly zerosAt: number
}

/** Writes stored pages one behind the other, and tells the table where each stands. */
function pageWriter(writes: LargeWrites, table: PageTable, { pageSize, flags, zerosAt }: PagePlaces) {
  const zeros: Descriptor = { offset: zerosAt, size: pageSize, flags: 0 }
  /** After each run: where the bytes end, and how many pages there are. */
  const ends: number[] = [zerosAt + pageSize]
  const counts: number[] = [0]
  let end = zerosAt + pageSize

  async function take({ first, count, stored }: StoredPages<WritableFileCodec>): Promise<void> {
    const places: Descriptor[] = []
    for (const chunk of stored ?? []) {
      if (chunk.zero) places.push(zeros)
      else {
        const { bytes, codec } = chunk
        const writing = writes.put(BigInt(end), bytes)
        if (writing) await writing
        places.push({ offset: end, size: bytes.length, flags: codec === 'none' ? 0 : flags })
        end += bytes.length
      }
    }
    await table.add({ first, count }, stored ? (index) => places[index]! : () => zeros)
    if (end === ends.at(-1)) counts[counts.length - 1] = table.count
    else {
      ends.push(end)
      counts.push(table.count)
    }
  }

  return {
    take,
    /** Where the bytes of the first `count` pages end. */
    endOf: (count: number): number => ends[counts.findIndex((before) => before >= count)] ?? end,
    /** How many pages lie before an offset from which on all is lost; all where that is undefined. */
    countBefore(lostFrom: bigint | undefined): number {
      if (lostFrom === undefined) return table.count
      const index = ends.findLastIndex((end) => BigInt(end) <= lostFrom)
      return counts[index] ?? 0
    },
  }
}

async function writeBitmaps(
  target: Written,
  { bitmapsAt, bitmapSize }: DumpLayout,
  memory: readonly PageRun[],
  held: readonly PageRun[],
): Promise<void> {
  for (const [start, runs] of [
    [bitmapsAt, memory],
    [bitmapsAt + bitmapSize, held],
  ] as const) {
    let at = start
    for (const piece of encodeBitmap(runs, bitmapSize)) {
      await target.writeAt(BigInt(at), piece)
      at += piece.length
    }
  }
}

function pageSizeOf({ pageSize }: Facts): number {
  const size = Number(pageSize ?? PAGE)
  return size >= PAGE && size <= LARGEST_PAGE && Number.isInteger(Math.log2(size)) ? size : PAGE
}

function tellWhatItLacks(log: Log, { name }: Output, { vmcoreinfo, system, machine }: Facts): void {
  if (vmcoreinfo === undefined && (system ?? 'Linux') === 'Linux')
    log.warn(
      `${name}: nothing tells VMCOREINFO`,
      'crash and makedumpfile do not open the memory of a kernel that was moved (KASLR) without it',
    )
  if (machine === undefined) log.warn(`${name}: nothing tells what machine it is of`, 'crash asks for that')
}

const tooFar = ({ name }: Output, pages: number, pageSize: number): ToolError =>
  new ToolError(
    EXIT.data,
    `${name}: address 0x${(BigInt(pages) * BigInt(pageSize)).toString(16)} is beyond what bitmaps of 1 GiB tell about`,
    { hint: 'aff4-sink takes any address' },
  )
