import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import { decodeShdr, type Ehdr, type Encoding, type Shdr, SIZES } from './structs.js'

const MOST_TABLE = 1 << 20
const MOST_NAMES = 1n << 20n

/**
 * The sections of an ELF file by their names; of several with one name, the first.
 * @throws {FormatError} where their headers or names lie outside the file
 */
export async function readSections(
  source: ByteSource,
  { shoff, shnum, shentsize, shstrndx }: Ehdr,
  encoding: Encoding,
): Promise<ReadonlyMap<string, Shdr>> {
  if (shentsize < SIZES[encoding.bits].shdr)
    throw new FormatError(`section headers of ${shentsize} bytes are too short`, 0n)
  if (shnum * shentsize > MOST_TABLE)
    throw new FormatError(`${shnum} section headers of ${shentsize} bytes`, 0n)
  const table = await readExactly(source, shoff, shnum * shentsize, `${shnum} section headers`)
  const headers = Array.from({ length: shnum }, (_, i) => decodeShdr(table, i * shentsize, encoding))
  const names = headers[shstrndx]
  if (!names) throw new FormatError(`no section ${shstrndx}, which e_shstrndx refers to`, 0n)
  if (names.size > MOST_NAMES) throw new FormatError(`${names.size} bytes of section names`, names.offset)
  const text = Buffer.from(await readExactly(source, names.offset, Number(names.size), 'the section names'))
  const sections = new Map<string, Shdr>()
  for (const header of headers) {
    const end = text.indexOf(0, header.name)
    const name = end < 0 ? '' : text.toString('latin1', header.name, end)
    if (!sections.has(name)) sections.set(name, header)
  }
  return sections
}
