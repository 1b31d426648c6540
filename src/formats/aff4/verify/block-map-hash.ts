import { createHash } from 'node:crypto'
import { aff4, DIGESTS } from '../lexicon.js'
import { KINDS } from './block-hash-check.js'
import { type CheckedMap, type Course, SUMS, stated } from './course.js'
import { type Failure, isBlockMapHash, judge } from './digest-claims.js'
import { isEarly, judgeEarly, sumOr } from './early-hashes.js'
import { absence } from './references.js'

/** Judges the block map hashes that stand on a map. */
export async function checkBlockMapHash(course: Course, urn: string, map: CheckedMap): Promise<void> {
  const onMap = stated(course, urn, aff4('blockMapHash'))
  await judge(onMap, (algorithm) => blockMapHash(course, map, algorithm, isEarly(map.volume)), course.report)
  for (const claim of stated(course, urn, aff4('blockHashesHash'))) {
    const sums = [true, false].map((early) => blockMapHash(course, map, claim.algorithm ?? '', early))
    await judgeEarly(course, map.volume, claim, sums)
  }
}

/** Judges the block map hashes that stand on an image. @param data what it is made of */
export async function checkImageHash(course: Course, urn: string, data: readonly string[]): Promise<void> {
  const onImage = stated(course, urn, aff4('hash')).filter(isBlockMapHash)
  await judge(onImage, (algorithm) => imageHash(course, data, algorithm), course.report)
}

/** Of several maps, as a striped image has, those of all in the order of their URNs. */
function imageHash(course: Course, data: readonly string[], algorithm: string): Buffer | Failure {
  const { maps, volumes } = course
  const sums: Buffer[] = []
  for (const urn of [...data].sort()) {
    const map = maps.get(urn)
    const absent = [urn, ...(map?.targets ?? [])].map((target) => absence(volumes, target))
    const failure = absent.find((one) => one !== undefined)
    if (failure) return failure
    const sum = blockMapHash(course, map, algorithm, isEarly(map?.volume))
    if (!Buffer.isBuffer(sum)) return sum
    sums.push(sum)
  }
  if (sums.length === 1) return sums[0]!
  return createHash(algorithm).update(Buffer.concat(sums)).digest()
}

/**
 * The block map hash of a map (AFF4 Standard v1.0a §6.2): of the block hashes that its own volume has.
 * @param early the digests of the block hashes are by their own algorithms, as before the Standard
 */
function blockMapHash(
  { streams, objects }: Course,
  map: CheckedMap | undefined,
  algorithm: string,
  early: boolean,
): Buffer | Failure {
  const parts = SUMS.includes(algorithm) ? map?.digests(algorithm) : undefined
  if (!map || !parts) return sumOr(undefined, algorithm)
  const local = map.targets.flatMap((target) => {
    const stream = streams.get(target)
    return stream && objects.get(target)?.volume === map.volume ? [stream] : []
  })
  const sum = createHash(algorithm)
  for (const kind of KINDS)
    for (const stream of local.filter(({ blockHashes }) => blockHashes.includes(kind))) {
      const part = stream.blockHashSum(kind, early ? DIGESTS[kind].node : algorithm)
      if (!part) return sumOr(undefined, algorithm)
      sum.update(part)
    }
  for (const part of parts) sum.update(part)
  return sum.digest()
}
