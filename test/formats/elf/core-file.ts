import {
  type Ehdr,
  ELF64_LSB,
  encodeEhdr,
  encodePhdr,
  type Phdr,
  SIZES,
} from '../../../src/formats/elf/structs.js'

export const EHDR: Ehdr = {
  type: 4,
  machine: 62,
  version: 1,
  entry: 0n,
  phoff: 64n,
  shoff: 0n,
  flags: 0,
  ehsize: 64,
  phentsize: 56,
  phnum: 0,
  shentsize: 0,
  shnum: 0,
  shstrndx: 0,
}

/** A program header. */
export const load = (fields: Partial<Phdr>): Phdr => ({
  type: 1,
  flags: 7,
  offset: 0n,
  vaddr: 0n,
  paddr: 0n,
  filesz: 0n,
  memsz: fields.filesz ?? 0n,
  align: 0n,
  ...fields,
})

/** A file of `size` bytes with these headers; byte i is i / 256 where nothing else stands. */
export function coreFile(
  phdrs: Phdr[],
  size: number,
  ehdr: Partial<Ehdr> = {},
  encoding = ELF64_LSB,
): Buffer {
  const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, i) => i >> 8))
  const sizes = SIZES[encoding.bits]
  const base = { ...EHDR, phnum: phdrs.length, phentsize: sizes.phdr, phoff: BigInt(sizes.ehdr) }
  const header = { ...base, ...ehdr }
  bytes.set(encodeEhdr(header, encoding))
  for (const [i, phdr] of phdrs.entries())
    encodePhdr(phdr, bytes, Number(header.phoff) + i * header.phentsize, encoding)
  return bytes
}
