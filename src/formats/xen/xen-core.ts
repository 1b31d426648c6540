import { asDataView } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { decodeNotes, type ElfNote } from '../elf/notes.js'
import { readSections } from '../elf/sections.js'
import {
  decodeEhdr,
  decodeIdent,
  type Ehdr,
  type Encoding,
  ET_CORE,
  type Shdr,
  SIZES,
} from '../elf/structs.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import { type PlacedRun, readExactly } from '../placed-runs.js'

// Xen, docs/misc/dump-core-format.txt: an ELF64 core of sections, without program headers.
//   .note.Xen           notes, below
//   .xen_prstatus       a vcpu_guest_context for each processor
//   .xen_shared_info    the shared page of a paravirtual guest
//   .xen_pages          pages, in the order of the table
//   .xen_p2m            of a paravirtual guest, for each page u64 pfn, u64 gmfn
//   .xen_pfn            of any other, for each page u64 pfn
// The table and the names of the sections stand at the end of the file. All ones is no page.

export const SECTIONS = {
  notes: '.note.Xen',
  contexts: '.xen_prstatus',
  sharedInfo: '.xen_shared_info',
  pages: '.xen_pages',
  p2m: '.xen_p2m',
  pfn: '.xen_pfn',
} as const

/** Of each page in the table. */
const ENTRY_SIZES = { p2m: 16, pfn: 8 } as const
const NO_PAGE = 2n ** 64n - 1n
const MOST_PFN = 2n ** 52n

const NOTE = { header: 0x2000001, xenVersion: 0x2000002 } as const
const HEADER = { magic: 0, processors: 8, pages: 16, pageSize: 24, size: 32 } as const
const MAGICS: ReadonlyMap<bigint, 'PV' | 'HVM'> = new Map([
  [0xf00febedn, 'PV'],
  [0xf00febeen, 'HVM'],
])
const VERSION = { major: 0, minor: 8, extra: 16, extraSize: 16 } as const

const MOST_NOTES = 1n << 20n
const MOST_RUNS = 2 ** 20
const READ_SIZE = 1 << 20

export interface XenCore {
  readonly header: Ehdr
  readonly guest: 'PV' | 'HVM'
  readonly processors: bigint
  readonly pageSize: number
  /** `4.17.1`; undefined where it is not told. */
  readonly xenVersion: string | undefined
  readonly notes: readonly ElfNote[]
  /** By their names. */
  readonly sections: ReadonlyMap<string, Shdr>
  /** Where pages stand, by pseudo-physical address, in the order of the table. */
  readonly pages: readonly PlacedRun[]
}

/** Whether a file begins as a core without program headers: nobody but Xen writes one. */
export function isXenCore(head: Bytes): boolean {
  const encoding = head.length >= SIZES[64].ehdr ? decodeIdent(head) : undefined
  if (!encoding) return false
  const { type, phnum, shnum } = decodeEhdr(head, encoding)
  return type === ET_CORE && phnum === 0 && shnum > 0
}

/** Whether a file begins as what Xen wrote before 3.1, which is no ELF. */
export const isOldXenCore = (head: Bytes): boolean =>
  head.length >= 24 && MAGICS.has(BigInt(asDataView(head).getUint32(0, true)))

/**
 * Reads what a dump of Xen says of itself, and which page is where.
 * @throws {FormatError} where it is none, or what stands at its end is not there
 */
export async function readXenCore(source: ByteSource): Promise<XenCore> {
  const start = await source.read(0n, SIZES[64].ehdr)
  const encoding = decodeIdent(start)
  if (!encoding || !isXenCore(start)) throw new FormatError('no dump of Xen', 0n)
  const header = decodeEhdr(start, encoding)
  const sections = await readSections(source, header, encoding).catch((error: unknown) => {
    if (!(error instanceof FormatError)) throw error
    const why = 'a dump of Xen that is damaged or was cut off: which page is which stands at its end'
    throw new FormatError(`${why}; ${error.message}`, undefined, error.hint)
  })
  const notes = await readNotes(source, sections.get(SECTIONS.notes), encoding)
  const { guest, processors, pages, pageSize } = decodeHeader(notes, encoding)
  const kind = sections.has(SECTIONS.p2m) ? 'p2m' : 'pfn'
  const table = sections.get(SECTIONS[kind])
  const content = sections.get(SECTIONS.pages)
  if (!table || !content) throw new FormatError('a dump of Xen without its pages, or which they are', 0n)
  const count = min(pages, min(table.size / BigInt(ENTRY_SIZES[kind]), content.size / BigInt(pageSize)))
  return {
    header,
    guest,
    processors,
    pageSize,
    xenVersion: decodeVersion(notes, encoding),
    notes,
    sections,
    pages: await readPages(
      source,
      { table, content, count, pageSize, entrySize: ENTRY_SIZES[kind] },
      encoding,
    ),
  }
}

