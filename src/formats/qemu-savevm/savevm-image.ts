import { asBuffer } from '../../codecs/views.js'
import { byStart, endOfRuns, type Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { MutableFacts } from '../image/facts.js'
import type { Hole, Image } from '../image/image.js'
import { max, min } from '../min-max.js'
import { type PlacedRun, placeRuns } from '../placed-runs.js'
import { readBuffer } from '../read-buffer.js'
import { findCr3 } from './cpu-state.js'
import { decodeLibvirtHeader, domainName, isLibvirt } from './libvirt-header.js'
import { type Layout, layOut } from './machines.js'
import { savedPages } from './saved-pages.js'
import { readStream } from './stream.js'

const HEAD_SIZE = 4096
/** Of a domain's XML. */
const MOST_XML = 1 << 20
/** Of the state of devices, behind the memory. */
const MOST_DEVICES = 16 << 20
/** Of a root, without the flags of CR3. */
const ROOT = 0x000ffffffffff000n
/** Page numbers are kept in 32 bits. */
const MOST_PAGES = 1n << 32n

/**
 * Opens the memory in a migration stream of QEMU, as `migrate "exec:cat > FILE"` and `virsh save` write it. All of the
 * file is read once.
 * @throws {FormatError} where it is none, or holds its memory in a way that is not read
 */
export async function openSavevmImage(source: ByteSource): Promise<Image> {
  const head = asBuffer(await source.read(0n, HEAD_SIZE))
  const libvirt = isLibvirt(head) ? decodeLibvirtHeader(head, source.name) : undefined
  const xml =
    libvirt && (await readBuffer(source, BigInt(libvirt.xmlAt), Math.min(libvirt.xmlLength, MOST_XML)))
  let layout: Layout | undefined
  const saved = await readStream(source, libvirt?.streamAt ?? 0, (machine, blocks, pageSize) => {
    layout = layOut(machine, blocks)
    return firstPages(layout, pageSize)
  })
  const { machine, pages, pageSize } = saved
  const { memory, pieces, processor, remarks } = layout!
  const unit = BigInt(pageSize)
  const size = memory.reduce((sum, block) => sum + block.size, 0n)
  const bytesOf = ({ start, length }: Run): Run => ({ start: start * unit, length: length * unit })
  const known = place(pages.ranges('known').map(bytesOf), pieces)
  const lost = place(pages.ranges('lost').map(bytesOf), pieces)
  const { runs, read } = placeRuns(savedPages(source, pages, pageSize, size), known)
  if (runs.length === 0) throw new FormatError('no page of its memory is in the file', source.size)
  const facts: MutableFacts = { hypervisor: ['QEMU', machine].filter(Boolean).join(' ') }
  const domain = xml && domainName(xml.toString('utf8'))
  if (domain !== undefined) facts.virtualMachine = domain
  if (processor !== undefined) facts.machine = processor
  const cr3 = saved.incomplete
    ? undefined
    : findCr3(await readBuffer(source, BigInt(saved.end), MOST_DEVICES))
  if (cr3) Object.assign(facts, { cr3, pageTableRoot: cr3 & ROOT })
  return {
    format: 'qemu',
    variant: [libvirt && 'saved by libvirt', 'version 3'].filter(Boolean).join(', '),
    category: 'memory:physical',
    size: endOfRuns(pieces),
    runs,
    holes: holesOf(pieces, runs, lost),
    unit: pageSize,
    facts,
    digests: [],
    checks: [],
    incomplete: saved.incomplete ?? (libvirt?.partial ? 'libvirt did not finish it' : undefined),
    remarks: [...remarks, ...lostRemark(lost)],
    companions: [],
    read,
    async close() {},
  }
}

/** The numbers of the first pages of blocks that stand one behind the other. */
function firstPages(layout: Layout | undefined, pageSize: number): Map<string, number> {
  if (!layout) throw new FormatError('a stream of a machine without memory')
  let first = 0n
  const pages = new Map<string, number>()
  for (const { name, size } of layout.memory) {
    if (size % BigInt(pageSize) !== 0n)
      throw new FormatError(`memory ${name} of ${size} bytes, which are no pages`)
    pages.set(name, Number(first))
    first += size / BigInt(pageSize)
  }
  if (first > MOST_PAGES) throw new FormatError(`a memory of ${first} pages`)
  return pages
}

/** Where the machine has parts of its memory. @param parts ascending, counted from the first byte of it */
function place(parts: readonly Run[], pieces: readonly PlacedRun[]): PlacedRun[] {
  return pieces.flatMap(({ start, length, offset }) =>
    parts.flatMap((part) => {
      const from = max(part.start, offset)
      const to = min(part.start + part.length, offset + length)
      return from < to ? [{ start: start + from - offset, length: to - from, offset: from }] : []
    }),
  )
}

/** What the memory has beside its runs: pages that cannot be read, and those that the stream does not hold. */
function holesOf(pieces: readonly Run[], runs: readonly Run[], lost: readonly Run[]): Hole[] {
  const told = [...runs, ...lost].sort(byStart)
  const holes: Hole[] = lost.map(({ start, length }) => ({ start, length, content: 'unreadable' }))
  let index = 0
  for (const { start, length } of pieces) {
    let at = start
    const end = start + length
    for (; index < told.length && told[index]!.start < end; index++) {
      const run = told[index]!
      if (run.start > at) holes.push({ start: at, length: run.start - at, content: 'unknown' })
      at = run.start + run.length
    }
    if (at < end) holes.push({ start: at, length: end - at, content: 'unknown' })
  }
  return holes.sort(byStart)
}

function lostRemark(lost: readonly Run[]): string[] {
  const bytes = lost.reduce((sum, { length }) => sum + length, 0n)
  return bytes === 0n
    ? []
    : [`${bytes} bytes stand there as differences from what they were (XBZRLE), which are not read`]
}
