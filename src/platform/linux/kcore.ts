import type { Run } from '../../formats/address-space.js'
import type { Bytes } from '../../formats/byte-source.js'
import { decodeNotes, type ElfNote } from '../../formats/elf/notes.js'
import {
  decodeEhdr,
  decodeIdent,
  decodePhdr,
  ELF64_LSB,
  ET_CORE,
  MACHINE,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  SIZES,
} from '../../formats/elf/structs.js'
import { FormatError } from '../../formats/format-error.js'
import { min } from '../../formats/min-max.js'

// /proc/kcore (fs/proc/kcore.c): an ELF64 core without sections. Each PT_LOAD is one range of kernel
// virtual addresses; p_paddr tells what it is:
//   all ones        vmalloc, modules, vmemmap: no physical range
//   0 everywhere    a kernel before 4.11, which doesn't tell
//   an address      RAM in the direct map, or the kernel image, which shows the same RAM once more
// p_offset passes 2^53 with five-level paging. The size that stat gives means nothing.

const NO_PHYSICAL_ADDRESS = 2n ** 64n - 1n
/** x86-64 maps the kernel image and its modules from here on. */
const START_KERNEL_MAP = 0xffffffff80000000n
/** The kernel's own notes are 12 KiB. */
const MAX_NOTES_SIZE = 1n << 20n
/** Offsets are signed in the kernel. */
const OFFSET_LIMIT = 2n ** 63n

/** One PT_LOAD: `length` bytes that read at `fileOffset`. */
export interface KcoreSegment {
  readonly fileOffset: bigint
  readonly virtual: bigint
  readonly physical: bigint
  readonly length: bigint
}

export interface Kcore {
  /** e_machine. */
  readonly machine: number
  readonly segments: readonly KcoreSegment[]
  /** Where the notes stand; they are parsed apart, since an image without them is still one. */
  readonly notes: { readonly fileOffset: bigint; readonly length: number } | undefined
}

/** A physical range and where in the file it reads. */
export interface Piece extends Run {
  readonly fileOffset: bigint
}

/** Bytes of kcore at an offset; fewer than asked for only where it ends. */
export type ReadAt = (fileOffset: bigint, length: number) => Bytes | Promise<Bytes>

/**
 * Reads the ELF and program headers.
 * @throws {FormatError} at the header that is none of a 64-bit little-endian kernel's kcore
 */
export async function readKcoreHeaders(read: ReadAt): Promise<Kcore> {
  const header = await read(0n, SIZES[64].ehdr)
  const encoding = header.length === SIZES[64].ehdr ? decodeIdent(header) : undefined
  if (!encoding) throw new FormatError('not an ELF file', 0n)
  if (encoding.bits !== 64 || !encoding.littleEndian)
    throw new FormatError('not of a 64-bit little-endian kernel', 4n)
  const { type, machine, phoff, phentsize, phnum } = decodeEhdr(header, ELF64_LSB)
  if (type !== ET_CORE) throw new FormatError(`an ELF file of type ${type}, not a core`, 16n)
  if (phentsize !== SIZES[64].phdr) throw new FormatError(`program headers of ${phentsize} bytes`, 54n)
  if (phnum === 0 || phnum === PN_XNUM) throw new FormatError(`${phnum} program headers`, 56n)
  const length = phnum * phentsize
  if (phoff + BigInt(length) > OFFSET_LIMIT) throw new FormatError('program headers outside the file', 32n)
  const table = await read(phoff, length)
  if (table.length < length) throw new FormatError('the program headers are cut short', phoff)

  const segments: KcoreSegment[] = []
  let notes: Kcore['notes']
  for (let at = 0; at < length; at += phentsize) {
    const { type, offset, vaddr, paddr, filesz } = decodePhdr(table, at, ELF64_LSB)
    if (type !== PT_LOAD && type !== PT_NOTE) continue
    const headerOffset = phoff + BigInt(at)
    if (offset + filesz > OFFSET_LIMIT) throw new FormatError('a segment outside the file', headerOffset)
    if (type === PT_NOTE) {
      if (filesz > MAX_NOTES_SIZE) throw new FormatError(`${filesz} bytes of notes`, headerOffset)
      notes ??= { fileOffset: offset, length: Number(filesz) }
    } else if (filesz > 0n) {
      if (hasPhysicalAddress(paddr) && paddr + filesz > 2n ** 64n)
        throw new FormatError('a segment leaves the physical address space', headerOffset)
      segments.push({ fileOffset: offset, virtual: vaddr, physical: paddr, length: filesz })
    }
  }
  return { machine, segments, notes }
}

/**
 * The notes of kcore; none where it has none.
 * @throws {FormatError} at the note that runs past their end
 */
