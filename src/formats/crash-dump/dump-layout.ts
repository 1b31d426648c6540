import type { Run } from '../address-space.js'
import type { Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Facts } from '../image/facts.js'
import {
  bitmapSize,
  decodeSummary,
  encodeSummary,
  MOST_BITMAP_BITS,
  SUMMARY_SIZE,
  type Summary,
} from './bitmap.js'
import { headerOfFacts } from './dump-facts.js'
import {
  clearRuns,
  DUMP_TYPE,
  type DumpHeader,
  decodeHeader,
  decodeRuns,
  LAYOUTS,
  PAGE,
  setComment,
  setField,
  setRuns,
} from './header.js'

const I386 = 3n
const FOUR_GIB = 1n << 32n
/** Base page and page count of a 32-bit header are of 32 bits. */
const MOST_32 = 1n << 44n
/** No processor has more bits of physical address. */
const MOST_64 = 1n << 52n
/** Where nobody says how far addresses go, the bitmap ends at 16 MiB of the file, as LeechCore wants it to. */
export const UNTOLD_END = ((16n << 20n) - BigInt(LAYOUTS[64].size + SUMMARY_SIZE)) * 8n * BigInt(PAGE)
/** Whole words: LeechCore cuts what is left over. */
const BITS_AT_ONCE = 64n
/** Another writer's first page is taken over where it is at most so far behind the first possible one. */
const MOST_SPARE = 16n << 20n

/** A dump's header that memory came with. */
export interface Template {
  readonly header: DumpHeader
  readonly bytes: Bytes
  /** What follows it in a bitmap dump. */
  readonly summary: (Summary & { readonly bytes: Bytes }) | undefined
  /** What it says that the dump held; undefined where a bitmap does. */
  readonly runs: readonly Run[] | undefined
}

/** How the file of a dump is laid out. */
export interface DumpShape {
  readonly bits: 32 | 64
  /** DUMP_TYPE. */
  readonly type: bigint
  /** Bits of the bitmap that there is room for; 0 in a full dump. */
  readonly bitmapBits: bigint
  /** Offset of the first page. */
  readonly firstPage: bigint
}

