import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'

// System V ABI, chapters 4 (ELF header, sections) and 5 (program header), with Elf32 and Elf64 types.
// half is 2 bytes, word 4, addr 4 in ELF32 and 8 in ELF64. The fields stand in file order, without gaps.

const EHDR = {
  type: 'half',
  machine: 'half',
  version: 'word',
  entry: 'addr',
  phoff: 'addr',
  shoff: 'addr',
  flags: 'word',
  ehsize: 'half',
  phentsize: 'half',
  phnum: 'half',
  shentsize: 'half',
  shnum: 'half',
  shstrndx: 'half',
} as const

const PHDR_64 = {
  type: 'word',
  flags: 'word',
  offset: 'addr',
  vaddr: 'addr',
  paddr: 'addr',
  filesz: 'addr',
  memsz: 'addr',
  align: 'addr',
} as const

/** The same fields as in ELF64; `flags` moved. */
const PHDR_32 = {
  type: 'word',
  offset: 'addr',
  vaddr: 'addr',
  paddr: 'addr',
  filesz: 'addr',
  memsz: 'addr',
  flags: 'word',
  align: 'addr',
} as const

const SHDR = {
  name: 'word',
  type: 'word',
  flags: 'addr',
  addr: 'addr',
  offset: 'addr',
  size: 'addr',
  link: 'word',
  info: 'word',
  addralign: 'addr',
  entsize: 'addr',
} as const

export const MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const
const IDENT_SIZE = 16
export const ET_CORE = 4
export const PT_LOAD = 1
export const PT_NOTE = 4
/** e_phnum of a file with this many program headers or more; the count is then sh_info of section 0. */
export const PN_XNUM = 0xffff
/** e_flags bit that makedumpfile sets in a core it could not finish. */
export const FLAG_INCOMPLETE = 1

/** e_machine of the processors that pmem runs on, by the name Node gives them. */
export const MACHINE: Readonly<Record<string, number>> = { ia32: 3, x64: 62, arm64: 183, riscv64: 243 }

type Width = 'half' | 'word' | 'addr'
type Fields = Readonly<Record<string, Width>>
type Struct<F extends Fields> = { -readonly [K in keyof F]: F[K] extends 'addr' ? bigint : number }

export type Ehdr = Struct<typeof EHDR>
export type Phdr = Struct<typeof PHDR_64>
export type Shdr = Struct<typeof SHDR>

/** Class and byte order, from e_ident: what every further structure of the file depends on. */
export interface Encoding {
  readonly bits: 32 | 64
  readonly littleEndian: boolean
}

export const ELF64_LSB: Encoding = { bits: 64, littleEndian: true }

const WIDTHS = { 32: { half: 2, word: 4, addr: 4 }, 64: { half: 2, word: 4, addr: 8 } } as const

/** Sizes in bytes of the structures of a class; the ELF header counts its e_ident. */
export const SIZES = {
  32: { ehdr: 52, phdr: 32, shdr: 40 },
  64: { ehdr: 64, phdr: 56, shdr: 64 },
} as const

function decode<F extends Fields>(fields: F, bytes: Bytes, at: number, encoding: Encoding): Struct<F> {
  const view = asDataView(bytes)
  const { bits, littleEndian } = encoding
  const struct: Record<string, number | bigint> = {}
  let position = at
  for (const name in fields) {
    const width = fields[name] as Width
    if (width === 'half') struct[name] = view.getUint16(position, littleEndian)
    else if (width === 'word') struct[name] = view.getUint32(position, littleEndian)
    else if (bits === 32) struct[name] = BigInt(view.getUint32(position, littleEndian))
    else struct[name] = view.getBigUint64(position, littleEndian)
    position += WIDTHS[bits][width]
  }
  return struct as Struct<F>
}

function encode<F extends Fields>(
  fields: F,
  struct: Struct<F>,
  into: Bytes,
  at: number,
  encoding: Encoding,
): void {
  const view = asDataView(into)
  const { bits, littleEndian } = encoding
  let position = at
  for (const name in fields) {
    const width = fields[name] as Width
    const value = struct[name]
    if (width === 'half') view.setUint16(position, Number(value), littleEndian)
    else if (width === 'word' || bits === 32) view.setUint32(position, Number(value), littleEndian)
    else view.setBigUint64(position, BigInt(value), littleEndian)
    position += WIDTHS[bits][width]
  }
}

/**
 * Class and byte order of an ELF file from its first 16 bytes; undefined where it is no ELF file. The rest
 * of e_ident is left unread: real writers leave it at zero or uninitialised.
 */
export function decodeIdent(bytes: Bytes): Encoding | undefined {
  const [bits, order] = [bytes[4], bytes[5]]
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined
  if ((bits !== 1 && bits !== 2) || (order !== 1 && order !== 2)) return undefined
  return { bits: bits === 1 ? 32 : 64, littleEndian: order === 1 }
}

/** The ELF header after its e_ident. `bytes` holds SIZES[bits].ehdr bytes. */
export const decodeEhdr = (bytes: Bytes, encoding: Encoding): Ehdr =>
  decode(EHDR, bytes, IDENT_SIZE, encoding)

/** A whole ELF header, e_ident (System V ABI, version 1) included. */
export function encodeEhdr(ehdr: Ehdr, encoding: Encoding = ELF64_LSB): Bytes {
  const bytes = new Uint8Array(SIZES[encoding.bits].ehdr)
  bytes.set([...MAGIC, encoding.bits === 64 ? 2 : 1, encoding.littleEndian ? 1 : 2, 1])
  encode(EHDR, ehdr, bytes, IDENT_SIZE, encoding)
  return bytes
}

/** The program header at `at` of `bytes`. */
export const decodePhdr = (bytes: Bytes, at: number, encoding: Encoding): Phdr =>
  encoding.bits === 64 ? decode(PHDR_64, bytes, at, encoding) : decode(PHDR_32, bytes, at, encoding)

/** Writes a program header to `into` from `at` on. */
export const encodePhdr = (phdr: Phdr, into: Bytes, at: number, encoding: Encoding = ELF64_LSB): void =>
  encoding.bits === 64 ? encode(PHDR_64, phdr, into, at, encoding) : encode(PHDR_32, phdr, into, at, encoding)

/** The section header at `at` of `bytes`. */
export const decodeShdr = (bytes: Bytes, at: number, encoding: Encoding): Shdr =>
  decode(SHDR, bytes, at, encoding)

/** Writes a section header to `into` from `at` on. */
export const encodeShdr = (shdr: Shdr, into: Bytes, at: number, encoding: Encoding = ELF64_LSB): void =>
  encode(SHDR, shdr, into, at, encoding)
