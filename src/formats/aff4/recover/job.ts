import { mergeRuns, type Run } from '../../address-space.js'
import type { ByteSource } from '../../byte-source.js'
import { aff4, iri, pmem, RDF_TYPE, text } from '../lexicon.js'
import { decodeName } from '../names.js'
import type { VolumeWriter } from '../writer.js'
import type { Catalogue } from './catalogue.js'
import { typesOf } from './facts.js'
import { describeLoss, type RecoveredObject } from './outcome.js'
import type { Placement } from './placement.js'
import type { Places } from './places.js'

/** A recovery under way: what was found, and the volume that is made of it. */
export interface Job {
  readonly source: ByteSource
  readonly found: Catalogue
  readonly volume: VolumeWriter
  readonly objects: RecoveredObject[]
  /** What the old graph says of these is not true any more, but for plain facts. */
  readonly rebuilt: Set<string>
  /** Of these nothing is lost: digests over them still hold. */
  readonly intact: Set<string>
  /** Images by the map or stream that is their data. */
  readonly imagesOf: ReadonlyMap<string, readonly string[]>
  /** Streams by the map that they were made for. */
  readonly streamsFor: ReadonlyMap<string, readonly string[]>
  /** Where the bytes of each stream have gone. */
  readonly placements: Map<string, Placement>
  /** Told of bytes that were copied. */
  copied(bytes: number): void
}

/** Images by the map or stream that the graph calls their data. */
export function imagesByData({ graph }: Catalogue): Map<string, string[]> {
  const images = new Map<string, string[]>()
  for (const subject of graph.subjects()) {
    // An image that was being completed names the map that it had and the one that it gets.
    const data = graph.all(subject, aff4('dataStream')).at(-1)?.value
    if (data === undefined) continue
    const known = images.get(data)
    if (known) known.push(subject)
    else images.set(data, [subject])
  }
  return images
}

/** Ranges that the volume names for each object: its map says the same in full. */
const MOST_NAMED = 100

/**
 * Says of an object that is written what it is, and what is missing of it.
 * @param map the map that holds its bytes
 */
export function settle(job: Job, urn: string, map: string, places: Places, remarks: readonly string[]): void {
  const { volume, objects, intact } = job
  const lost = mergeRuns(places.lost)
  objects.push({ urn, name: nameOf(job, urn, map), kept: places.kept, lost, unsure: places.unsure, remarks })
  for (const type of kindsOf(job, urn)) volume.graph.add(urn, RDF_TYPE, iri(aff4(type)))
  const range = ({ start, length }: Run) => text(`0x${start.toString(16)}+0x${length.toString(16)}`)
  for (const run of lost.slice(0, MOST_NAMED)) volume.graph.add(urn, pmem('lostRange'), range(run))
  for (const run of places.unsure.slice(0, MOST_NAMED))
    volume.graph.add(urn, pmem('unverifiedRange'), range(run))
  if (lost.length + remarks.length === 0) intact.add(urn)
  else
    volume.graph.add(
      urn,
      pmem('incomplete'),
      text(['recovered', ...describeLoss(lost), ...remarks].join('; ')),
    )
}

/** The kinds of image that the graph says it is; one that it calls something else is a file. */
export function kindsOf({ found: { graph } }: Job, urn: string): string[] {
  const types = typesOf(graph, urn)
  const kinds = types.filter((type) => /^(\w*Image|Folder)$/.test(type))
  if (kinds.length > 0 || types.includes('EncryptedStream')) return kinds
  if (graph.value(urn, aff4('category'))?.endsWith('memory/physical'))
    return ['MemoryImage', 'DiscontiguousImage']
  return types.length > 0 ? ['FileImage'] : []
}

/** What people call an object. @param map that holds its bytes: some writers give the name to it */
export function nameOf({ found }: Job, urn: string, map = urn): string {
  for (const subject of [urn, map]) {
    const name = found.graph.value(subject, aff4('originalFileName'))
    if (name !== undefined) return name
  }
  return urn.startsWith(`${found.urn}/`) ? decodeName(urn.slice(found.urn.length + 1)) : urn
}
