import { aff4, pmem, text } from '../lexicon.js'
import { freshUrn } from '../names.js'
import { copyStream } from './copy-stream.js'
import { isStream, streamFacts } from './facts.js'
import { type Job, settle } from './job.js'
import { createPlaces, place } from './places.js'

/** Writes a stream that no map refers to: an object of its own, or one whose map nobody knows. */
export async function recoverStream(job: Job, urn: string): Promise<void> {
  const { found, volume, rebuilt } = job
  const described = isStream(found.graph, urn)
  const image = imageOf(job, urn) ?? (described ? urn : freshUrn())
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

function imageOf({ found: { graph } }: Job, stream: string): string | undefined {
  for (const subject of graph.subjects())
    if (graph.value(subject, aff4('dataStream')) === stream) return subject
  return undefined
}
