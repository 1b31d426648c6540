import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import type { SegmentFile, SegmentReader } from './segments.js'
import { decodeFileHeader, decodeSection, type FileHeader, SIZES } from './structs.js'

/** More sections than any program writes into one file: three for each 512 MiB. */
const MOST_SECTIONS = 1 << 17

const TYPES: ReadonlySet<string> = new Set([
  'header',
  'header2',
  'xheader',
  'volume',
  'disk',
  'data',
  'sectors',
  'table',
  'table2',
  'session',
  'error2',
  'digest',
  'hash',
  'xhash',
  'ltypes',
  'ltree',
  'map',
  'incomplete',
  'next',
  'done',
])

/** A section of a segment, where its body lies: within the file. */
export interface PlacedSection {
  readonly type: string
  /** Of its descriptor. */
  readonly offset: bigint
  readonly body: bigint
  readonly end: bigint
}

/** A segment file, and what is in it. */
export interface Segment extends SegmentFile {
  /** In their order in the file; the last one is cut where `cut` says so. */
  readonly sections: readonly PlacedSection[]
}

export const SEGMENTS: SegmentReader<Segment> = {
  async numberOf(source) {
    const header = await readFileHeader(source)
    return header?.signature === 'physical' ? header.segment : undefined
  },
  read: readSegment,
}

/** What a file says to be; undefined where it does not begin as EWF does. */
export async function readFileHeader(source: ByteSource): Promise<FileHeader | undefined> {
  return decodeFileHeader(await source.read(0n, SIZES.fileHeader))
}

/**
 * Follows the sections of a segment from its first one on. A descriptor whose checksum does not hold counts where it
 * makes sense: what it leads to has checksums of its own.
 * @throws {FormatError} where the sections lead back
 */
async function readSegment(source: ByteSource, number: number): Promise<Segment> {
  const sections: PlacedSection[] = []
  const remarks: string[] = []
  const ended = (ending: Segment['ending'], cut?: string): Segment => ({
    source,
    number,
    sections,
    ending,
    cut: cut && `${source.name}: ${cut}`,
    remarks,
  })
  const remark = (text: string) => remarks.push(`${source.name}: ${text}`)

  for (let offset = BigInt(SIZES.fileHeader); ; ) {
    const descriptor = offset < source.size ? await source.read(offset, SIZES.section) : new Uint8Array()
    if (descriptor.length < SIZES.section) return ended(undefined, `it is cut off at ${hex(source.size)}`)
    const { type, next, size, checksum } = decodeSection(descriptor)
    const body = offset + BigInt(SIZES.section)
    const known = TYPES.has(type)
    if (checksum !== 'right') {
      if (!known) return ended(undefined, `no section at ${hex(offset)}`)
      remark(`the ${type} section at ${hex(offset)} does not hold its checksum`)
    }
    if (type === 'next' || type === 'done') return ended(type)

    let end = next
    if (next <= offset) {
      // Who is stopped in the middle leaves a section that leads to itself.
      if (next === offset && size === 0n)
        return ended(undefined, `the ${type} section at ${hex(offset)} was not completed`)
      if (checksum === 'right' || size <= BigInt(SIZES.section))
        throw new FormatError(`${source.name}: the ${type} section leads back to ${hex(next)}`, offset)
      end = offset + size
    } else if (size !== 0n && offset + size !== next)
      remark(
        `the ${type} section at ${hex(offset)} ends at ${hex(offset + size)}, the next begins at ${hex(next)}`,
      )
    if (end < body) throw new FormatError(`${source.name}: the ${type} section ends within itself`, offset)
    if (sections.length === MOST_SECTIONS)
      throw new FormatError(`${source.name}: more than ${MOST_SECTIONS} sections`, offset)
    if (!known) remark(`the ${type} section at ${hex(offset)} is not read`)
    sections.push({ type, offset, body, end: min(end, source.size) })
    if (end > source.size) return ended(undefined, `it is cut off at ${hex(source.size)}`)
    offset = end
  }
}

/** The body of a section, at most `most` bytes of it. */
export async function readBody(
  { source }: Segment,
  { body, end }: PlacedSection,
  most: number,
): Promise<Uint8Array> {
  return body < end ? source.read(body, Number(min(end - body, BigInt(most)))) : new Uint8Array()
}

const hex = (offset: bigint) => `0x${offset.toString(16)}`
