import { aff4, iri, long, pmem, RDF_TYPE, text } from '../lexicon.js'
import { freshUrn } from '../names.js'
import { copyStream, looksWhole } from './copy-stream.js'
import { isStream, streamFacts, typesOf } from './facts.js'
import { type Job, settle } from './job.js'
import { createPlaces, place } from './places.js'

/** Writes a stream that no map refers to: an object of its own, or one whose map nobody knows. */
export async function recoverStream(job: Job, urn: string): Promise<void> {
  const { found, imagesOf } = job
  const images = imagesOf.get(urn)
  const described = isStream(found.graph, urn)
  const encrypted = found.graph.isA(urn, aff4('EncryptedStream'))
  if (!images && described && (encrypted || (await looksWhole(job, urn)))) return recoverAsItIs(job, urn)
  // A name below the volume's is one that people know it by.
  const named = described || urn.startsWith(`${found.urn}/`)
  return recoverBehindMap(job, urn, images?.[0] ?? (named ? urn : freshUrn()), described)
}

/** A stream that stays what it is: all of it is there, or no map could be put over it. */
async function recoverAsItIs(job: Job, urn: string): Promise<void> {
  const { found, volume } = job
  const { size } = streamFacts(found.graph, urn)
  const placement = await copyStream(job, urn, undefined)
  const places = createPlaces()
  for (const piece of placement.pieces(0n, size ?? placement.end)) {
    const run = { start: piece.within, length: piece.length }
    if (piece.at === undefined) places.lost.push(run)
    else places.kept += piece.length
    if (piece.at !== undefined && !piece.sure) places.unsure.push(run)
  }
  // Without chunks nothing was written of it.
  if (size === 0n) volume.graph.add(urn, aff4('size'), long(0n))
  for (const type of typesOf(found.graph, urn)) volume.graph.add(urn, RDF_TYPE, iri(aff4(type)))
  const moved = places.lost.some(({ start }) => start < placement.end)
  settle(job, urn, urn, places, moved ? ['its chunks have other places, so that it cannot be decrypted'] : [])
}

/** A stream over which a map is put, that says what is lost of it. */
async function recoverBehindMap(job: Job, urn: string, image: string, described: boolean): Promise<void> {
  const { found, volume, rebuilt } = job
  const map = volume.map({ image })
  const placement = await copyStream(job, urn, map, image === urn ? freshUrn() : urn)
  rebuilt.add(image)
  const { size } = streamFacts(found.graph, urn)
  const places = createPlaces()
  place(map, places, 0n, placement.pieces(0n, size ?? placement.end), placement.urn)
  await map.close()
  const remarks: string[] = []
  if (!described) {
    remarks.push('its description is lost, and its map if it had one: its chunks stand one after another')
    volume.graph.add(map.urn, pmem('reconstructed'), text('one to one: the description is lost'))
  } else if (size === undefined) remarks.push('its size is not known: it ends with a whole chunk')
  settle(job, image, map.urn, places, remarks)
}
