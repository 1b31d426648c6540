import type { ByteSink, ByteSource } from '../../byte-source.js'
import { FormatError } from '../../format-error.js'
import type { Secrets } from '../encryption/unlock.js'
import { INFORMATION_TURTLE } from '../names.js'
import { createVolume } from '../writer.js'
import { readDirectory } from '../zip/reader.js'
import { type Catalogue, catalogue } from './catalogue.js'
import { copyFacts, labelVolume, nameAnImage } from './conclude.js'
import { streamsByMap, streamsOf } from './copy-stream.js'
import { openFoundEncrypted } from './found-encrypted.js'
import { imagesByData, type Job } from './job.js'
import { isComplete, type Recovery } from './outcome.js'
import { mapsOf, recoverMap } from './recover-map.js'
import { recoverSegment, segmentsOf } from './recover-segment.js'
import { recoverStream } from './recover-stream.js'
import { type Scan, scanMembers } from './scan.js'

export interface RecoverOptions {
  /** Name and version of the program, for version.txt. */
  readonly tool: string
  /** Called often: how far the search has come, then how many bytes are copied, of the size of the source. */
  readonly progress?: (step: 'search' | 'copy', bytes: bigint) => void
  /** What opens an encrypted volume, of which the one inside is recovered; without it it stays as it is. */
  readonly secrets?: Secrets
}

/**
 * Makes a new volume of everything that is whole in another one, whatever has become of its end, its directory and
 * its turtle. It has the URN of the old one, so that what refers to it still does.
 * @throws {FormatError} when there is nothing; what source and sink throw
 */
export async function recoverVolume(
  source: ByteSource,
  sink: ByteSink,
  { tool, progress = () => {}, secrets }: RecoverOptions,
): Promise<Recovery> {
  const scan = await scanMembers(source, (at) => progress('search', at))
  const found = await catalogue(source, scan.members)
  const inner = secrets && (await openFoundEncrypted(source, found, secrets))
  if (inner) return { ...(await recoverVolume(inner, sink, { tool, progress })), decrypted: true }
  const { urn, streams, maps, segments, described } = found
  if (streams.size + maps.size + segments.size === 0 && described === 'not at all')
    throw new FormatError(`${source.name}: nothing to recover: no member of an AFF4 volume is in it`)

  let done = 0n
  const job: Job = {
    source,
    found,
    volume: await createVolume(sink, { tool, urn, minor: found.minor }),
    objects: [],
    rebuilt: new Set(),
    intact: new Set(),
    imagesOf: imagesByData(found),
    streamsFor: streamsByMap(found),
    placements: new Map(),
    copied(bytes) {
      done += BigInt(bytes)
      progress('copy', done)
    },
  }
  for (const map of mapsOf(job)) await recoverMap(job, map)
  for (const stream of streamsOf(found)) if (!job.placements.has(stream)) await recoverStream(job, stream)
  for (const segment of segmentsOf(job)) if (!job.rebuilt.has(segment)) await recoverSegment(job, segment)

  const remarks = [
    ...REMARKS[described],
    ...(described === 'whole' ? await behindEnd(source, scan) : []),
    ...(scan.overfull ? ['it holds more members than are taken up'] : []),
  ]
  const complete = remarks.length === 0 && job.objects.every(isComplete)
  copyFacts(job)
  nameAnImage(job)
  labelVolume(job, remarks, complete)
  await job.volume.finish()
  return { urn, objects: job.objects, remarks, complete }
}

const REMARKS: Record<Catalogue['described'], readonly string[]> = {
  whole: [],
  'in part': ['the end of its description is lost: facts may be missing, or whole objects'],
  'not at all': ['its description is lost: the names, kinds and facts of what it held'],
}

/** Of an append that was cut before its first member was there, bytes behind the old end are all that tells. */
async function behindEnd(source: ByteSource, { members }: Scan): Promise<string[]> {
  const directory = await readDirectory(source).catch(() => undefined)
  const last = members.findLast(({ name, state }) => name === INFORMATION_TURTLE && state === 'whole')
  // Evidence may be a volume, too, with an end of its own.
  if (directory?.members.get(INFORMATION_TURTLE)?.headerOffset !== last?.headerOffset) return []
  const left = directory ? source.size - directory.end : 0n
  return left > 0n ? [`${left} bytes stand behind its end: an append may have begun there`] : []
}
