import type { Outcome } from '../cli/output.js'
import { VERSION } from '../cli/version.js'
import { NAMESPACES } from '../formats/aff4/namespaces.js'
import { parseTurtle } from '../formats/aff4/turtle.js'
import { MACHINE } from '../formats/elf/structs.js'
import type { MetaFrame, StartFrame, StreamBody } from '../frames/frame.js'
import type { CoreDescription } from './elf-core.js'

const MOST_ERROR = 500

/** What the frames besides DATA and FILL tell for the headers and notes of a core. */
export interface CoreFacts {
  start(frame: StartFrame): void
  meta(frame: MetaFrame): void
  /** Of the stream's core; `outcome` once the input is over. */
  describe(stream: StreamBody, outcome?: Outcome): CoreDescription
}

export function gatherFacts(): CoreFacts {
  const facts = new Map<string, string>()
  let origin: Readonly<Record<string, unknown>> = {}
  return {
    start({ body: { host, started, programs } }) {
      origin = { host, started, programs }
    },
    meta({ turtle }) {
      const here = 'pmem:here'
      for (const { subject, predicate, object } of parseTurtle(turtle, here))
        if (subject === here && predicate.startsWith(NAMESPACES.pmem))
          facts.set(predicate.slice(NAMESPACES.pmem.length), object.value)
    },
    describe({ name, category }, outcome) {
      const vmcoreinfo = facts.get('vmcoreinfo')
      const directMap = BigInt(facts.get('directMapBase') ?? 0n)
      const { status, error, unreadable } = outcome ?? {}
      const told = { program: `pmem elf-sink ${VERSION}`, stream: name, category, ...origin }
      const note = JSON.stringify({ ...told, status, error: error?.slice(0, MOST_ERROR), unreadable })
      return {
        machine: Number(facts.get('elfMachine') ?? MACHINE[process.arch] ?? 0),
        virtual:
          category === 'memory:virtual' ? undefined : (physical) => BigInt.asUintN(64, physical + directMap),
        notes: [
          ...(vmcoreinfo === undefined
            ? []
            : [{ name: 'VMCOREINFO', type: 0, desc: Buffer.from(vmcoreinfo, 'latin1') }]),
          { name: 'PMEM', type: 1, desc: Buffer.from(note, 'utf8') },
        ],
      }
    },
  }
}