export async function readKcoreNotes(read: ReadAt, { notes }: Kcore): Promise<ElfNote[]> {
  return notes ? decodeNotes(await read(notes.fileOffset, notes.length)) : []
}

function hasPhysicalAddress(physical: bigint): boolean {
  return physical !== NO_PHYSICAL_ADDRESS
}

/**
 * The segments that show RAM, ascending by physical address. They share one distance between virtual and
 * physical addresses, the direct map's; the kernel image has another and far fewer bytes.
 * @throws {FormatError} when there is none
 */
export function directMap(kcore: Kcore, ram: readonly Run[]): KcoreSegment[] {
  const segments = kcore.segments.every(({ physical }) => physical === 0n)
    ? placeByRam(kcore, ram)
    : largestDirectMap(kcore.segments)
  return segments.sort((a, b) => (a.physical < b.physical ? -1 : a.physical > b.physical ? 1 : 0))
}

function largestDirectMap(segments: readonly KcoreSegment[]): KcoreSegment[] {
  const maps = new Map<bigint, { bytes: bigint; segments: KcoreSegment[] }>()
  for (const segment of segments) {
    if (!hasPhysicalAddress(segment.physical)) continue
    const base = segment.virtual - segment.physical
    const map = maps.get(base) ?? { bytes: 0n, segments: [] }
    map.bytes += segment.length
    map.segments.push(segment)
    maps.set(base, map)
  }
  let largest: { bytes: bigint; segments: KcoreSegment[] } | undefined
  for (const map of maps.values()) if (!largest || map.bytes > largest.bytes) largest = map
  if (!largest) throw new FormatError('no segment has a physical address')
  return largest.segments
}

/**
 * Kernels before 4.11 leave p_paddr 0. There the direct map is the lowest range of kernel addresses and
 * starts with the first RAM range, so that range tells how far virtual and physical addresses are apart.
 * Only segments that start where RAM starts are taken.
 */
function placeByRam(kcore: Kcore, ram: readonly Run[]): KcoreSegment[] {
  const first = ram[0]
  if (kcore.machine !== MACHINE.x64 || !first)
    throw new FormatError('an old kernel, which gives no physical addresses')
  let lowest: KcoreSegment | undefined
  for (const segment of kcore.segments) if (!lowest || segment.virtual < lowest.virtual) lowest = segment
  const base = lowest === undefined ? 0n : lowest.virtual - first.start
  const starts = new Set(ram.map((run) => run.start))
  const placed = kcore.segments
    .map((segment) => ({ ...segment, physical: segment.virtual - base }))
    .filter((segment) => segment.virtual < START_KERNEL_MAP && starts.has(segment.physical))
  if (placed.length === 0) throw new FormatError('no segment starts where System RAM starts')
  return placed
}

/**
 * The kernel image of an x86-64 kernel: a second view of RAM, which tells where the image was loaded and
 * lets the direct map be checked.
 */
export function kernelImage({ machine, segments }: Kcore): KcoreSegment | undefined {
  if (machine !== MACHINE.x64) return undefined
  return segments.find(
    ({ virtual, physical }) => virtual >= START_KERNEL_MAP && physical !== 0n && hasPhysicalAddress(physical),
  )
}

/** Physical address of virtual 0xffffffff80000000, as the kernel image's segment tells it. */
export function imageBase({ virtual, physical }: KcoreSegment): bigint {
  return physical - (virtual - START_KERNEL_MAP)
}

/** What kcore itself takes for RAM, for when /proc/iomem hides it. */
export function segmentRuns(segments: readonly KcoreSegment[]): Run[] {
  return locate([{ start: 0n, length: 2n ** 64n }], segments).pieces.map(({ start, length }) => ({
    start,
    length,
  }))
}

/**
 * Where each range of RAM reads, and what of it no segment shows. Both lists ascend; of segments that
 * overlap, the one that starts first wins.
 */
export function locate(
  ram: readonly Run[],
  segments: readonly KcoreSegment[],
): { pieces: Piece[]; missing: Run[] } {
  const pieces: Piece[] = []
  const missing: Run[] = []
  let next = 0
  for (const run of ram) {
    const end = run.start + run.length
    let at = run.start
    while (at < end) {
      const segment = segments[next]
      const segmentEnd = segment ? segment.physical + segment.length : 0n
      if (segment && segmentEnd <= at) {
        next++
        continue
      }
      const stop = segment && segment.physical < end ? segment.physical : end
      if (stop > at) {
        missing.push({ start: at, length: stop - at })
        at = stop
      } else if (segment) {
        const pieceEnd = min(segmentEnd, end)
        pieces.push({
          start: at,
          length: pieceEnd - at,
          fileOffset: segment.fileOffset + at - segment.physical,
        })
        at = pieceEnd
      }
    }
  }
  return { pieces, missing }
}
