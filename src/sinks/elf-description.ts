import { VERSION } from '../cli/version.js'
import type { ElfNote } from '../formats/elf/notes.js'
import { MACHINE } from '../formats/elf/structs.js'
import { factEntries, formatFact } from '../formats/image/facts.js'
import type { Evidence } from './memory-image.js'

const MOST_ERROR = 500

/** What stands in a core besides the bytes of its memory. */
export interface CoreDescription {
  /** e_machine. */
  readonly machine: number
  readonly notes: readonly ElfNote[]
  /** Virtual address of an address of the stream; undefined where the stream's addresses are virtual. */
  readonly virtual: ((physical: bigint) => bigint) | undefined
}

/** The headers and notes of a core. */
export function describeCore({ stream, facts, origin, outcome }: Evidence): CoreDescription {
  const { name, category } = stream
  const { vmcoreinfo, directMapBase = 0n, machine } = facts
  const { status, error, unreadable } = outcome ?? {}
  const told = { program: `pmem elf-sink ${VERSION}`, stream: name, category, ...origin }
  const known = Object.fromEntries(
    factEntries(facts)
      .filter(([name]) => name !== 'vmcoreinfo')
      .map(([name, value]) => [name, formatFact(name, value)]),
  )
  const note = JSON.stringify({
    ...told,
    facts: known,
    status,
    error: error?.slice(0, MOST_ERROR),
    unreadable,
  })
  return {
    machine: Number(machine ?? MACHINE[process.arch] ?? 0),
    virtual:
      category === 'memory:virtual' ? undefined : (physical) => BigInt.asUintN(64, physical + directMapBase),
    notes: [
      ...(vmcoreinfo === undefined
        ? []
        : [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from(vmcoreinfo, 'latin1') }]),
      { name: 'PMEM', type: 1, desc: Buffer.from(note, 'utf8') },
    ],
  }
}
