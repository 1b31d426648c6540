import { aff4 } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { checkBlockMapHash, checkImageHash } from './block-map-hash.js'
import { checkOther, checkSegment } from './check-bytes.js'
import { checkMap } from './check-map.js'
import { openChunkThreads } from './chunk-threads.js'
import type { Course } from './course.js'
import type { Report, Tick } from './finding.js'
import { finishStream } from './finish-stream.js'
import { checkMembers, tellOddities } from './leftovers.js'
import { findObjects, imagesByData, missingSegments } from './objects.js'
import { checkReferences } from './references.js'
import { streamOf } from './targets.js'
import type { Structure } from './zip-structure.js'

/**
 * Checks everything that volumes which belong together state about what they hold, and that it is all there. Every
 * member is read once; memory doesn't grow with them.
 */
export async function verifyVolumes(
  volumes: readonly Volume[],
  structures: ReadonlyMap<Volume, Structure>,
  report: Report,
  tick: Tick,
): Promise<void> {
  const threads = openChunkThreads()
  threads.expect(storedBytes(volumes))
  try {
    await runChecks({
      volumes,
      structures,
      report,
      tick,
      threads,
      compared: new Map(),
      owned: new Set(),
      judged: new Set(),
      objects: findObjects(volumes),
      images: imagesByData(volumes),
      streams: new Map(),
      finished: new Set(),
      maps: new Map(),
    })
  } finally {
    await threads.close()
  }
}

function storedBytes(volumes: readonly Volume[]): bigint {
  let bytes = 0n
  for (const { members } of volumes) for (const { size } of members.values()) bytes += size
  return bytes
}

/** Maps come first: what they take from streams is what drives the checks of these. */
async function runChecks(course: Course): Promise<void> {
  const { volumes, objects, maps, report } = course
  for (const [urn, { form, volume }] of objects) if (form === 'map') await checkMap(course, urn, volume)
  for (const [urn, { form }] of objects) {
    const stream = form === 'image-stream' ? await streamOf(course, urn) : undefined
    if (stream) await finishStream(course, stream)
  }
  for (const [urn, { form, volume }] of objects)
    if (form === 'segment') await checkSegment(course, urn, volume)
    else if (form === 'literal') await checkOther(course, urn)
  for (const [urn, map] of maps) await checkBlockMapHash(course, urn, map)
  for (const [urn, { form }] of objects) if (form === 'image') await checkImage(course, urn)
  for (const urn of missingSegments(volumes, objects)) {
    const detail = 'its member is not there'
    await report({ outcome: 'mismatched', property: 'segment', subject: urn, detail })
  }
  await checkReferences(course)
  for (const volume of volumes) {
    await tellOddities(course, volume)
    await checkMembers(course, volume)
  }
}

async function checkImage(course: Course, urn: string): Promise<void> {
  const { volumes, objects } = course
  const named = volumes.flatMap(({ graph }) => graph.all(urn, aff4('dataStream')))
  const data = [...new Set(named.map(({ value }) => value))]
  await checkImageHash(course, urn, data)
  const form = data.map((one) => objects.get(one)?.form).find((one) => one !== undefined)
  if (form === undefined || form === 'image') await checkOther(course, urn)
}
