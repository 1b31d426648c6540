import { byStart, type Run, subtractRuns } from '../../address-space.js'
import { max } from '../../min-max.js'
import { STANDARD } from '../dialect.js'
import { aff4, iri, long, pmem, text } from '../lexicon.js'
import { symbolicContent } from '../map.js'
import { createMapEntries } from '../map-entries.js'
import type { MapWriter } from '../map-writer.js'
import { freshUrn } from '../names.js'
import { STORED } from '../zip/local-header.js'
import { copyStream } from './copy-stream.js'
import { isMap, isStream, sizeOf, streamFacts, typesOf } from './facts.js'
import { type RestoredMap, restoreMap } from './found-map.js'
import { type Job, settle } from './job.js'
import { type Placement, placementOf } from './placement.js'
import { createPlaces, lose, type Places, place } from './places.js'

const ADDRESS_LIMIT = 1n << 64n

/** Maps that were found, or that the volume says it had; not those whose entries are in another one by now. */
export function mapsOf({ found, rebuilt }: Job): Set<string> {
  const { graph, maps } = found
  const all = new Set([...maps.keys(), ...[...graph.subjects()].filter((urn) => isMap(graph, urn))])
  for (const urn of all) {
    const later = graph.value(urn, pmem('replacedBy'))
    if (later === undefined || !maps.has(later)) continue
    all.delete(urn)
    rebuilt.add(urn)
  }
  return all
}

/** Writes a map and the streams it refers to, and what is lost of them as unreadable. */
export async function recoverMap(job: Job, urn: string): Promise<void> {
  const { source, found, volume, rebuilt, intact } = job
  const { graph } = found
  const { mapUrn, images } = formOf(job, urn)
  const [image] = images
  const map = volume.map(image === undefined ? { urn: mapUrn } : { urn: mapUrn, image })
  for (const subject of [urn, ...images]) rebuilt.add(subject)
  const size = sizeOf(graph, urn) ?? (image === undefined ? undefined : sizeOf(graph, image))
  const known = found.maps.get(urn)
  const restored =
    size === 0n
      ? NOTHING_MAPPED
      : known && (await restoreMap(source, known, found.dialect.mapEntry === 'target-first', found.urn))
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
  if (restored?.finished) fillGaps(job, map, urn, size)
  else coverMissing(map, places, [...announcedOf(job, image ?? urn), ...upTo(map.size, size)])
  await map.close()
  for (const category of graph.all(urn, aff4('category')))
    volume.graph.add(mapUrn, aff4('category'), category)
  for (const other of images.slice(1)) {
    volume.declare(other)
    volume.graph.add(other, aff4('dataStream'), iri(mapUrn))
    volume.graph.add(other, aff4('size'), long(map.size))
  }
  const objects = images.length > 0 ? images : [urn]
  for (const object of objects) settle(job, object, mapUrn, places, remarks)
  if (intact.has(objects[0]!) && mapUrn === urn) intact.add(urn)
}

const NOTHING_MAPPED: RestoredMap = { targets: [], entries: createMapEntries(), finished: true, refused: 0 }

/**
 * What the map becomes: of AFF4-L it is the file itself, and has no image. Elsewhere an image has a map, and where both
 * were one object it keeps its name as the image; so does one of which nothing but a name below the volume's is known.
 */
function formOf(
  { found: { urn, minor, graph, dialect }, imagesOf }: Job,
  map: string,
): { mapUrn: string; images: readonly string[] } {
  const images = imagesOf.get(map)
  if (images) return { mapUrn: map, images }
  const described = isMap(graph, map)
  const isImage = typesOf(graph, map).some((type) => type.endsWith('Image'))
  if (described && isImage && minor > 0) return { mapUrn: map, images: [] }
  const keepsName = described ? isImage || dialect !== STANDARD : map.startsWith(`${urn}/`)
  return keepsName ? { mapUrn: freshUrn(), images: [map] } : { mapUrn: map, images: [freshUrn()] }
}

/** What no entry of a map that was finished covers reads as its default. */
function fillGaps({ found: { graph } }: Job, map: MapWriter, urn: string, size: bigint | undefined): void {
  if (size === undefined) return
  const gap = symbolicContent(graph.value(urn, aff4('mapGapDefaultStream')) ?? aff4('Zero')) ?? 'unknown'
  if (gap !== 'zero') map.cover([{ start: 0n, length: size }], gap)
  else for (const { start, length } of upTo(map.size, size)) map.addSymbolic(start, length, gap)
}

/** Of these ranges it is known only that they were to come. */
function coverMissing(map: MapWriter, places: Places, expected: readonly Run[]): void {
  for (const { start, length } of [...subtractRuns(disjoint(expected), map.runs())]) {
    map.addSymbolic(start, length, 'unknown')
    places.lost.push({ start, length })
  }
}

/** What the program that wrote the volume had been told of an image before it came. */
function announcedOf({ found: { graph } }: Job, image: string): Run[] {
  return graph.all(image, pmem('announcedRange')).flatMap(({ value }) => {
    const [, start, length] = /^(0x[0-9a-f]{1,16})\+(0x[0-9a-f]{1,16})$/.exec(value) ?? []
    return start && length ? [{ start: BigInt(start), length: BigInt(length) }] : []
  })
}

/** Runs in order, each without what those before it cover. */
function disjoint(runs: readonly Run[]): Run[] {
  const result: Run[] = []
  let end = 0n
  for (const { start, length } of runs.toSorted(byStart)) {
    const from = max(start, end)
    const to = start + length < ADDRESS_LIMIT ? start + length : ADDRESS_LIMIT
    if (to > from) result.push({ start: from, length: to - from })
    if (to > end) end = to
  }
  return result
}

const upTo = (start: bigint, size = 0n): Run[] => (size > start ? [{ start, length: size - start }] : [])

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
  const { found, streamsFor } = job
  const places = createPlaces()
  const declared = found.graph.all(urn, aff4('dependentStream')).map(({ value }) => value)
  for (const stream of new Set([...declared, ...(streamsFor.get(urn) ?? [])])) {
    if (!found.streams.has(stream) && !isStream(found.graph, stream)) continue
    const at = map.size
    const placement = await copyStream(job, stream, map)
    const size = streamFacts(found.graph, stream).size ?? placement.end
    place(map, places, at, placement.pieces(0n, size), placement.urn)
  }
  return places
}
