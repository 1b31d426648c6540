import { parseTurtle } from '../formats/aff4/turtle.js'
import { type Facts, factOf, type MutableFacts, setFact, systemOf } from '../formats/image/facts.js'
import type { MetaFrame, StartFrame } from '../frames/frame.js'

/** Who sent a transmission, as its START tells. */
export type Origin = Readonly<Record<string, unknown>>

/** What the frames besides DATA and FILL tell about one stream, for formats that have places for it. */
export interface StreamFacts {
  start(frame: StartFrame): void
  meta(frame: MetaFrame): void
  /** As far as they have come. */
  readonly facts: Facts
  readonly origin: Origin
}

export function gatherFacts(): StreamFacts {
  const facts: MutableFacts = {}
  let origin: Origin = {}
  return {
    start({ body: { host, started, programs } }) {
      origin = { host, started, programs }
    },
    meta({ turtle }) {
      const here = 'pmem:here'
      for (const { subject, predicate, object } of parseTurtle(turtle, here)) {
        if (subject !== here) continue
        const name = factOf(predicate)
        const system = systemOf(object.value)
        if (name !== undefined) setFact(facts, name, object.value)
        else if (system !== undefined) facts.system = system
      }
    },
    facts,
    get origin() {
      return origin
    },
  }
}
