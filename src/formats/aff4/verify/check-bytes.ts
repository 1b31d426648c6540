import { aff4 } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { readThrough } from './context.js'
import { type Course, statedOfBytes, statedOfRanges } from './course.js'
import { type Failure, judge, openSums } from './digest-claims.js'
import { targetOf } from './targets.js'

/** Checks the bytes of an object that is one member of the volume. */
export async function checkSegment(course: Course, urn: string, volume: Volume): Promise<void> {
  const { report, owned } = course
  const member = volume.find(urn)!
  owned.add(member)
  const claims = [...statedOfBytes(course, urn), ...statedOfRanges(course, urn)]
  const sums = openSums(claims.map(({ algorithm }) => algorithm))
  if (claims.length > 0) {
    const whole = await readThrough(course, volume, member, sums.update)
    const failure: Failure = { outcome: 'mismatched', detail: 'its member is damaged' }
    await judge(claims, (algorithm) => (whole ? sums.digest(algorithm)! : failure), report)
  }
  const size = volume.graph.integer(urn, aff4('size'))
  if (size !== undefined && size !== member.size)
    await report({
      outcome: 'mismatched',
      property: 'size',
      subject: urn,
      detail: `${member.size} bytes are there, the volume says ${size}`,
    })
}

/** Checks bytes that have no member of their own: parts of streams, and what stands in the metadata. */
export async function checkOther(course: Course, urn: string): Promise<void> {
  const claims = statedOfBytes(course, urn)
  if (claims.length === 0) return
  const sums = openSums(claims.map(({ algorithm }) => algorithm))
  const target = await targetOf(course, urn)
  const whole = 'feed' in target && (await target.feed(0n, target.size, sums.update))
  const damaged: Failure = { outcome: 'mismatched', detail: 'its bytes are damaged' }
  const failure = 'feed' in target ? damaged : target
  await judge(claims, (algorithm) => (whole ? sums.digest(algorithm)! : failure), course.report)
}
