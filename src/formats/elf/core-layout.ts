import type { Bytes } from '../byte-source.js'
import type { KernelImage } from '../linux/kernel-image.js'
import { max, min } from '../min-max.js'
import { type ElfNote, encodeNotes } from './notes.js'
import {
  ET_CORE,
  encodeEhdr,
  encodePhdr,
  encodeShdr,
  type Phdr,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  SIZES,
} from './structs.js'

/** Most program headers that pmem writes or reads: 56 MiB of them. */
export const MAX_PROGRAM_HEADERS = 2 ** 20
/** Where the program headers follow the ELF header at once, as most readers expect. */
export const TABLE_OFFSET = BigInt(SIZES[64].ehdr)

const PAGE = 4096n
const READ_WRITE_EXECUTE = 7

/** One PT_LOAD segment. */
export interface CoreSegment {
  /** Physical address of its first byte; 0 in a core of virtual memory. */
  readonly paddr: bigint
  /** Virtual address of its first byte. Where none is known, the physical one serves. */
  readonly vaddr: bigint
  /** Bytes, in the file and in memory alike. */
  readonly length: bigint
}

export interface PlacedSegment extends CoreSegment {
  /** Where its bytes stand in the file. */
  readonly offset: bigint
}

/** What stands in a core besides its memory. */
export interface CoreFacts {
  /** e_machine. */
  readonly machine: number
  /** e_flags: FLAG_INCOMPLETE or 0. */
  readonly flags: number
  readonly notes: readonly ElfNote[]
  /** Shown a second time where the kernel has it, for gdb, which knows virtual addresses only. */
  readonly image?: KernelImage | undefined
}

export interface CoreLayout {
  /** Everything before the first segment's bytes: write it at 0. */
  readonly header: Bytes
  /** Where each segment's bytes go, in the order given; ascending, page-aligned. */
  readonly segments: readonly PlacedSegment[]
  /** Size of the whole file. */
  readonly size: bigint
}

export const alignToPage = (offset: bigint): bigint => ((offset + PAGE - 1n) / PAGE) * PAGE

/** Bytes that this many PT_LOAD headers, PT_NOTE, section header and notes take after the ELF header. */
function tableSize(loads: number, notes: Bytes): number {
  const headers = loads + 1
  return headers * SIZES[64].phdr + (headers >= PN_XNUM ? SIZES[64].shdr : 0) + notes.length
}

const loadOf = ({ offset, vaddr, paddr, length }: PlacedSegment): Phdr => ({
  type: PT_LOAD,
  flags: READ_WRITE_EXECUTE,
  offset,
  vaddr,
  paddr,
  filesz: length,
  memsz: length,
  align: 0n,
})

/**
 * The kernel's image as far as segments hold it. Volatility 3, LeechCore and Rekall want segments that ascend and do
 * not overlap by physical address; what is larger in memory than in the file they leave alone.
 */
function viewsOf(image: KernelImage | undefined, segments: readonly PlacedSegment[]): Phdr[] {
  if (!image) return []
  const views = segments.flatMap(({ paddr, length, offset }) => {
    const start = max(paddr, image.paddr)
    const end = min(paddr + length, image.paddr + image.length)
    if (start >= end) return []
    const vaddr = image.vaddr + start - image.paddr
    const view = loadOf({ offset: offset + start - paddr, vaddr, paddr: start, length: end - start })
    return [{ ...view, memsz: view.memsz + PAGE }]
  })
  return segments.length + views.length < MAX_PROGRAM_HEADERS ? views : []
}

/**
 * An ELF64 core whose segment bytes stand where `segments` says: the ELF header for offset 0, and the block
 * for `tableOffset` with PT_NOTE first, a PT_LOAD for each segment, those of the kernel's image, and the notes.
 *
 * p_align is 0 on purpose: crash takes a core with an aligned first PT_LOAD for an old netdump.
 * @throws {RangeError} with more than MAX_PROGRAM_HEADERS - 1 segments
 */
export function encodeCoreHeaders(
  { machine, flags, notes, image }: CoreFacts,
  segments: readonly PlacedSegment[],
  tableOffset: bigint = TABLE_OFFSET,
): { ehdr: Bytes; table: Bytes } {
  const loads = [...segments.map(loadOf), ...viewsOf(image, segments)]
  const count = loads.length + 1
  if (count > MAX_PROGRAM_HEADERS) throw new RangeError(`an ELF core of ${segments.length} segments`)
  const extended = count >= PN_XNUM
  const noteBytes = encodeNotes(notes)
  const table = new Uint8Array(tableSize(loads.length, noteBytes))
  const sectionAt = count * SIZES[64].phdr
  const notesAt = table.length - noteBytes.length
  const none = { vaddr: 0n, paddr: 0n, memsz: 0n }
  encodePhdr(
    {
      ...none,
      type: PT_NOTE,
      flags: 0,
      offset: tableOffset + BigInt(notesAt),
      filesz: BigInt(noteBytes.length),
      align: 4n,
    },
    table,
    0,
  )
  for (const [i, load] of loads.entries()) encodePhdr(load, table, (i + 1) * SIZES[64].phdr)
  if (extended) {
    const zeros = { name: 0, type: 0, flags: 0n, addr: 0n, offset: 0n, size: 0n, link: 0 }
    encodeShdr({ ...zeros, info: count, addralign: 0n, entsize: 0n }, table, sectionAt)
  }
  table.set(noteBytes, notesAt)
  const ehdr = encodeEhdr({
    type: ET_CORE,
    machine,
    version: 1,
    entry: 0n,
    phoff: tableOffset,
    shoff: extended ? tableOffset + BigInt(sectionAt) : 0n,
    flags,
    ehsize: SIZES[64].ehdr,
    phentsize: SIZES[64].phdr,
    phnum: extended ? PN_XNUM : count,
    shentsize: extended ? SIZES[64].shdr : 0,
    shnum: extended ? 1 : 0,
    shstrndx: 0,
  })
  return { ehdr, table }
}

/**
 * The whole of an ELF64 core but its memory, known before the first byte of memory: headers and notes first,
 * then each segment's bytes at the next page.
 * @param spare bytes left free behind the notes, for headers that will say more when they are written again
 * @throws {RangeError} with more than MAX_PROGRAM_HEADERS - 1 segments
 */
export function elfCoreLayout(facts: CoreFacts, segments: readonly CoreSegment[], spare = 0): CoreLayout {
  const views = viewsOf(
    facts.image,
    segments.map((segment) => ({ ...segment, offset: 0n })),
  )
  const table = tableSize(segments.length + views.length, encodeNotes(facts.notes))
  const headerSize = Number(TABLE_OFFSET) + table + spare
  let size = alignToPage(BigInt(headerSize))
  const placed = segments.map((segment) => {
    const offset = alignToPage(size)
    size = offset + segment.length
    return { ...segment, offset }
  })
  const encoded = encodeCoreHeaders(facts, placed)
  const header = new Uint8Array(Number(placed[0]?.offset ?? BigInt(headerSize)))
  header.set(encoded.ehdr)
  header.set(encoded.table, encoded.ehdr.length)
  return { header, segments: placed, size: placed.length ? size : BigInt(headerSize) }
}
