import type { AddressSpace, Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { placeRuns, readExactly } from '../placed-runs.js'
import { MAX_PROGRAM_HEADERS } from './core-layout.js'
import { decodeNotes, type ElfNote } from './notes.js'
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

const READ_SIZE = 1 << 20
/** Notes of a process with every mapping that Linux allows stay below this. */
const MAX_NOTE_BYTES = 64n << 20n

/** An ELF core file, read lazily. */
export interface ElfCore extends AddressSpace {
  readonly header: Ehdr
  readonly bits: 32 | 64
  readonly notes: readonly ElfNote[]
  /** Whether addresses are p_paddr or, in the core of a process, p_vaddr. */
  readonly addresses: 'physical' | 'virtual'
  /** Addresses that the headers announce but whose bytes lie past the end of the file: not in `runs`. */
  readonly missing: readonly Run[]
  /** Its writer marked it as unfinished, or bytes are missing. */
  readonly incomplete: boolean
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
      if (phdr.type === PT_LOAD || phdr.type === PT_NOTE) wanted.push(phdr)
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
 * same, but for its VMCOREINFO.
 */
function isVirtual(loads: Phdr[], notes: ElfNote[]): boolean {
  return (
    loads.every(({ paddr }) => paddr === 0n) &&
    loads.some(({ vaddr }) => vaddr !== 0n) &&
    !notes.some(({ name }) => name === 'VMCOREINFO')
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
  const loads = phdrs.filter(
    ({ type, filesz, paddr }) => type === PT_LOAD && filesz > 0n && paddr !== noAddress,
  )
  if (loads.length === 0) throw new FormatError('a core without memory')
  const virtual = isVirtual(loads, notes)
  const segments = loads.map(({ vaddr, paddr, offset, filesz }) => {
    const start = virtual ? vaddr : paddr
    if (start + filesz > space || offset + filesz > space)
      throw new FormatError(`a segment of 0x${filesz.toString(16)} bytes leaves the address space`, offset)
    return { start, length: filesz, offset }
  })
  // Of overlapping ones the first wins: kernel cores show the kernel's text a second time.
  const { runs, missing, read } = placeRuns(source, segments)
  if (runs.length === 0) throw new FormatError('no byte of any segment is in the file', source.size)

  return {
    header,
    bits: encoding.bits,
    notes,
    addresses: virtual ? 'virtual' : 'physical',
    runs,
    missing,
    incomplete: (header.flags & FLAG_INCOMPLETE) !== 0 || missing.length > 0,
    read,
  }
}
