import type { Facts, MutableFacts } from '../image/facts.js'
import { kernelFacts, parseVmcoreinfo, START_KERNEL_MAP } from '../linux/vmcoreinfo.js'
import type { ElfCore } from './core-reader.js'
import { type ElfNote, encodeNotes } from './notes.js'
import { decodeOwnNote, isOwnNote } from './own-note.js'
import { isQemuNote, qemuCr3 } from './qemu-note.js'
import { MACHINE } from './structs.js'
import { decodeVirtualBoxNote } from './virtualbox-note.js'
import { isKcore } from './writers.js'

/** As text in a META frame they still fit. */
const MOST_NOTES = 8 << 20
/** What our tools are called that take memory, rather than convert it. */
const ACQUIRERS = /^(pmem-read.*|pmem|linpmem|winpmem|osxpmem)$/

/** What the headers and notes of a core tell about the machine. */
export function coreFacts(core: ElfCore): Facts {
  const { header, notes } = core
  const facts: MutableFacts = { machine: BigInt(header.machine) }
  const vmcoreinfo = notes.find(({ name }) => name === 'VMCOREINFO')
  if (vmcoreinfo) Object.assign(facts, linuxFacts(core, vmcoreinfo))
  Object.assign(facts, hypervisorFacts(notes))
  const { notes: others } = otherNotes(core)
  if (others.length > 0) facts.elfNotes = encodeNotes(others)
  const own = decodeOwnNote(notes)
  if (!own) return facts
  // Where the evidence does not tell, our sink names the machine that it runs on.
  if (own.facts.machine === undefined) delete facts.machine
  return { ...facts, ...originFacts(own.origin), ...own.facts }
}

function linuxFacts(core: ElfCore, { desc }: ElfNote): Facts {
  const text = Buffer.from(desc).toString('latin1').replace(/\0.*$/s, '')
  const { machine } = core.header
  const base = directMapBase(core)
  return {
    system: 'Linux',
    ...kernelFacts(parseVmcoreinfo(text), machine, machine === MACHINE.x64 ? imageBase(core) : undefined),
    ...(base !== undefined && { directMapBase: base }),
    vmcoreinfo: text,
  }
}

/** In the upper half of addresses; of the kernel's image, a second base at most. */
function directMapBase({ mapBase, encoding, segments }: ElfCore): bigint | undefined {
  const bases = new Set(segments.map(({ vaddr, paddr }) => vaddr - paddr))
  return bases.size <= 2 && mapBase >= 1n << BigInt(encoding.bits - 1) ? mapBase : undefined
}

/** Where physically x86-64 has virtual START_KERNEL_MAP. */
function imageBase({ segments }: ElfCore): bigint | undefined {
  const image = segments.find(({ vaddr }) => vaddr >= START_KERNEL_MAP)
  return image && image.paddr - (image.vaddr - START_KERNEL_MAP)
}

export function hypervisorFacts(notes: readonly ElfNote[]): Facts {
  const virtualBox = decodeVirtualBoxNote(notes)
  if (virtualBox)
    return {
      hypervisor: 'VirtualBox',
      processors: BigInt(virtualBox.processors),
      acquisitionTool: `VirtualBox ${virtualBox.version}`,
    }
  const processors = notes.filter(isQemuNote)
  const [first] = processors
  if (!first) return {}
  const cr3 = qemuCr3(first)
  return {
    hypervisor: 'QEMU',
    processors: BigInt(processors.length),
    acquisitionTool: 'QEMU',
    ...(cr3 !== undefined && { cr3 }),
  }
}

/** Who took the memory, if a tool of ours did. */
export function originFacts({ host, programs }: Readonly<Record<string, unknown>>): Facts {
  const [first] = Array.isArray(programs) ? programs : []
  if (!ACQUIRERS.test(String(first?.name))) return {}
  return {
    acquisitionTool: `${first.name} ${first.version ?? ''}`.trimEnd(),
    ...(typeof host === 'string' && { hostName: host }),
  }
}

/** The notes that are evidence of their own, and why others are not taken. */
export function otherNotes(core: ElfCore): { notes: readonly ElfNote[]; why: string | undefined } {
  const others = core.notes.filter((note) => note.name !== 'VMCOREINFO' && !isOwnNote(note))
  // They tell about the task that read it, its environment too.
  if (isKcore(core))
    return {
      notes: others.filter(({ name }) => name !== 'CORE'),
      why: 'the notes about the process that read /proc/kcore are no evidence, and are left out',
    }
  const size = others.reduce((sum, { desc }) => sum + desc.length, 0)
  if (size > MOST_NOTES)
    return { notes: [], why: `${size} bytes of notes are too many to go along: registers stay in the core` }
  return { notes: others, why: undefined }
}
