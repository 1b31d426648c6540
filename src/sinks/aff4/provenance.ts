import {
  aff4,
  DIGESTS,
  dateTime,
  digestLiteral,
  int,
  iri,
  pmem,
  RDF_TYPE,
  STRUCTURAL,
  text,
} from '../../formats/aff4/lexicon.js'
import { parseTurtle, type Statement } from '../../formats/aff4/turtle.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import type { DigestBody, MetaFrame, NoteFrame, StartBody } from '../../frames/frame.js'

/**
 * Who handled the bytes, when: the program chain of a transmission.
 * @param timeless leaves out what differs from one run to the next: host, time, and arguments, which are paths there
 */
export function describeTransmission(volume: VolumeWriter, start: StartBody, timeless: boolean): string {
  const urn = volume.freshUrn()
  const { graph } = volume
  volume.declare(urn)
  graph.add(urn, RDF_TYPE, iri(pmem('Transmission')))
  if (start.host !== undefined && !timeless) graph.add(urn, pmem('host'), text(start.host))
  if (start.started !== undefined && !timeless && !Number.isNaN(Date.parse(start.started)))
    graph.add(urn, aff4('startTime'), dateTime(new Date(start.started)))
  for (const [position, program] of start.programs.entries()) {
    const link = `${urn}/program/${position}`
    graph.add(urn, pmem('program'), iri(link))
    graph.add(link, RDF_TYPE, iri(pmem('Program')))
    graph.add(link, pmem('position'), int(position))
    graph.add(link, pmem('name'), text(program.name))
    graph.add(link, pmem('version'), text(program.version))
    if (!timeless) graph.add(link, pmem('arguments'), text(JSON.stringify(program.arguments)))
  }
  return urn
}

/** What became of a stream. @param state undefined when all of it came */
export function addState(
  { graph }: Pick<VolumeWriter, 'graph'>,
  urn: string,
  state: string | undefined,
): void {
  if (state !== undefined) graph.add(urn, pmem('incomplete'), text(state))
  graph.add(urn, aff4('acquisitionCompletionState'), text(state ?? 'Completed Normally'))
}

/** Digests that came in the pipe. @param holder the object whose bytes they are of */
export function addDigests(
  { graph }: Pick<VolumeWriter, 'graph'>,
  holder: string,
  digests: readonly DigestBody[],
): void {
  for (const { algorithm, value, covers } of digests) {
    const known = Object.values(DIGESTS).find(({ node }) => node === algorithm)
    const property = covers === 'linear' && known ? aff4('hash') : pmem('rangesHash')
    graph.add(holder, property, digestLiteral(known?.datatype ?? algorithm, value))
  }
}

/** A message that came in the pipe, about a stream or the whole. */
export function addNote(
  { graph, freshUrn }: Pick<VolumeWriter, 'graph' | 'freshUrn'>,
  target: string,
  { body }: NoteFrame,
): void {
  const urn = freshUrn()
  graph.add(urn, RDF_TYPE, iri(pmem('Note')))
  graph.add(urn, aff4('target'), iri(target))
  for (const key of ['level', 'program', 'message', 'offset', 'length'] as const) {
    const value = body[key]
    if (value !== undefined) graph.add(urn, pmem(key), text(value))
  }
}

/**
 * Facts that came as Turtle. What ties objects of another volume together, and what kind of AFF4 object the
 * subject was there, is not true here and stays behind.
 * @param change what becomes of each statement
 * @param warn told of Turtle that can't be read: it is kept as it came, no reason to lose the evidence
 */
export function addFacts(
  { graph }: Pick<VolumeWriter, 'graph'>,
  subject: string,
  { turtle }: MetaFrame,
  warn: (message: string) => void,
  change: (statement: Statement) => Statement = (statement) => statement,
): void {
  let statements: Statement[]
  try {
    statements = parseTurtle(turtle, subject)
  } catch (error) {
    warn(`META of ${subject}: ${(error as Error).message}`)
    graph.add(subject, pmem('unreadableFacts'), text(turtle))
    return
  }
  for (const { subject: about, predicate, object } of statements.map(change)) {
    if (STRUCTURAL.has(predicate)) continue
    if (predicate === RDF_TYPE && object.value.startsWith(aff4(''))) continue
    graph.add(about, predicate, object)
  }
}
