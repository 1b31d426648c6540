import { digestOf } from '../../codecs/digest.js'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import type { SegmentFile, SegmentReader } from '../ewf/segments.js'
import { FormatError } from '../format-error.js'
import {
  COMPRESSION,
  decodeFileHeader,
  decodeSection,
  type FileHeader,
  MAJOR_VERSION,
  SECTION_FLAG,
  SECTION_TYPES,
  type SectionType,
  SIZES,
} from './structs.js'

/** EnCase writes some 1600 chunks into a table, which makes 175,000 of 8.8 TB. */
const MOST_SECTIONS = 1 << 19
const HINT = 'EnCase converts it to E01'

/** A section, where its data lie. */
export interface PlacedSection {
  readonly type: SectionType
  /** Of its descriptor, which stands behind the data. */
  readonly offset: bigint
  readonly body: bigint
  readonly length: bigint
  /** Of the data, in hexadecimal; undefined where it was not taken. */
  readonly md5: string | undefined
}

export interface Ex01Segment extends SegmentFile {
  readonly setId: string
  /** In their order in the file. */
  readonly sections: readonly PlacedSection[]
}

export const EX01_SEGMENTS: SegmentReader<Ex01Segment> = {
  numberOf: async (source) => (await readFileHeader(source))?.segment,
  read: readSegment,
}

const readFileHeader = async (source: ByteSource): Promise<FileHeader | undefined> =>
  decodeFileHeader(await source.read(0n, SIZES.fileHeader))

/**
 * Follows the sections of a segment from its last one back. A descriptor whose checksum does not hold counts where it
 * makes sense: what it leads to has checksums of its own.
 * @throws {FormatError} where they lead ahead, are encrypted, or compressed otherwise than with zlib
 */
async function readSegment(source: ByteSource, number: number): Promise<Ex01Segment> {
  const { setId } = checkHeader(await readFileHeader(source), source.name)
  const sections: PlacedSection[] = []
  const remarks: string[] = []
  let ending: Ex01Segment['ending']
  const ended = (cut?: string): Ex01Segment => ({
    source,
    number,
    setId,
    sections: sections.reverse(),
    ending,
    cut: cut && `${source.name}: ${cut}`,
    remarks: remarks.reverse(),
  })
  const start = BigInt(SIZES.fileHeader)
  const last = source.size - BigInt(SIZES.section)

  for (let offset = last; ; ) {
    const bytes = offset >= start ? await source.read(offset, SIZES.section) : new Uint8Array()
    if (bytes.length < SIZES.section) return ended(`it is cut off at ${hex(source.size)}`)
    const { type: code, flags, previous, dataSize, descriptorSize, md5, checksum } = decodeSection(bytes)
    const type = SECTION_TYPES.get(code as 1)
    const named = `the ${type ?? `section of type 0x${code.toString(16)}`} at ${hex(offset)}`
    if (checksum !== 'right') {
      const sensible = type && descriptorSize === SIZES.section && dataSize <= offset - start
      if (offset === last && (!sensible || (type !== 'next' && type !== 'done')))
        return ended(`it is cut off at ${hex(source.size)}, or its last section is damaged`)
      if (!sensible) return ended(`no section at ${hex(offset)}`)
      remarks.push(`${source.name}: ${named} does not hold its checksum`)
    }
    if (descriptorSize !== SIZES.section)
      throw new FormatError(`${source.name}: ${named} has a descriptor of ${descriptorSize} bytes`, offset)
    if ((flags & SECTION_FLAG.encrypted) !== 0 || type === 'encryption keys')
      throw new FormatError(`${source.name}: ${named} is encrypted`, offset, `${HINT} without encryption`)
    const before = previous === 0n ? start : previous + BigInt(SIZES.section)
    if (previous !== 0n && (previous >= offset || previous < start))
      throw new FormatError(`${source.name}: ${named} leads to ${hex(previous)}`, offset)
    if (before + dataSize > offset)
      throw new FormatError(`${source.name}: ${named} has ${dataSize} bytes, more than are before it`, offset)
    if (sections.length === MOST_SECTIONS)
      throw new FormatError(`${source.name}: more than ${MOST_SECTIONS} sections`, offset)

    const isEnd = type === 'next' || type === 'done'
    if (isEnd && offset === last) ending = type
    else if (isEnd) remarks.push(`${source.name}: ${named} is not the last`)
    else if (offset === last) remarks.push(`${source.name}: ${named} is the last`)
    if (!type) remarks.push(`${source.name}: ${named} is not read`)
    else if (!isEnd)
      sections.push({
        type,
        offset,
        body: offset - dataSize,
        length: dataSize,
        md5: (flags & SECTION_FLAG.hashed) === 0 ? undefined : asBuffer(md5).toString('hex'),
      })
    if (previous === 0n) return ended(ending ? undefined : 'it was not completed')
    offset = previous
  }
}

function checkHeader(header: FileHeader | undefined, name: string): FileHeader {
  if (!header) throw new FormatError(`${name}: not an EWF image`, 0n)
  const { majorVersion, minorVersion, compression } = header
  if (majorVersion !== MAJOR_VERSION)
    throw new FormatError(`${name}: EWF of version ${majorVersion}.${minorVersion}`, 8n)
  if (compression === COMPRESSION.bzip2)
    throw new FormatError(`${name}: it is compressed with bzip2, which is not read`, 10n, HINT)
  if (compression !== COMPRESSION.zlib) throw new FormatError(`${name}: compression ${compression}`, 10n)
  return header
}

/** The data of a section, and whether they hold their MD5; undefined where they are more than `most` bytes. */
export async function readBody(
  { source }: Ex01Segment,
  { body, length, md5 }: PlacedSection,
  most: number,
): Promise<{ readonly bytes: Bytes; readonly sound: boolean } | undefined> {
  if (length > BigInt(most)) return undefined
  const bytes = await source.read(body, Number(length))
  return { bytes, sound: md5 === undefined || digestOf('md5', bytes) === md5 }
}

export const hex = (offset: bigint): string => `0x${offset.toString(16)}`
