import { byStart, endOfRuns, type Run } from '../address-space.js'
import type { ByteSource } from '../byte-source.js'
import type { Hole, Image } from '../image/image.js'
import { applyMap } from '../image/image-map.js'
import { readClosing } from './closing-note.js'
import { coreFacts, otherNotes } from './core-facts.js'
import { type ElfCore, openElfCore } from './core-reader.js'
import { blocksOfNote, decodeOwnNote, type OwnNote, whyStump } from './own-note.js'
import { isQemuNote } from './qemu-note.js'
import { FLAG_INCOMPLETE } from './structs.js'
import { decodeVirtualBoxNote } from './virtualbox-note.js'
import { readWinpmemMetadata } from './winpmem-metadata.js'
import { isKcore, writerOf } from './writers.js'

const PAGE = 4096
const GIB = 1n << 30n
/** Machines of Intel have devices and firmware below 4 GiB, and at most 3.5 GiB of RAM. */
const DEVICES = { start: (7n * GIB) / 2n, end: 4n * GIB }

/** @throws {FormatError} as `openElfCore` */
export async function openElfImage(source: ByteSource): Promise<Image> {
  const core = await openElfCore(source)
  const front = decodeOwnNote(core.notes)
  const closing = front?.isClosed ? await readClosing(source, core.segments) : undefined
  const own = front && closing ? { ...closing, program: front.program } : front
  const cutOff = front?.isClosed === true && !closing
  const winpmem =
    core.winpmem && (await readWinpmemMetadata(source, core.winpmem.offset, core.winpmem.filesz))
  const holes = holesOf(core)
  const last = endOfRuns([...core.runs, ...holes])
  const { bits, littleEndian } = core.encoding
  const writer = winpmem?.tool?.replace('WinPMEM', 'WinPmem') ?? writerOf(core)
  const image: Image = {
    format: 'elf',
    variant: [`${bits} bit`, littleEndian ? undefined : 'big-endian', writer].filter(Boolean).join(', '),
    category: core.addresses === 'physical' ? 'memory:physical' : 'memory:virtual',
    size: last,
    runs: core.runs,
    holes,
    unit: PAGE,
    facts: { ...coreFacts(core), ...winpmem?.facts },
    digests: own?.digests ?? [],
    checks: [],
    incomplete: whyIncomplete(core, own, cutOff),
    remarks: [...remarksOn(core, own), ...(winpmem?.remarks ?? [])],
    companions: winpmem?.pageFile ? [winpmem.pageFile] : [],
    read: core.read,
    async close() {},
  }
  return own ? applyMap(image, blocksOfNote(own)) : image
}

/** VirtualBox announces the ranges of devices without content: they are no memory. */
function holesOf({ missing, leftOut, notes }: ElfCore): Hole[] {
  const unknown = decodeVirtualBoxNote(notes) ? missing : [...missing, ...leftOut]
  return unknown.map((run): Hole => ({ ...run, content: 'unknown' })).sort(byStart)
}

function whyIncomplete(
  { header, missing }: ElfCore,
  own: OwnNote | undefined,
  cutOff: boolean,
): string | undefined {
  const told = own && whyStump(own)
  const lost = missing.reduce((sum, { length }) => sum + length, 0n)
  const reasons = [
    told,
    told === undefined &&
      (header.flags & FLAG_INCOMPLETE) !== 0 &&
      'its writer did not finish it: what it did not write may read as zeros',
    lost > 0n && `${lost} bytes of memory lie past the end of the file`,
    cutOff && 'its end was cut off, which tells what could not be read',
  ].filter((reason) => reason !== false && reason !== undefined)
  return reasons.length > 0 ? reasons.join('; ') : undefined
}

function remarksOn(core: ElfCore, own: OwnNote | undefined): string[] {
  const { why } = otherNotes(core)
  const { unplaced, notes, runs } = core
  const remarks = why === undefined ? [] : [why]
  if (own && own.holesLeftOut > 0)
    remarks.push(`${own.holesLeftOut} more ranges are filled that its note does not list: its map does`)
  if (isKcore(core))
    remarks.push('pages that a kernel hides, poisoned or offline ones, read as zeros in /proc/kcore')
  if (unplaced > 0)
    remarks.push(`${unplaced} segments without a physical address (vmalloc, modules) are left out`)
  const devices = notes.some(isQemuNote) ? runs.filter(isDevice) : []
  if (devices.length > 0)
    remarks.push(
      `QEMU dumps video memory and firmware, too, which are no RAM: ${devices.map(range).join(', ')}`,
    )
  return remarks
}

const isDevice = ({ start, length }: Run) => start >= DEVICES.start && start + length <= DEVICES.end

const range = ({ start, length }: Run) => `0x${start.toString(16)}-0x${(start + length).toString(16)}`
