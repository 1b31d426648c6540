import type { Volume } from '../volume.js'
import { type Course, SUMS, statedOfBytes, statedOfRanges } from './course.js'
import { type Claim, type Failure, judge, openSums, type Sums } from './digest-claims.js'
import { finishStream } from './finish-stream.js'
import { checkEntries, checkMapMembers, readMap } from './map-check.js'
import { targetOf } from './targets.js'

/** Checks a map: its members, its entries, its bytes, and the streams that are through with it. */
export async function checkMap(course: Course, urn: string, volume: Volume): Promise<void> {
  const { report, maps, streams } = course
  const digests = await checkMapMembers(course, volume, urn, SUMS)
  const findTarget = (target: string) => targetOf(course, target)
  const loaded = await checkEntries(course, volume, urn, findTarget)
  maps.set(urn, { volume, digests, targets: loaded?.targets ?? [] })
  const ofAll = statedOfBytes(course, urn)
  const ofRanges = statedOfRanges(course, urn)
  if (ofAll.length + ofRanges.length === 0) return
  const linear = openSums(ofAll.map(({ algorithm }) => algorithm))
  const ranges = openSums(ofRanges.map(({ algorithm }) => algorithm))
  const shorter = new Map<string, Buffer>()
  const beforeZeros = () => {
    for (const { algorithm } of ofRanges)
      if (algorithm !== undefined) shorter.set(algorithm, ranges.digest(algorithm)!)
  }
  const failure: Failure | undefined = loaded
    ? await readMap(course, loaded, { linear, ranges, beforeZeros }, findTarget)
    : { outcome: 'mismatched', detail: 'its map is damaged' }
  await judge(ofAll, (algorithm) => failure ?? linear.digest(algorithm)!, report)
  for (const claim of ofRanges)
    await judge([claim], (algorithm) => failure ?? rangesDigest(claim, algorithm, ranges, shorter), report)
  for (const target of loaded?.targets ?? []) {
    const stream = streams.get(target)
    if (stream?.passed) await finishStream(course, stream)
  }
}

/**
 * Zeros at the end may stand for nothing but the size of the map, or continue what does.
 * @param shorter the digests without them, where there are such
 */
function rangesDigest(
  claim: Claim,
  algorithm: string,
  ranges: Sums,
  shorter: ReadonlyMap<string, Buffer>,
): Buffer | Failure {
  const before = shorter.get(algorithm)
  const whole = ranges.digest(algorithm)!
  if (!before || whole.toString('hex') === claim.value) return whole
  if (before.toString('hex') === claim.value) return before
  return { outcome: 'unchecked', detail: 'nothing tells how many of the last zeros it covers' }
}
