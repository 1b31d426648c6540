import type { ByteSource } from '../byte-source.js'
import { hypervisorFacts, originFacts } from '../elf/core-facts.js'
import { decodeNotes, type ElfNote, encodeNotes } from '../elf/notes.js'
import { decodeOwnNote, isOwnNote, type OwnNote } from '../elf/own-note.js'
import { FormatError } from '../format-error.js'
import type { Facts, MutableFacts } from '../image/facts.js'
import { kernelFacts, parseVmcoreinfo } from '../linux/vmcoreinfo.js'
import { readBuffer } from '../read-buffer.js'
import type { DumpHeader } from './dump-header.js'
import { MACHINES } from './machines.js'

/** Notes of thousands of processors take a few MiB. */
const MOST_NOTES = 8 << 20
/** What uname says of a name that nobody has set. */
const NOT_SET = '(none)'

export interface DumpFacts {
  readonly facts: Facts
  readonly own: OwnNote | undefined
  /** What of the notes and texts cannot be read, and what the writer has erased. */
  readonly remarks: readonly string[]
}

/** What a dump tells besides the pages: its headers, VMCOREINFO, notes. */
export async function readDumpFacts(source: ByteSource, about: DumpHeader): Promise<DumpFacts> {
  const { sub, model } = about
  const remarks: string[] = []
  const read = async (what: string, offset: bigint, size: bigint): Promise<Buffer | undefined> => {
    if (offset === 0n || size === 0n) return undefined
    const bytes = size > MOST_NOTES ? undefined : await readBuffer(source, offset, Number(size))
    if (bytes && BigInt(bytes.length) === size) return bytes
    remarks.push(`${what} cannot be read: ${size} bytes at 0x${offset.toString(16)}`)
    return undefined
  }
  const text = await read('VMCOREINFO', sub.offset_vmcoreinfo, sub.size_vmcoreinfo)
  const noteBytes = await read('the notes', sub.offset_note, sub.size_note)
  const erased = await read('what was erased', sub.offset_eraseinfo, sub.size_eraseinfo)
  if (erased)
    remarks.push(`its writer has erased what this names: ${erased.toString('latin1').trim().slice(0, 1000)}`)
  let notes: ElfNote[] = []
  try {
    const encoding = { bits: model.bits, littleEndian: model.littleEndian }
    notes = noteBytes ? decodeNotes(noteBytes, encoding) : []
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    remarks.push(`the notes cannot be read: ${error.message}`)
  }
  const own = decodeOwnNote(notes)
  const facts: MutableFacts = { ...headerFacts(about), ...hypervisorFacts(notes) }
  // Where we wrote it and knew of no size of pages, one had to be taken.
  if (own) delete facts.pageSize
  if (text) Object.assign(facts, linuxFacts(text.toString('latin1'), facts))
  const others = notes.filter((note) => note.name !== 'VMCOREINFO' && !isOwnNote(note))
  if (others.length > 0) facts.elfNotes = encodeNotes(others)
  return { facts: own ? { ...facts, ...originFacts(own.origin), ...own.facts } : facts, own, remarks }
}

function headerFacts({ header, sub, blockSize, model }: DumpHeader): Facts {
  const { sysname, nodename, release, version, tv_sec, tv_usec, nr_cpus } = header
  const facts: MutableFacts = { pageSize: BigInt(blockSize) }
  if (sysname !== '') facts.system = sysname
  if (nodename !== '' && nodename !== NOT_SET) facts.hostName = nodename
  if (release !== '') facts.kernelRelease = release
  if (version !== '') facts.kernelVersion = version
  const machine = MACHINES.find(({ name }) => name.test(header.machine))
  if (machine) facts.machine = BigInt(machine.elf)
  if (nr_cpus > 0n) facts.processors = nr_cpus
  if (tv_sec > 0n) facts.acquisitionTime = tv_sec * 1_000_000_000n + tv_usec * 1000n
  if (sub.phys_base !== 0n) facts.physBase = BigInt.asIntN(model.bits, sub.phys_base)
  return facts
}

function linuxFacts(text: string, { machine, physBase }: Facts): Facts {
  const vmcoreinfo = text.replace(/\0.*$/s, '')
  return {
    system: 'Linux',
    ...kernelFacts(parseVmcoreinfo(vmcoreinfo), Number(machine ?? 0n), physBase),
    vmcoreinfo,
  }
}