/** The header among the facts; undefined where there is none that makes sense. */
export function templateOf({ crashDumpHeader: bytes }: Facts): Template | undefined {
  if (!bytes) return undefined
  try {
    const header = decodeHeader(bytes)
    const { size } = LAYOUTS[header.bits]
    const summary = bytes.subarray(size, size + SUMMARY_SIZE)
    return {
      header,
      bytes: bytes.subarray(0, size),
      summary: isBitmapType(header) ? { ...decodeSummary(summary, BigInt(size)), bytes: summary } : undefined,
      runs: header.fields.dumpType === DUMP_TYPE.FULL ? decodeRuns(bytes, header) : undefined,
    }
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}

const isBitmapType = ({ fields: { dumpType } }: DumpHeader): boolean =>
  dumpType === DUMP_TYPE.BITMAP || dumpType === DUMP_TYPE.ACTIVE

/** Runs rounded to whole pages, those that touch then being one. @param runs ascending */
export function wholePages(runs: readonly Run[]): Run[] {
  const rounded: { start: bigint; length: bigint }[] = []
  for (const { start, length } of runs) {
    const first = start - (start % BigInt(PAGE))
    const end = pageEnd(start + length)
    const last = rounded.at(-1)
    if (last && first <= last.start + last.length) last.length = end - last.start
    else rounded.push({ start: first, length: end - first })
  }
  return rounded
}

export const pageEnd = (address: bigint): bigint => address + (-address & BigInt(PAGE - 1))

/**
 * The layout of a dump: as the one that the memory came from; else a full dump of as few runs as its header has room
 * for, and a bitmap dump otherwise.
 * @param runs of whole pages; undefined where they are not known ahead
 * @param end one past the last address that may come
 * @throws {FormatError} where no dump has room for them
 */
export function dumpShape(
  facts: Facts,
  template: Template | undefined,
  runs: readonly Run[] | undefined,
  end: bigint,
): DumpShape {
  const bits = template?.header.bits ?? (facts.machine === I386 && end <= FOUR_GIB ? 32 : 64)
  const { size, mostRuns } = LAYOUTS[bits]
  const last = `address 0x${(end - 1n).toString(16)}`
  if (end > (bits === 32 ? MOST_32 : MOST_64))
    throw new FormatError(`${last} is higher than a crash dump of ${bits} bit can say`)
  const wasBitmap = template !== undefined && isBitmapType(template.header)
  if (runs && runs.length <= mostRuns && !wasBitmap)
    return { bits, type: DUMP_TYPE.FULL, bitmapBits: 0n, firstPage: BigInt(size) }

  const bitmapBits = bitsFor(end)
  if (bitmapBits > MOST_BITMAP_BITS)
    throw new FormatError(`a bitmap of all pages up to ${last} is larger than 1 GiB`)
  const behind = BigInt(size + SUMMARY_SIZE)
  const firstPage = pageEnd(behind + bitmapSize(bitmapBits))
  const type = (wasBitmap && template.header.fields.dumpType) || DUMP_TYPE.BITMAP
  const { summary } = template ?? {}
  return summary && summary.bits >= bitmapBits && summary.firstPage <= firstPage + MOST_SPARE
    ? { bits, type, bitmapBits: summary.bits, firstPage: summary.firstPage }
    : { bits, type, bitmapBits, firstPage }
}

/** Bits of a bitmap for all addresses below `end`. */
export const bitsFor = (end: bigint): bigint => {
  const pages = pageEnd(end) / BigInt(PAGE)
  return pages + (-pages & (BITS_AT_ONCE - 1n))
}

/** What is written of a dump before its bitmap or its pages. */
export interface DumpStart {
  readonly shape: DumpShape
  readonly facts: Facts
  readonly template: Template | undefined
  /** What the file holds: ascending, of whole pages. */
  readonly runs: readonly Run[]
  /** Bytes of the file that it takes to be whole. */
  readonly size: bigint
  /** Says that it is a stump. */
  readonly label: string | undefined
}

/** The header, and of a bitmap dump the summary behind it. */
export function encodeDumpStart(start: DumpStart): Bytes {
  const { shape, facts, template, runs, label } = start
  const { bits, type, firstPage, bitmapBits } = shape
  const headerSize = LAYOUTS[bits].size
  const full = type === DUMP_TYPE.FULL
  const bytes = new Uint8Array(headerSize + (full ? 0 : SUMMARY_SIZE))
  bytes.set(template?.bytes ?? headerOfFacts(bits, facts))
  setField(bytes, bits, 'dumpType', type)
  if (full && !isSame(template?.runs, runs)) setRuns(bytes, bits, runs)
  if (!full) {
    if (!template?.summary) clearRuns(bytes, bits)
    const summary = bytes.subarray(headerSize)
    summary.set(template?.summary?.bytes ?? [])
    encodeSummary({ firstPage, pages: pagesOf(runs), bits: bitmapBits }, summary)
  }
  if (label !== undefined) setComment(bytes, bits, label)
  setField(bytes, bits, 'requiredDumpSpace', requiredSpace(start))
  return bytes
}

const pagesOf = (runs: readonly Run[]): bigint =>
  runs.reduce((sum, { length }) => sum + length, 0n) / BigInt(PAGE)

/** Whether runs stand in a header as they are, though it may list them in parts. */
const isSame = (listed: readonly Run[] | undefined, runs: readonly Run[]): boolean => {
  const whole = wholePages(listed ?? [])
  return (
    pagesOf(listed ?? []) === pagesOf(whole) &&
    whole.length === runs.length &&
    whole.every(({ start, length }, i) => start === runs[i]!.start && length === runs[i]!.length)
  )
}

/** The size of the file, or what another writer of the same pages took for it; a larger one would mark a stump. */
function requiredSpace({ template, runs, size, label }: DumpStart): bigint {
  const { requiredDumpSpace: before } = template?.header.fields ?? {}
  const counted = template?.summary?.pages ?? (template?.runs && pagesOf(template.runs))
  const isTold = label === undefined && before !== undefined && before <= size && counted === pagesOf(runs)
  return isTold ? before : size
}
