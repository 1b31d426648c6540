import { type AddressSpace, type Run, subtractRuns, uniteRuns } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import { type PlacedRun, placeRuns, readExactly } from '../placed-runs.js'
import { MAX_PROGRAM_HEADERS } from './core-layout.js'
import { decodeNotes, type ElfNote } from './notes.js'
import { decodeOwnNote } from './own-note.js'
import { isQemuNote } from './qemu-note.js'
import {
  decodeEhdr,
  decodeIdent,
  decodePhdr,
  decodeShdr,
  type Ehdr,
  type Encoding,
  ET_CORE,
  FLAG_INCOMPLETE,
  type Phdr,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  SIZES,
} from './structs.js'
import { decodeVirtualBoxNote } from './virtualbox-note.js'
import { PT_PMEM } from './winpmem-metadata.js'

const READ_SIZE = 1 << 20
/** Notes of a process with every mapping that Linux allows stay below this. */
const MAX_NOTE_BYTES = 64n << 20n

/** An ELF core file, read lazily. */
export interface ElfCore extends AddressSpace {
  readonly header: Ehdr
  readonly encoding: Encoding
  readonly notes: readonly ElfNote[]
  /** The PT_LOAD segments of the addresses that are read, in their order in the file. */
  readonly segments: readonly Phdr[]
  /** How many PT_LOAD segments have no physical address: vmalloc and modules of a kernel. */
  readonly unplaced: number
  /** The program header that WinPmem 1.x writes. */
  readonly winpmem: Phdr | undefined
  /** Whether addresses are p_paddr or, in the core of a process, p_vaddr. */
  readonly addresses: 'physical' | 'virtual'
  /** Virtual minus physical address of most of the memory; 0 where the core does not tell. */
  readonly mapBase: bigint
  /** Addresses that the headers announce but whose bytes lie past the end of the file: not in `runs`. */
  readonly missing: readonly Run[]
  /** Its writer marked it as unfinished, or bytes are missing. */
  readonly incomplete: boolean
  /** Addresses that its writer left out: p_memsz passes p_filesz. */
  readonly leftOut: readonly Run[]
}

async function countProgramHeaders(source: ByteSource, header: Ehdr, encoding: Encoding): Promise<number> {
  if (header.phnum !== PN_XNUM) return header.phnum
  if (header.shoff === 0n) throw new FormatError('e_phnum refers to a section header that is not there', 0n)
  const section = await readExactly(source, header.shoff, SIZES[encoding.bits].shdr, 'a section header')
  return decodeShdr(section, 0, encoding).info
}

async function readProgramHeaders(source: ByteSource, header: Ehdr, encoding: Encoding): Promise<Phdr[]> {
  const count = await countProgramHeaders(source, header, encoding)
  const { phoff, phentsize } = header
  if (count === 0) return []
  if (count > MAX_PROGRAM_HEADERS)
    throw new FormatError(`${count} program headers; at most ${MAX_PROGRAM_HEADERS} are read`, 0n)
  if (phentsize < SIZES[encoding.bits].phdr)
    throw new FormatError(`program headers of ${phentsize} bytes are too short`, 0n)
  if (phoff + BigInt(count * phentsize) > source.size)
    throw new FormatError(`${count} program headers past the end of the file`, phoff)
  const wanted: Phdr[] = []
  const perRead = Math.floor(READ_SIZE / phentsize)
  for (let first = 0; first < count; first += perRead) {
    const here = Math.min(perRead, count - first)
    const offset = phoff + BigInt(first * phentsize)
    const bytes = await readExactly(source, offset, here * phentsize, 'program headers')
    for (let i = 0; i < here; i++) {
      const phdr = decodePhdr(bytes, i * phentsize, encoding)
      if (phdr.type === PT_LOAD || phdr.type === PT_NOTE || phdr.type === PT_PMEM) wanted.push(phdr)
    }
  }
  return wanted
}

async function readNotes(source: ByteSource, phdrs: Phdr[], encoding: Encoding): Promise<ElfNote[]> {
  const notes: ElfNote[] = []
  let budget = MAX_NOTE_BYTES
  for (const { offset, filesz, align } of phdrs) {
    budget -= filesz
    if (budget < 0n) throw new FormatError(`more than ${MAX_NOTE_BYTES} bytes of notes`, offset)
    const bytes = Uint8Array.from(await readExactly(source, offset, Number(filesz), 'notes'))
    for (const note of decodeNotes(bytes, encoding, Number(align))) notes.push(note)
  }
  return notes
}

/**
 * Cores of processes leave every p_paddr 0. A kernel core whose only segment starts at physical 0 looks the
 * same, but for who wrote it.
 */
