import { aff4, DIGESTS } from '../lexicon.js'
import { KINDS } from './block-hash-check.js'
import { type Course, stated, statedOfBytes } from './course.js'
import { judge } from './digest-claims.js'
import { judgeEarly, sumOr } from './early-hashes.js'
import type { StreamCheck } from './stream-check.js'

/** Checks what is left of an image stream, and judges what is stated of it and its block hashes. */
export async function finishStream(course: Course, stream: StreamCheck): Promise<void> {
  const { finished, objects, report } = course
  if (finished.has(stream)) return
  finished.add(stream)
  const { urn } = stream
  await stream.finish()
  const damaged = { outcome: 'mismatched', detail: 'some chunks are damaged' } as const
  await judge(statedOfBytes(course, urn), (algorithm) => stream.linear(algorithm) ?? damaged, report)
  const indexes = stated(course, urn, aff4('imageStreamIndexHash'))
  await judge(indexes, (algorithm) => sumOr(stream.index(algorithm), algorithm), report)
  for (const claim of stated(course, urn, aff4('blockHashesHash'))) {
    const kind = KINDS.find((one) => DIGESTS[one].node === claim.algorithm)
    const sum = kind && stream.blockHashSum(kind, DIGESTS[kind].node)
    await judgeEarly(course, objects.get(urn)!.volume, claim, [sumOr(sum, claim.algorithm ?? '')])
  }
  for (const kind of KINDS) {
    const ofKind = stated(course, `${urn}/blockhash.${kind}`, aff4('hash'))
    await judge(ofKind, (algorithm) => sumOr(stream.blockHashSum(kind, algorithm), algorithm), report)
  }
}
