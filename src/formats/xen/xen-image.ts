import { asDataView } from '../../codecs/views.js'
import type { ByteSource } from '../byte-source.js'
import { encodeNotes } from '../elf/notes.js'
import type { Shdr } from '../elf/structs.js'
import { FormatError } from '../format-error.js'
import type { Facts } from '../image/facts.js'
import type { Companion, Image } from '../image/image.js'
import { max } from '../min-max.js'
import { placeRuns } from '../placed-runs.js'
import { sourceRange } from '../source-range.js'
import { isOldXenCore, readXenCore, SECTIONS, type XenCore } from './xen-core.js'

/** xen/include/public/arch-x86/xen.h, struct vcpu_guest_context of x86-64: its size, and where CR3 stands in it. */
const X64_CONTEXT = { size: 5168, cr3: 5008 } as const
/** What goes along with the memory: registers, and which frame of the machine a page was in. */
const COMPANIONS = [SECTIONS.contexts, SECTIONS.sharedInfo, SECTIONS.p2m] as const

/**
 * Opens a dump of a guest by Xen.
 * @throws {FormatError} where it is none, or was cut off
 */
export async function openXenImage(source: ByteSource): Promise<Image> {
  const head = await source.read(0n, 64)
  if (isOldXenCore(head))
    throw new FormatError('a dump by Xen before 3.1, which is not read', 0n, 'crash reads it')
  const core = await readXenCore(source)
  const { runs, missing, read } = placeRuns(source, core.pages)
  if (runs.length === 0) throw new FormatError('a dump of Xen without memory', 0n)
  const lost = missing.reduce((sum, { length }) => sum + length, 0n)
  const companions = COMPANIONS.flatMap((name) => companionOf(source, name, core.sections.get(name)))
  const ends = [...runs, ...missing].map(({ start, length }) => start + length)
  return {
    format: 'xen',
    variant: core.guest === 'PV' ? 'paravirtual guest' : 'fully virtual guest',
    category: 'memory:physical',
    size: ends.reduce(max, 0n),
    runs,
    holes: missing.map((run) => ({ ...run, content: 'unknown' })),
    unit: core.pageSize,
    facts: factsOf(core, await firstCr3(source, core)),
    digests: [],
    checks: [],
    incomplete: lost > 0n ? `${lost} bytes of memory lie past the end of the file` : undefined,
    remarks:
      core.guest === 'PV'
        ? ['a paravirtual guest: its page tables hold frames of the machine, which xen_p2m translates']
        : [],
    companions,
    read,
    async close() {},
  }
}

function factsOf(
  { header, guest, processors, pageSize, xenVersion, notes }: XenCore,
  cr3: bigint | undefined,
): Facts {
  const xen = ['Xen', xenVersion].filter(Boolean).join(' ')
  return {
    machine: BigInt(header.machine),
    processors,
    pageSize: BigInt(pageSize),
    // A paravirtual guest has a frame of the machine there.
    ...(guest === 'HVM' && cr3 !== undefined && { cr3 }),
    hypervisor: xen,
    elfNotes: encodeNotes(notes),
    acquisitionTool: xen,
  }
}

/** CR3 of the first processor; undefined where it is none of x86-64, or translates nothing. */
async function firstCr3(source: ByteSource, { sections }: XenCore): Promise<bigint | undefined> {
  const section = sections.get(SECTIONS.contexts)
  if (section?.entsize !== BigInt(X64_CONTEXT.size) || section.offset >= source.size) return undefined
  const context = await source.read(section.offset, X64_CONTEXT.size)
  if (context.length < X64_CONTEXT.size) return undefined
  return asDataView(context).getBigUint64(X64_CONTEXT.cr3, true) || undefined
}

function companionOf(source: ByteSource, section: string, header: Shdr | undefined): Companion[] {
  if (!header || header.size === 0n || header.offset + header.size > source.size) return []
  const name = section.replace(/^\./, '')
  const content = sourceRange(source, header.offset, header.size, name)
  return [{ name, category: undefined, source: { ...content, close: async () => {} } }]
}
