import { aff4 } from '../lexicon.js'
import { symbolicContent } from '../map.js'
import type { Volume } from '../volume.js'
import type { Context } from './context.js'
import type { Failure } from './digest-claims.js'

/** Properties that name what an object cannot do without. */
const NEEDED = ['dataStream', 'dependentStream', 'keyBag'].map(aff4)
/** Properties that name other objects. */
const NAMING = ['contains', 'target', 'child', 'memoryAddressMap'].map(aff4)

/** pyaff4 names a part of a stream by its URN and a range. */
const withoutRange = (urn: string) => urn.replace(/\[0x[0-9a-f]+:0x[0-9a-f]+\]$/i, '')

/** Why an object is not there; undefined when it is, or is no more than a name. */
export function absence(volumes: readonly Volume[], named: string): Failure | undefined {
  const urn = withoutRange(named)
  if (symbolicContent(urn) !== undefined) return undefined
  let described = false
  for (const volume of volumes) {
    if (volume.find(urn) !== undefined) return undefined
    const home = volume.graph.value(urn, aff4('stored'))
    const stub = volume.graph.value(urn, aff4('size')) === undefined
    const said = [...volume.graph.predicates(urn)].length > 0
    if (said && (!stub || home === undefined || home === volume.urn)) return undefined
    described ||= said
    if (home !== undefined && !volumes.some((other) => other.urn === home))
      return { outcome: 'unchecked', detail: `${urn} is in volume ${home}, which is not given` }
  }
  return { outcome: 'mismatched', detail: `${urn} is ${described ? 'only named' : 'not'} there` }
}

/** Tells of objects that others name and that are not there. */
export async function checkReferences(context: Context): Promise<void> {
  const { volumes, report } = context
  for (const volume of volumes)
    for (const { subject, predicate, object } of volume.graph.statements) {
      const needed = NEEDED.includes(predicate)
      if (object.termType !== 'NamedNode' || !(needed || NAMING.includes(predicate))) continue
      const failure = absence(volumes, object.value)
      if (!failure) continue
      const property = predicate.slice(aff4('').length)
      await report({ ...failure, property, subject, ...(needed ? {} : { outcome: 'note' }) })
    }
}
