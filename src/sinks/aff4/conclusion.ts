import type { Outcome } from '../../cli/output.js'
import type { Run } from '../../formats/address-space.js'
import { aff4, dateTime, iri, pmem, RDF_TYPE, text } from '../../formats/aff4/lexicon.js'
import type { VolumeWriter } from '../../formats/aff4/writer.js'
import { formatAddress } from '../../frames/address.js'
import type { StoredImage } from './stored-stream.js'

/** What came, when a volume is about to be finished. */
export interface Conclusion {
  readonly outcome: Outcome
  readonly images: readonly StoredImage[]
  /** When the first transmission began. */
  readonly started: Date | undefined
  /** What is said of all that came is said of this: in a volume that was there before it is not true of the whole. */
  readonly whole: string
  readonly appended: boolean
  /** Nothing is said of when that was. */
  readonly timeless: boolean
}

/** Ranges that a volume names as lost: what it holds says the same in full. */
const MOST_LOST_NAMED = 100
/** Messages from upstream can be of any length. */
const LONGEST_STATE = 1000

export const stateOf = ({ status, error }: Outcome): string =>
  `${status}: ${error ?? 'no reason given'}`.slice(0, LONGEST_STATE)

/** Says what became of all that came, and which object is the image: readers open any of several. */
export function conclude(volume: VolumeWriter, conclusion: Conclusion): void {
  const { outcome, images, started, whole, appended, timeless } = conclusion
  const { graph } = volume
  const [image] = images.toSorted((a, b) => a.rank - b.rank)
  const named = appended && [...graph.subjects()].some((subject) => graph.isA(subject, aff4('Image')))
  if (image && !named) graph.add(image.urn, RDF_TYPE, iri(aff4('Image')))
  if (graph.value(whole, pmem('status')) === undefined) graph.add(whole, pmem('status'), text(outcome.status))
  if (outcome.status !== 'complete') graph.add(whole, pmem('incomplete'), text(stateOf(outcome)))
  if (timeless) return
  const times = volume.freshUrn()
  volume.declare(times, 'TimeStamps')
  graph.add(times, aff4('operation'), text('CAPTURE'))
  graph.add(times, aff4('timeSource'), text('SINK'))
  if (started && !Number.isNaN(started.getTime())) graph.add(times, aff4('startTime'), dateTime(started))
  graph.add(times, aff4('endTime'), dateTime(new Date()))
  graph.add(times, aff4('target'), iri(image?.urn ?? whole))
}

/** Says which ranges a failed write has cost. */
export function nameLost({ graph }: VolumeWriter, whole: string, lost: readonly Run[]): void {
  for (const { start, length } of lost.slice(0, MOST_LOST_NAMED))
    graph.add(whole, pmem('lostRange'), text(`${formatAddress(start)}+${formatAddress(length)}`))
}
