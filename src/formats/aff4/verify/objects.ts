import { bevyUrn } from '../image-stream.js'
import { aff4 } from '../lexicon.js'
import { formOf, type StreamEntry } from '../reader.js'
import type { Volume } from '../volume.js'

/** Something that has bytes. */
export interface Found {
  /** Where it is at home. */
  readonly volume: Volume
  readonly form: StreamEntry['form']
}

/**
 * Everything that has bytes. What several volumes describe is at home where its size is known, which of a stream that
 * goes on from volume to volume is the last one, and its chunks are.
 */
export function findObjects(volumes: readonly Volume[]): Map<string, Found> {
  const objects = new Map<string, Found>()
  for (const volume of volumes)
    for (const urn of volume.graph.subjects()) {
      const form = formOf(volume, urn)
      if (!form) continue
      const known = objects.get(urn)
      const [size, before] = [volume, known?.volume].map((one) => one?.graph.integer(urn, aff4('size')) ?? 0n)
      const better = size! > before! || (size === before && volume.find(bevyUrn(urn, 0)))
      if (!known || better) objects.set(urn, { volume, form })
    }
  return objects
}

/** Images by what they are made of. */
export function imagesByData(volumes: readonly Volume[]): Map<string, string[]> {
  const images = new Map<string, string[]>()
  for (const { graph } of volumes)
    for (const { subject, predicate, object } of graph.statements) {
      if (predicate !== aff4('dataStream')) continue
      const known = images.get(object.value)
      if (!known) images.set(object.value, [subject])
      else if (!known.includes(subject)) known.push(subject)
    }
  return images
}

/** What is called a segment, holds bytes, and has no member. */
export function missingSegments(volumes: readonly Volume[], objects: ReadonlyMap<string, Found>): string[] {
  return volumes.flatMap(({ graph }) =>
    [...graph.subjects()].filter(
      (urn) =>
        graph.isA(urn, aff4('ZipSegment')) && !objects.has(urn) && graph.integer(urn, aff4('size')) !== 0n,
    ),
  )
}
