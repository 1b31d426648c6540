import { VERSION } from '../cli/version.js'
import type { CoreFacts } from '../formats/elf/core-layout.js'
import { decodeNotes } from '../formats/elf/notes.js'
import { encodeOwnNote } from '../formats/elf/own-note.js'
import { MACHINE } from '../formats/elf/structs.js'
import type { Hole } from '../formats/image/image.js'
import { kernelImage } from '../formats/linux/kernel-image.js'
import type { Evidence } from './memory-image.js'

const MOST_ERROR = 500

/** What stands in a core besides the bytes of its memory. */
export interface CoreDescription extends Omit<CoreFacts, 'flags'> {
  /** Virtual address of an address of the stream; undefined where the stream's addresses are virtual. */
  readonly virtual: ((physical: bigint) => bigint) | undefined
}

/**
 * The headers and notes of a core.
 * @param deterministic nothing of the machine that writes it, and of how and when
 */
export function describeCore(evidence: Evidence, deterministic: boolean): CoreDescription {
  const { stream, facts, origin, outcome } = evidence
  const { name, category } = stream
  const { vmcoreinfo, directMapBase = 0n, elfNotes, ...others } = facts
  const note = encodeOwnNote({
    program: `pmem elf-sink ${VERSION}`,
    category,
    origin: { stream: name, ...(!deterministic && origin) },
    facts: { ...others, ...(directMapBase !== 0n && { directMapBase }) },
    status: outcome?.status,
    error: outcome?.error?.slice(0, MOST_ERROR),
    holes: holesOf(evidence),
  })
  const physical = category !== 'memory:virtual'
  const here = deterministic ? MACHINE.x64 : MACHINE[process.arch]
  return {
    machine: Number(facts.machine ?? here ?? 0),
    virtual: physical ? (address) => BigInt.asUintN(64, address + directMapBase) : undefined,
    image: physical ? kernelImage(facts) : undefined,
    notes: [
      ...(vmcoreinfo === undefined
        ? []
        : [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from(vmcoreinfo, 'latin1') }]),
      ...(elfNotes === undefined ? [] : decodeNotes(elfNotes)),
      note,
    ],
  }
}

/** What is filling in the core. */
const holesOf = ({ blocks }: Evidence): Hole[] =>
  blocks.flatMap(({ start, length, status }) =>
    status === '+' ? [] : [{ start, length, content: status === '?' ? 'unknown' : 'unreadable' }],
  )
