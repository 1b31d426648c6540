import type { Volume } from '../volume.js'
import { type Course, SUMS } from './course.js'
import { type Claim, type Failure, judge } from './digest-claims.js'

/** Whether a volume is from before the Standard. */
export const isEarly = (volume: Volume | undefined): boolean => volume?.dialect.generation === 'evimetry'

/** A digest of members of the volume itself, or why there is none. */
export const sumOr = (sum: Buffer | undefined, algorithm: string): Buffer | Failure =>
  sum ??
  (SUMS.includes(algorithm)
    ? { outcome: 'mismatched', detail: 'what it covers is damaged or missing' }
    : { outcome: 'unchecked', detail: 'there is nothing of which it could be taken' })

/**
 * Judges a digest by a rule of before the Standard. Volumes of the time between have it, too, and nobody has
 * described whether by the same rule.
 * @param sums what it may be
 */
export async function judgeEarly(
  { report }: Course,
  volume: Volume,
  claim: Claim,
  sums: readonly (Buffer | Failure)[],
): Promise<void> {
  const right = sums.find((sum) => Buffer.isBuffer(sum) && sum.toString('hex') === claim.value)
  if (right || isEarly(volume)) return judge([claim], () => right ?? sums[0]!, report)
  await report({
    outcome: 'uncheckable',
    property: `${claim.property} ${claim.datatype}`,
    subject: claim.subject,
    detail: 'nobody has described how it was made between the time before the Standard and the Standard',
  })
}
