import { asBuffer, asDataView } from '../../codecs/views.js'
import type { Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { type GzipSource, gzipSource } from '../gzip-source.js'
import type { Companion, Image } from '../image/image.js'
import { readExactly } from '../placed-runs.js'
import { sourceRange } from '../source-range.js'

/*
 * HPAK, which HBGary FastDump wrote: a header, then descriptors of sections that each name the next one. Little-endian,
 * as Volatility 2 reads it.
 */
const HEADER_SIZE = 0x20n
const DESCRIPTOR_SIZE = 0xe0
const DESCRIPTOR = {
  /** Latin-1, ends with a zero. */
  name: 0x00,
  nameSize: 0x20,
  /** 1: a gzip stream. */
  compressed: 0x8c,
  /** Of the content. */
  length: 0x98,
  offset: 0xa8,
  /** Offset of the next descriptor, 0 behind the last one. */
  next: 0xb0,
  storedLength: 0xb8,
} as const
const PHYSICAL = 'HPAKSECTHPAK_SECTION_PHYSDUMP'
const PAGE_FILE = 'HPAKSECTHPAK_SECTION_PAGEDUMP'
const MOST_SECTIONS = 64
/** Deflate makes no more of a byte. */
const MOST_RATIO = 1032n
const PAGE = 4096

interface Section {
  readonly at: bigint
  readonly name: string
  readonly compressed: boolean
  readonly length: bigint
  readonly offset: bigint
  readonly storedLength: bigint
}

interface Content {
  readonly source: ByteSource
  readonly gzip: GzipSource | undefined
  /** Bytes of the section that are not in the file. */
  readonly missing: bigint
}

/** @throws {FormatError} when it holds no memory, or tells what cannot be */
export async function openHpakImage(source: ByteSource): Promise<Image> {
  const sections = await readSections(source)
  const [memory, ...more] = sections.filter(({ name }) => name === PHYSICAL)
  if (!memory) throw new FormatError('no section holds physical memory', HEADER_SIZE)
  const files = sections.filter(({ name }) => name === PAGE_FILE)
  const others = [...more, ...sections.filter(({ name }) => name !== PHYSICAL && name !== PAGE_FILE)]
  const content = openContent(source, memory, 'physical memory')
  const pageFiles = files.map((section, i) =>
    openContent(source, section, i === 0 ? 'pagefile.sys' : `pagefile.sys ${i + 1}`),
  )
  if (content.source.size === 0n) throw new FormatError('a section without memory', memory.at)
  const runs: Run[] = [{ start: 0n, length: content.source.size }]
  const cut = [content, ...pageFiles].reduce((sum, { missing }) => sum + missing, 0n)
  return {
    format: 'hpak',
    variant: memory.compressed ? 'gzip' : 'stored',
    category: 'memory:physical',
    size: memory.length,
    runs,
    holes:
      content.source.size < memory.length
        ? [{ start: content.source.size, length: memory.length - content.source.size, content: 'unknown' }]
        : [],
    unit: PAGE,
    facts: {},
    digests: [],
    checks: memory.compressed ? ['CRC-32 of the gzip stream'] : [],
    incomplete: cut > 0n ? `${cut} bytes of its sections lie behind the end of the file` : undefined,
    remarks: others.map(({ name, at }) => `the section ${name} at 0x${at.toString(16)} is not read`),
    companions: pageFiles.map(
      ({ source }): Companion => ({ name: source.name, category: 'memory:pagefile', source }),
    ),
    read: async (address, length, into) => {
      const bytes = await content.source.read(address, length, into)
      if (bytes.length === length) return bytes
      throw new FormatError(`address 0x${(address + BigInt(bytes.length)).toString(16)} is not in the image`)
    },
    async verify() {
      const found: string[] = []
      for (const { gzip } of [content, ...pageFiles]) {
        const wrong = await gzip?.verify()
        if (wrong !== undefined) found.push(wrong)
      }
      return found
    },
    async close() {},
  }
}

async function readSections(source: ByteSource): Promise<Section[]> {
  const sections: Section[] = []
  for (let at = HEADER_SIZE; at !== 0n; ) {
    if (sections.some((section) => section.at === at))
      throw new FormatError('its sections go in a circle', at)
    if (sections.length === MOST_SECTIONS) throw new FormatError(`more than ${MOST_SECTIONS} sections`, at)
    const bytes = await readExactly(source, at, DESCRIPTOR_SIZE, 'the descriptor of a section lies')
    const view = asDataView(bytes)
    const name = asBuffer(bytes)
      .toString('latin1', DESCRIPTOR.name, DESCRIPTOR.nameSize)
      .replace(/\0.*$/s, '')
    const kind = view.getUint32(DESCRIPTOR.compressed, true)
    if (kind > 1) throw new FormatError(`a section is compressed in the way ${kind}`, at)
    sections.push({
      at,
      name,
      compressed: kind === 1,
      length: view.getBigUint64(DESCRIPTOR.length, true),
      offset: view.getBigUint64(DESCRIPTOR.offset, true),
      storedLength: view.getBigUint64(DESCRIPTOR.storedLength, true),
    })
    at = view.getBigUint64(DESCRIPTOR.next, true)
  }
  return sections
}

function openContent(source: ByteSource, section: Section, name: string): Content {
  const { at, compressed, length, offset, storedLength } = section
  const size = compressed ? storedLength : length
  if (offset >= source.size && size > 0n)
    throw new FormatError('a section begins behind the end of the file', at)
  const stored = sourceRange(source, offset, size, name)
  const missing = size - stored.size
  if (!compressed) return { source: stored, gzip: undefined, missing }
  if (length > storedLength * MOST_RATIO)
    throw new FormatError(`${length} bytes of memory in ${storedLength} compressed ones cannot be`, at)
  const gzip = gzipSource(stored, length, name)
  return { source: gzip, gzip, missing }
}