function isVirtual(loads: Phdr[], notes: ElfNote[]): boolean {
  const own = decodeOwnNote(notes)?.category
  if (own !== undefined) return own === 'memory:virtual'
  return (
    loads.every(({ paddr }) => paddr === 0n) &&
    loads.some(({ vaddr }) => vaddr !== 0n) &&
    !notes.some((note) => note.name === 'VMCOREINFO' || isQemuNote(note)) &&
    !decodeVirtualBoxNote(notes)
  )
}

/** Virtual minus physical address of the most bytes in the file, where virtual addresses are told. */
function commonBase(loads: readonly Phdr[]): bigint {
  if (loads.every(({ vaddr }) => vaddr === 0n)) return 0n
  const bytes = new Map<bigint, bigint>()
  let most = 0n
  for (const { vaddr, paddr, filesz } of loads) {
    const base = vaddr - paddr
    const sum = (bytes.get(base) ?? 0n) + filesz
    bytes.set(base, sum)
    if (sum > (bytes.get(most) ?? 0n)) most = base
  }
  return most
}

/** The parts of segments that show what the map of RAM does not show. */
function besides(views: readonly PlacedRun[], map: readonly Run[]): PlacedRun[] {
  return views.flatMap((view) =>
    [...subtractRuns([view], map)].map((part) => ({
      ...part,
      offset: view.offset + part.start - view.start,
    })),
  )
}

/** Whether a file that begins with these bytes (at least 18) is an ELF core. */
export function isElfCore(start: Bytes): boolean {
  const encoding = decodeIdent(start)
  return encoding !== undefined && (encoding.littleEndian ? start[16] : start[17]) === ET_CORE
}

/**
 * Opens an ELF core of memory as any known program writes it: ELF32 or ELF64, either byte order, program
 * headers in any order, segments packed, overlapping, or shorter in the file than in memory (only the bytes
 * in the file count). The source stays the caller's to close.
 * @throws {FormatError} where it is no core, or its headers lie outside the file or hold nothing
 */
export async function openElfCore(source: ByteSource): Promise<ElfCore> {
  const start = await source.read(0n, SIZES[64].ehdr)
  const encoding = decodeIdent(start)
  if (!encoding) throw new FormatError('not an ELF file', 0n)
  if (start.length < SIZES[encoding.bits].ehdr) throw new FormatError('the ELF header is cut off', 0n)
  const header = decodeEhdr(start, encoding)
  if (header.type !== ET_CORE) throw new FormatError(`an ELF file of type ${header.type}, not a core`, 0n)

  const phdrs = await readProgramHeaders(source, header, encoding)
  const notes = await readNotes(
    source,
    phdrs.filter(({ type }) => type === PT_NOTE),
    encoding,
  )
  const space = 1n << BigInt(encoding.bits)
  const noAddress = space - 1n // the kernel's p_paddr for memory without a physical address
  const all = phdrs.filter(({ type, memsz, filesz }) => type === PT_LOAD && (memsz > 0n || filesz > 0n))
  const loads = all.filter(({ paddr }) => paddr !== noAddress)
  if (loads.length === 0) throw new FormatError('a core without memory')
  const virtual = isVirtual(loads, notes)
  const mapBase = virtual ? 0n : commonBase(loads)
  const placeOf = ({ vaddr, paddr, offset, filesz }: Phdr): PlacedRun => {
    const start = virtual ? vaddr : paddr
    if (start + filesz > space || offset + filesz > space)
      throw new FormatError(`a segment of 0x${filesz.toString(16)} bytes leaves the address space`, offset)
    return { start, length: filesz, offset }
  }
  // Kernel cores show the kernel's image a second time, apart from the map of RAM.
  const isMap = ({ vaddr, paddr }: Phdr) => virtual || vaddr === 0n || vaddr - paddr === mapBase
  const map = loads.filter(isMap)
  const views = loads.filter((load) => !isMap(load))
  const placed = map.map(placeOf)
  const held = uniteRuns(placed)
  const { runs, missing, read } = placeRuns(source, [...placed, ...besides(views.map(placeOf), held)])
  if (runs.length === 0) throw new FormatError('no byte of any segment is in the file', source.size)
  const tails = map
    .filter(({ filesz, memsz }) => filesz < memsz)
    .map((load) => {
      const { start, length } = placeOf(load)
      return { start: start + length, length: min(load.memsz - length, space - start - length) }
    })
  const told = uniteRuns([...runs, ...missing])

  return {
    header,
    encoding,
    notes,
    segments: loads,
    unplaced: all.length - loads.length,
    winpmem: phdrs.find(({ type }) => type === PT_PMEM),
    addresses: virtual ? 'virtual' : 'physical',
    mapBase,
    runs,
    missing,
    incomplete: (header.flags & FLAG_INCOMPLETE) !== 0 || missing.length > 0,
    leftOut: [...subtractRuns(uniteRuns(tails), told)],
    read,
  }
}
