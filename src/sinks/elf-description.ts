import type { CoreFacts } from '../formats/elf/core-layout.js'
import { MACHINE } from '../formats/elf/structs.js'
import { kernelImage } from '../formats/linux/kernel-image.js'
import { evidenceNotes } from './evidence-notes.js'
import type { Evidence } from './memory-image.js'

/** The name of the sink. */
export const TOOL = 'elf-sink'

/** What stands in a core besides the bytes of its memory. */
export interface CoreDescription extends Omit<CoreFacts, 'flags'> {
  /** Virtual address of an address of the stream; undefined where the stream's addresses are virtual. */
  readonly virtual: ((physical: bigint) => bigint) | undefined
}

/**
 * The headers and notes of a core.
 * @param deterministic nothing of the machine that writes it, and of how and when
 * @param isClosed how it ended will stand behind memory
 */
export function describeCore(evidence: Evidence, deterministic: boolean, isClosed: boolean): CoreDescription {
  const { stream, facts } = evidence
  const { directMapBase = 0n } = facts
  const physical = stream.category !== 'memory:virtual'
  const here = deterministic ? MACHINE.x64 : MACHINE[process.arch]
  return {
    machine: Number(facts.machine ?? here ?? 0),
    virtual: physical ? (address) => BigInt.asUintN(64, address + directMapBase) : undefined,
    image: physical ? kernelImage(facts) : undefined,
    notes: evidenceNotes(evidence, TOOL, deterministic, isClosed),
  }
}
