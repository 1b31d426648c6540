import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import { isDigestName } from '../../codecs/digest.js'
import type { Report, Tick } from '../../formats/aff4/verify/finding.js'
import { FormatError } from '../../formats/format-error.js'
import { type ComparedDigest, digestContent } from '../../formats/image/content-digests.js'
import type { Image } from '../../formats/image/image.js'
import { readThrough } from '../../formats/image/read-through.js'
import { formatAddress } from '../../frames/address.js'

/** Whether there is anything in an image that its bytes can be compared with. */
export const vouchesForItself = ({ checks, digests, verify }: Image): boolean =>
  checks.length > 0 || digests.length > 0 || verify !== undefined

/** Reads all of an image and compares what it says of itself. */
export async function verifyImage(image: Image, subject: string, report: Report, tick: Tick): Promise<void> {
  const content = digestContent(image)
  let lost = 0
  for await (const { start, length, error } of readThrough(image, content.read, tick)) {
    lost++
    // An error of the system says nothing about the image.
    const outcome = error instanceof FormatError ? 'mismatched' : 'unchecked'
    const range = `${formatAddress(start)}-${formatAddress(start + length)}`
    await report({ outcome, property: 'content', subject, detail: `${range}: ${reasonOf(error)}` })
  }
  if (lost === 0 && image.checks.length > 0) {
    const bytes = image.runs.reduce((sum, { length }) => sum + length, 0n)
    const detail = `${image.checks.join(', ')}: ${showSize(bytes)}`
    await report({ outcome: 'matched', property: 'checksums', subject, detail })
  }
  for (const digest of await content.compare()) {
    const property = `${digest.covers === 'ranges' ? 'rangesHash' : 'hash'} ${digest.algorithm.toUpperCase()}`
    await report({ ...judge(image, digest), property, subject })
  }
  if (!image.verify) return
  const failures = await image.verify()
  for (const detail of failures)
    await report({ outcome: 'mismatched', property: 'container', subject, detail })
  if (failures.length === 0) await report({ outcome: 'matched', property: 'container', subject })
}

function judge({ holes }: Image, { algorithm, value, found }: ComparedDigest) {
  if (!isDigestName(algorithm)) return { outcome: 'unchecked', detail: 'the algorithm is not known' } as const
  if (found === undefined) return { outcome: 'unchecked', detail: 'not all of the image was read' } as const
  if (found === value.toLowerCase()) return { outcome: 'matched' } as const
  const detail = `is ${found}, the image says ${value}`
  // What stood in its holes when it was taken is nowhere told.
  return holes.some(({ content }) => content !== 'zero')
    ? ({ outcome: 'unchecked', detail: `${detail}; not all that it covers could be read then` } as const)
    : ({ outcome: 'mismatched', detail } as const)
}
