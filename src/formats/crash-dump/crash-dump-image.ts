import type { Run } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { Image } from '../image/image.js'
import { type PlacedRun, placeRuns, readExactly } from '../placed-runs.js'
import { decodeSummary, readBitmap, SUMMARY_SIZE, type Summary } from './bitmap.js'
import { factsOfHeader } from './dump-facts.js'
import {
  DUMP_TYPE,
  type DumpHeader,
  decodeHeader,
  decodeRuns,
  dumpBits,
  isProcessMinidump,
  LAYOUTS,
  PAGE,
} from './header.js'

/** What is read, and what is only named. */
const READ: Readonly<Record<string, string>> = {
  [`${DUMP_TYPE.FULL}`]: 'full',
  [`${DUMP_TYPE.BITMAP}`]: 'bitmap',
  [`${DUMP_TYPE.ACTIVE}`]: 'active memory',
}
const NAMED: Readonly<Record<string, string>> = {
  [`${DUMP_TYPE.KERNEL}`]: 'a kernel memory dump, which lacks the memory of processes',
  [`${DUMP_TYPE.HEADER}`]: 'the header of a dump, without memory',
  [`${DUMP_TYPE.MINI}`]: 'a minidump, which holds a few pages by their virtual addresses',
}

/** What a dump says of its memory. */
interface Content {
  readonly pieces: readonly PlacedRun[]
  /** Pages that the header counts. */
  readonly pages: bigint | undefined
  /** The header, and the summary of a bitmap dump. */
  readonly header: Bytes
}

/**
 * Opens a crash dump of all memory: 32 or 64 bit, full, bitmap, or active memory.
 * @throws {FormatError} where it is of another kind, or its header tells what cannot be
 */
export async function openCrashDump(source: ByteSource): Promise<Image> {
  const start = await source.read(0n, LAYOUTS[64].size)
  if (isProcessMinidump(start)) throw refusal(source, 'a minidump of a process')
  const { size } = LAYOUTS[dumpBits(start) ?? 64]
  const bytes = Uint8Array.from(start.subarray(0, size))
  const header = decodeHeader(bytes)
  const { bits, fields } = header
  const type = String(fields.dumpType ?? 'unknown')
  const kind = READ[type]
  if (kind === undefined) throw refusal(source, NAMED[type] ?? `a crash dump of type ${type}`)
  const content =
    fields.dumpType === DUMP_TYPE.FULL ? fullContent(bytes, header) : await bitmapContent(source, bytes, bits)
  const { runs, missing, read } = placeRuns(source, content.pieces)
  if (content.pieces.length === 0) throw new FormatError('a crash dump without memory')
  if (runs.length === 0) throw new FormatError('no page of its memory is in the file', source.size)
  const last = [runs.at(-1)!, ...missing.slice(-1)].map(({ start, length }) => start + length)
  return {
    format: 'crashdump',
    variant: `${kind}, ${bits} bit`,
    category: 'memory:physical',
    size: last.reduce((end, other) => (other > end ? other : end)),
    runs,
    holes: missing.map((run) => ({ ...run, content: 'unknown' })),
    unit: PAGE,
    facts: factsOfHeader(header, content.header),
    digests: [],
    checks: [],
    incomplete: whyIncomplete(source, header, missing.length > 0),
    remarks: remarksOn(source, header, content, pagesOf([...runs, ...missing])),
    companions: [],
    read,
    async close() {},
  }
}

const refusal = ({ name }: ByteSource, what: string): FormatError =>
  new FormatError(`${name}: is ${what}: not read`, undefined, 'WinDbg opens it')

function fullContent(bytes: Bytes, header: DumpHeader): Content {
  let offset = BigInt(LAYOUTS[header.bits].size)
  const pieces = decodeRuns(bytes, header).map((run) => {
    const placed = { ...run, offset }
    offset += run.length
    return placed
  })
  return { pieces, pages: header.fields.numberOfPages, header: bytes }
}

async function bitmapContent(source: ByteSource, bytes: Bytes, bits: 32 | 64): Promise<Content> {
  const at = BigInt(LAYOUTS[bits].size)
  const found = await readExactly(source, at, SUMMARY_SIZE, 'what tells of the bitmap lies')
  const summary: Summary = decodeSummary(found, at)
  const pieces = await readBitmap(source, at + BigInt(SUMMARY_SIZE), summary)
  return { pieces, pages: summary.pages, header: Buffer.concat([bytes, found]) }
}

function whyIncomplete({ size }: ByteSource, { fields }: DumpHeader, lacks: boolean): string | undefined {
  const { requiredDumpSpace: required = 0n } = fields
  if (required > size) return `the file has ${size} of the ${required} bytes that its header demands`
  return lacks ? `the file ends at 0x${size.toString(16)}, before the last of its pages` : undefined
}

const pagesOf = (runs: readonly Run[]): bigint =>
  runs.reduce((sum, { length }) => sum + length, 0n) / BigInt(PAGE)

/** @param covered pages that are there or missing, each once */
function remarksOn(
  { size }: ByteSource,
  { fields }: DumpHeader,
  { pieces, pages }: Content,
  covered: bigint,
): string[] {
  const remarks: string[] = []
  const held = pagesOf(pieces)
  if (pages !== undefined && pages !== held)
    remarks.push(`the header counts ${pages} pages where ${held} are listed`)
  const end = pieces.reduce((end, { offset, length }) => (offset + length > end ? offset + length : end), 0n)
  const { requiredDumpSpace: required } = fields
  if (required !== undefined && required < end)
    remarks.push(`the header tells of a file of ${required} bytes where its pages take ${end}`)
  if (size > end) remarks.push(`${size - end} bytes behind the last page are not read`)
  if (covered < held) remarks.push(`pages that are listed twice: ${held - covered}; the first copy counts`)
  return remarks
}
