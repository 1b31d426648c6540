import { STANDARD } from '../dialect.js'
import { aff4, iri, long, pmem, text } from '../lexicon.js'
import { symbolicContent } from '../map.js'
import { createMapEntries } from '../map-entries.js'
import type { MapWriter } from '../map-writer.js'
import { freshUrn } from '../names.js'
import { STORED } from '../zip/local-header.js'
import { copyStream, streamsOf } from './copy-stream.js'
import { isMap, isStream, sizeOf, streamFacts } from './facts.js'
import { type RestoredMap, restoreMap } from './found-map.js'
import { type Job, settle } from './job.js'
import { type Placement, placementOf } from './placement.js'
import { addRun, createPlaces, lose, type Places, place } from './places.js'

/** Maps that were found, or that the volume says it had. */
export const mapsOf = ({ found }: Job): Set<string> =>
  new Set([...found.maps.keys(), ...[...found.graph.subjects()].filter((urn) => isMap(found.graph, urn))])

/** Writes a map and the streams it refers to, and what is lost of them as unreadable. */
export async function recoverMap(job: Job, urn: string): Promise<void> {
  const { source, found, volume, rebuilt, intact } = job
  const { graph } = found
  const { images, mapUrn } = imagesOfMap(job, urn)
  const map = volume.map({ urn: mapUrn, image: images[0]! })
  for (const subject of [urn, ...images]) rebuilt.add(subject)
  const size = sizeOf(graph, urn) ?? sizeOf(graph, images[0]!)
  const known = found.maps.get(urn)
  const restored =
    size === 0n
      ? NOTHING_MAPPED
      : known && (await restoreMap(source, known, found.dialect.mapEntry === 'target-first'))
  const places = restored ? await placeEntries(job, map, restored) : await placeOneToOne(job, map, urn)
  const remarks: string[] = []
  if (!restored) {
    remarks.push(
      'its map is lost: its chunks stand one after another, and nobody knows whether they did before',
    )
    volume.graph.add(mapUrn, pmem('reconstructed'), text('one to one: the map is lost'))
  } else {
    if (!restored.finished) remarks.push('its map is what was known before the end: what came later is lost')
    if (restored.refused > 0) remarks.push(`${restored.refused} ranges of its map contradict others`)
  }
  for (const target of places.elsewhere) {
    volume.graph.add(mapUrn, aff4('dependentStream'), iri(target))
    if (graph.value(target, aff4('stored')) === undefined) remarks.push(`${target} is not in the volume`)
  }
  fillUp(job, map, places, size, urn, restored?.finished === true)
  await map.close()
  for (const category of graph.all(urn, aff4('category')))
    volume.graph.add(mapUrn, aff4('category'), category)
  for (const [index, image] of images.entries()) {
    if (index > 0) {
      volume.declare(image)
      volume.graph.add(image, aff4('dataStream'), iri(mapUrn))
      volume.graph.add(image, aff4('size'), long(map.size))
    }
    settle(job, image, mapUrn, places, remarks)
  }
  if (intact.has(images[0]!) && mapUrn === urn) intact.add(urn)
}

const NOTHING_MAPPED: RestoredMap = { targets: [], entries: createMapEntries(), finished: true, refused: 0 }

/**
 * Before the Standard an image and its map were one object, which keeps its name as the image. So does one of which
 * nothing but a name below the volume's is known.
 */
function imagesOfMap(
  { found: { urn, graph, dialect }, imagesOf }: Job,
  map: string,
): { images: readonly string[]; mapUrn: string } {
  const images = imagesOf.get(map)
  if (images) return { images, mapUrn: map }
  const isImage = isMap(graph, map) ? dialect !== STANDARD : map.startsWith(`${urn}/`)
  return isImage ? { images: [map], mapUrn: freshUrn() } : { images: [freshUrn()], mapUrn: map }
}

/** What the entries leave open up to the size that the map had. */
function fillUp(
  { found: { graph } }: Job,
  map: MapWriter,
  places: Places,
  size: bigint | undefined,
  urn: string,
  finished: boolean,
): void {
  if (size === undefined) return
  const rest = { start: map.size, length: size - map.size }
  const gap = symbolicContent(graph.value(urn, aff4('mapGapDefaultStream')) ?? aff4('Zero'))
  if (!finished && rest.length > 0n) addRun(places.lost, rest)
  if (finished && gap === 'zero') map.addSymbolic(rest.start, rest.length, 'zero')
  else map.cover([finished ? { start: 0n, length: size } : rest], (finished && gap) || 'unknown')
}

/** Entries of a map, each taken apart by what is left of its target. */
async function placeEntries(job: Job, map: MapWriter, { entries, targets }: RestoredMap): Promise<Places> {
  const { found, placements } = job
  const places = createPlaces()
  for (const target of new Set(targets))
    if (found.streams.has(target) || isStream(found.graph, target)) await copyStream(job, target, map)
  for (let index = 0; index < entries.count; index++) {
    const { offset, length, targetOffset, targetId } = entries.at(index)
    const target = targets[targetId]
    const placement =
      target === undefined ? undefined : (placements.get(target) ?? segmentPlacement(job, target))
    if (placement) place(map, places, offset, placement.pieces(targetOffset, length), placement.urn)
    else if (target === undefined) lose(map, places, { start: offset, length })
    else {
      map.add({ offset, length, targetOffset, target })
      if (symbolicContent(target) === undefined) places.elsewhere.add(target)
    }
  }
  return places
}

/** A map may refer to a file that is one member, as it is: what is stored twice elsewhere. */
function segmentPlacement({ found, placements }: Job, target: string): Placement | undefined {
  const member = found.segments.get(target)
  if (!member) return undefined
  // Of what is deflated and not whole, nobody knows yet how much can be had.
  const there = member.state === 'whole' ? member.size! : member.method === STORED ? member.available : 0n
  const run = { from: 0n, to: 0n, count: there, sure: member.state === 'whole' }
  const placement = placementOf(target, there > 0n ? [run] : [], 1, member.size)
  placements.set(target, placement)
  return placement
}

/** Without a map: the streams that were made for it, one after another. */
async function placeOneToOne(job: Job, map: MapWriter, urn: string): Promise<Places> {
  const { graph } = job.found
  const places = createPlaces()
  const declared = graph.all(urn, aff4('dependentStream')).map(({ value }) => value)
  for (const stream of streamsOf(job)) {
    const meant =
      declared.includes(stream) || graph.value(stream, aff4('target')) === urn || stream.startsWith(`${urn}/`)
    if (!meant) continue
    const at = map.size
    const placement = await copyStream(job, stream, map)
    const size = streamFacts(graph, stream).size ?? placement.end
    place(map, places, at, placement.pieces(0n, size), placement.urn)
  }
  return places
}