async function readNotes(
  source: ByteSource,
  section: Shdr | undefined,
  encoding: Encoding,
): Promise<ElfNote[]> {
  if (!section) throw new FormatError(`no section ${SECTIONS.notes}`, 0n)
  if (section.size > MOST_NOTES) throw new FormatError(`${section.size} bytes of notes`, section.offset)
  const bytes = await readExactly(source, section.offset, Number(section.size), 'the notes')
  return decodeNotes(Uint8Array.from(bytes), encoding)
}

const descOf = (notes: readonly ElfNote[], wanted: number, size: number): DataView | undefined => {
  const note = notes.find(({ name, type, desc }) => name === 'Xen' && type === wanted && desc.length >= size)
  return note && asDataView(note.desc)
}

function decodeHeader(notes: readonly ElfNote[], { littleEndian }: Encoding) {
  const view = descOf(notes, NOTE.header, HEADER.size)
  if (!view) throw new FormatError('no header note of Xen', 0n)
  const field = (name: keyof typeof HEADER) => view.getBigUint64(HEADER[name], littleEndian)
  const guest = MAGICS.get(field('magic'))
  const pageSize = Number(field('pageSize'))
  if (!guest)
    throw new FormatError(`magic 0x${field('magic').toString(16)} of a dump of Xen is not known`, 0n)
  if (![4096, 16384, 65536].includes(pageSize)) throw new FormatError(`pages of ${pageSize} bytes`, 0n)
  return { guest, pageSize, processors: field('processors'), pages: field('pages') }
}

function decodeVersion(notes: readonly ElfNote[], { littleEndian }: Encoding): string | undefined {
  const view = descOf(notes, NOTE.xenVersion, VERSION.extra + VERSION.extraSize)
  if (!view) return undefined
  const [major, minor] = [VERSION.major, VERSION.minor].map((at) => view.getBigUint64(at, littleEndian))
  const extra = Buffer.from(view.buffer, view.byteOffset + VERSION.extra, VERSION.extraSize)
  return `${major}.${minor}${extra.toString('latin1').replace(/\0.*$/s, '')}`
}

interface Pages {
  readonly table: Shdr
  readonly content: Shdr
  readonly count: bigint
  readonly pageSize: number
  readonly entrySize: number
}

/** Joins pages that follow one another in memory as in the file. */
async function readPages(
  source: ByteSource,
  { table, content, count, pageSize, entrySize }: Pages,
  { littleEndian }: Encoding,
): Promise<PlacedRun[]> {
  const size = BigInt(pageSize)
  const runs: { start: bigint; length: bigint; offset: bigint }[] = []
  const perRead = BigInt(READ_SIZE / entrySize)
  for (let first = 0n; first < count; first += perRead) {
    const here = Number(min(perRead, count - first))
    const at = table.offset + first * BigInt(entrySize)
    const view = asDataView(await readExactly(source, at, here * entrySize, 'the table of pages lies'))
    for (let i = 0; i < here; i++) {
      const pfn = view.getBigUint64(i * entrySize, littleEndian)
      if (pfn === NO_PAGE) continue
      if (pfn >= MOST_PFN)
        throw new FormatError(`no memory has a page 0x${pfn.toString(16)}`, at + BigInt(i * entrySize))
      const start = pfn * size
      const offset = content.offset + (first + BigInt(i)) * size
      const last = runs.at(-1)
      if (last && last.start + last.length === start && last.offset + last.length === offset)
        last.length += size
      else if (runs.length < MOST_RUNS) runs.push({ start, length: size, offset })
      else throw new FormatError(`more than ${MOST_RUNS} ranges of memory`, at)
    }
  }
  return runs
}
