import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Run } from '../address-space.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'

/*
 * The header of a Microsoft crash dump, DUMP_HEADER64 and DUMP_HEADER32 of the Windows Driver Kit, little-endian. What
 * its writer does not set is left as the text PAGE, with which it fills the header first.
 */

type Place = readonly [offset: number, size: 1 | 4 | 8]
type Words = 32 | 64

/** Offset and size of each field, of a 64-bit header and of a 32-bit one. */
const FIELDS = {
  majorVersion: { 64: [0x008, 4], 32: [0x008, 4] },
  /** The build of Windows. */
  minorVersion: { 64: [0x00c, 4], 32: [0x00c, 4] },
  directoryTableBase: { 64: [0x010, 8], 32: [0x010, 4] },
  pfnDataBase: { 64: [0x018, 8], 32: [0x014, 4] },
  psLoadedModuleList: { 64: [0x020, 8], 32: [0x018, 4] },
  psActiveProcessHead: { 64: [0x028, 8], 32: [0x01c, 4] },
  machineImageType: { 64: [0x030, 4], 32: [0x020, 4] },
  numberProcessors: { 64: [0x034, 4], 32: [0x024, 4] },
  bugCheckCode: { 64: [0x038, 4], 32: [0x028, 4] },
  bugCheckParameter1: { 64: [0x040, 8], 32: [0x02c, 4] },
  bugCheckParameter2: { 64: [0x048, 8], 32: [0x030, 4] },
  bugCheckParameter3: { 64: [0x050, 8], 32: [0x034, 4] },
  bugCheckParameter4: { 64: [0x058, 8], 32: [0x038, 4] },
  /** Whether the processor's page tables have three levels. */
  paeEnabled: { 64: undefined, 32: [0x05c, 1] },
  kdDebuggerDataBlock: { 64: [0x080, 8], 32: [0x060, 4] },
  numberOfRuns: { 64: [0x088, 4], 32: [0x064, 4] },
  numberOfPages: { 64: [0x090, 8], 32: [0x068, 4] },
  dumpType: { 64: [0xf98, 4], 32: [0xf88, 4] },
  /** Size of the file. */
  requiredDumpSpace: { 64: [0xfa0, 8], 32: [0xfa0, 8] },
  /** FILETIME. */
  systemTime: { 64: [0xfa8, 8], 32: [0xfc0, 8] },
} as const satisfies Record<string, Record<Words, Place | undefined>>

export type Field = keyof typeof FIELDS
const FIELD_NAMES = Object.keys(FIELDS) as Field[]

export interface HeaderLayout {
  readonly magic: string
  readonly size: number
  readonly word: 4 | 8
  /** Pairs of base page and page count, a word each. */
  readonly runs: number
  readonly mostRuns: number
  readonly comment: number
  /** Zero where nothing is known of the processor: context and exception record. */
  readonly zeros: readonly (readonly [start: number, end: number])[]
}

export const LAYOUTS: Readonly<Record<Words, HeaderLayout>> = {
  64: {
    magic: 'PAGEDU64',
    size: 0x2000,
    word: 8,
    runs: 0x98,
    mostRuns: 42,
    comment: 0xfb0,
    zeros: [[0x348, 0xf98]],
  },
  32: {
    magic: 'PAGEDUMP',
    size: 0x1000,
    word: 4,
    runs: 0x6c,
    mostRuns: 86,
    comment: 0x820,
    zeros: [[0x320, 0x820]],
  },
}

export const PAGE = 0x1000
export const COMMENT_SIZE = 128
const PAGE_SHIFT = 12n
/** Of the physical memory block. */
const BLOCK_SIZE = 700
const FILLER = Buffer.from('PAGE')
/** Pages of an address space of 64 bits. */
const MOST_PAGES = 1n << 52n

/** What a dump holds: `DumpType`. */
export const DUMP_TYPE = { FULL: 1n, KERNEL: 2n, HEADER: 3n, MINI: 4n, BITMAP: 5n, ACTIVE: 6n } as const

export interface DumpHeader {
  readonly bits: Words
  /** Those that its writer has set. */
  readonly fields: { readonly [F in Field]?: bigint }
  /** Text for people; undefined where there is none. */
  readonly comment: string | undefined
}

/** Minidumps of processes, which debuggers and Windows Error Reporting write, have a header of their own. */
const PROCESS_MINIDUMP = 'MDMP\x93\xa7'

/** Whether a file begins as a dump of Windows: of the kernel, or of a process. */
export const isDump = (start: Bytes): boolean => dumpBits(start) !== undefined || isProcessMinidump(start)

export const isProcessMinidump = (start: Bytes): boolean =>
  asBuffer(start).toString('latin1', 0, PROCESS_MINIDUMP.length) === PROCESS_MINIDUMP

/** The width that the magic tells; undefined where it is no crash dump. */
export function dumpBits(start: Bytes): Words | undefined {
  const magic = asBuffer(start.subarray(0, 8)).toString('latin1')
  return ([64, 32] as const).find((bits) => LAYOUTS[bits].magic === magic)
}

