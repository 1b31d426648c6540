import { aff4, iri, pmem, RDF_TYPE, STRUCTURAL, text } from '../lexicon.js'
import { freshUrn } from '../names.js'
import type { Job } from './job.js'
import { describeObject, isComplete } from './outcome.js'

/** Words that stand in the volume about what is missing: its objects say the same each for itself. */
const LONGEST = 10_000

/** Carries over what the volume said, but for what has been written anew or is not true any more. */
export function copyFacts({ found, volume, rebuilt, intact }: Job): void {
  for (const { subject, predicate, object } of found.graph.statements) {
    const about = subject === found.urn || rebuilt.has(subject)
    if (subject.includes('/blockhash.')) continue
    if (!about) {
      volume.graph.add(subject, predicate, object)
      if (predicate === aff4('stored') && object.value === found.urn)
        volume.graph.add(found.urn, aff4('contains'), iri(subject))
    } else if (predicate === aff4('hash')) {
      if (object.termType !== 'Literal' || object.datatype.value.startsWith(aff4('blockMapHash'))) continue
      // A digest that no longer holds is still what was measured then.
      volume.graph.add(subject, intact.has(subject) ? aff4('hash') : pmem('originalHash'), object)
    } else if (!STRUCTURAL.has(predicate) && predicate !== RDF_TYPE && predicate !== pmem('status'))
      volume.graph.add(subject, predicate, object)
  }
}

/** Readers look for an aff4:Image, and open any of several. */
export function nameAnImage({ volume, objects, found }: Job): void {
  if (objects.some(({ urn }) => volume.graph.isA(urn, aff4('Image')))) return
  const [largest] = objects
    .filter(({ urn }) => !found.segments.has(urn))
    .sort((a, b) => (a.kept < b.kept ? 1 : a.kept > b.kept ? -1 : 0))
  if (largest) volume.graph.add(largest.urn, RDF_TYPE, iri(aff4('Image')))
}

/** Says in the volume that it is reconstructed, and what is missing. */
export function labelVolume(
  { volume: { graph, urn }, source, objects }: Job,
  remarks: readonly string[],
  complete: boolean,
): void {
  const missing = [
    ...remarks,
    ...objects.filter((one) => !isComplete(one)).map((one) => `${one.name}: ${describeObject(one)}`),
  ]
  const name = source.name.replace(/^.*[/\\]/, '')
  graph.add(urn, pmem('reconstructed'), text(`from ${name}, ${source.size} bytes`))
  graph.add(urn, pmem('status'), text(complete ? 'complete' : 'incomplete'))
  if (!complete) graph.add(urn, pmem('incomplete'), text(missing.join('; ').slice(0, LONGEST)))
  const note = freshUrn()
  graph.add(note, RDF_TYPE, iri(pmem('Note')))
  graph.add(note, aff4('target'), iri(urn))
  graph.add(note, pmem('program'), text('aff4-recover'))
  graph.add(note, pmem('level'), text(complete ? 'info' : 'warning'))
  graph.add(note, pmem('message'), text(`reconstructed from what was whole in ${name}`))
}