/** @throws {FormatError} when it is none, or is cut off */
export function decodeHeader(bytes: Bytes): DumpHeader {
  const bits = dumpBits(bytes)
  if (bits === undefined) throw new FormatError('no crash dump', 0n)
  const { size, comment } = LAYOUTS[bits]
  if (bytes.length < size) throw new FormatError('the header is cut off', BigInt(bytes.length))
  const fields: { -readonly [F in Field]?: bigint } = {}
  for (const name of FIELD_NAMES) {
    const value = readField(bytes, FIELDS[name][bits])
    if (value !== undefined) fields[name] = value
  }
  return { bits, fields, comment: textOf(bytes.subarray(comment, comment + COMMENT_SIZE)) }
}

function readField(bytes: Bytes, place: Place | undefined): bigint | undefined {
  if (!place || isFiller(bytes, ...place)) return undefined
  const [offset, size] = place
  const view = asDataView(bytes)
  if (size === 8) return view.getBigUint64(offset, true)
  return BigInt(size === 4 ? view.getUint32(offset, true) : view.getUint8(offset))
}

function isFiller(bytes: Bytes, offset: number, size: number): boolean {
  for (let at = offset; at < offset + size; at++) if (bytes[at] !== FILLER[at % FILLER.length]) return false
  return true
}

function textOf(bytes: Bytes): string | undefined {
  const text = asBuffer(bytes).toString('latin1').replace(/\0.*$/s, '')
  return text === '' || isFiller(bytes, 0, FILLER.length) ? undefined : text
}

/** Sets a field; a width that has none of that name is left as it is. @param value cut to the field's size */
export function setField(bytes: Bytes, bits: Words, name: Field, value: bigint): void {
  const place: Place | undefined = FIELDS[name][bits]
  if (!place) return
  const [offset, size] = place
  const view = asDataView(bytes)
  if (size === 8) view.setBigUint64(offset, BigInt.asUintN(64, value), true)
  else if (size === 4) view.setUint32(offset, Number(BigInt.asUintN(32, value)), true)
  else view.setUint8(offset, Number(BigInt.asUintN(8, value)))
}

/** @param text of one byte a character, shorter than COMMENT_SIZE */
export function setComment(bytes: Bytes, bits: Words, text: string): void {
  const { comment } = LAYOUTS[bits]
  const room = asBuffer(bytes).fill(0, comment, comment + COMMENT_SIZE)
  room.write(text, comment, COMMENT_SIZE - 1, 'latin1')
}

/** A header of which nothing is set but its magic. */
export function blankHeader(bits: Words): Buffer {
  const { magic, size, zeros } = LAYOUTS[bits]
  const bytes = Buffer.alloc(size, FILLER)
  for (const [start, end] of zeros) bytes.fill(0, start, end)
  bytes.write(magic, 'latin1')
  return bytes
}

/**
 * The physical memory block: runs in the order in which their pages stand in the file. Empty ones are left out.
 * @throws {FormatError} when there is none, or it tells what no address space and no header holds
 */
export function decodeRuns(bytes: Bytes, { bits, fields }: DumpHeader): Run[] {
  const { word, runs, mostRuns } = LAYOUTS[bits]
  const place = BigInt(FIELDS.numberOfRuns[bits][0])
  const count = fields.numberOfRuns
  if (count === undefined) throw new FormatError('the header does not tell which memory it holds', place)
  if (count > BigInt(mostRuns))
    throw new FormatError(`${count} runs of memory where the header has room for ${mostRuns}`, place)
  const view = asDataView(bytes)
  const wordAt = (at: number) => (word === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)))
  return Array.from({ length: Number(count) }, (_, index) => {
    const at = runs + 2 * word * index
    const [base, pages] = [wordAt(at), wordAt(at + word)]
    if (base + pages > MOST_PAGES)
      throw new FormatError(
        `a run of ${pages} pages from page ${base} on leaves the address space`,
        BigInt(at),
      )
    return { start: base << PAGE_SHIFT, length: pages << PAGE_SHIFT }
  }).filter(({ length }) => length > 0n)
}

/** Leaves the physical memory block unset, as bitmap dumps have it. */
export function clearRuns(bytes: Bytes, bits: Words): void {
  const [start] = FIELDS.numberOfRuns[bits]
  asBuffer(bytes).fill(FILLER, start, start + BLOCK_SIZE)
}

/** Sets the physical memory block. @param runs of whole pages, as many as the header has room for at most */
export function setRuns(bytes: Bytes, bits: Words, runs: readonly Run[]): void {
  const { word, runs: at, mostRuns } = LAYOUTS[bits]
  if (runs.length > mostRuns) throw new RangeError(`${runs.length} runs in a header for ${mostRuns}`)
  clearRuns(bytes, bits)
  const view = asDataView(bytes)
  const setWord = (place: number, value: bigint) =>
    word === 8 ? view.setBigUint64(place, value, true) : view.setUint32(place, Number(value), true)
  let total = 0n
  for (const [index, { start, length }] of runs.entries()) {
    const place = at + 2 * word * index
    const pages = length >> PAGE_SHIFT
    setWord(place, start >> PAGE_SHIFT)
    setWord(place + word, pages)
    total += pages
  }
  // The count of runs is padded to a word.
  setWord(FIELDS.numberOfRuns[bits][0], BigInt(runs.length))
  setField(bytes, bits, 'numberOfPages', total)
}
