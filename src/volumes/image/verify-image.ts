import { reasonOf } from '../../cli/failure.js'
import { showSize } from '../../cli/sizes.js'
import { isDigestName } from '../../codecs/digest.js'
import { sumOfRuns } from '../../formats/address-space.js'
import type { Report, Tick } from '../../formats/aff4/verify/finding.js'
import { FormatError } from '../../formats/format-error.js'
import { type ComparedDigest, digestContent } from '../../formats/image/content-digests.js'
import type { Image } from '../../formats/image/image.js'
import { type LostRange, readThrough } from '../../formats/image/read-through.js'
import { formatAddress } from '../../frames/address.js'

/** Whether an image has anything that its bytes can be compared with. */
export const vouchesForItself = ({ checks, digests }: Image): boolean =>
  checks.length > 0 || digests.length > 0

/** Reads all of an image, once, and compares what it says of itself. */
export async function verifyImage(image: Image, subject: string, report: Report, tick: Tick): Promise<void> {
  const content = digestContent(image)
  let faults = 0
  const tell = async (property: string, lost: LostRange) => {
    faults++
    // An error of the system says nothing about the image.
    const outcome = lost.error instanceof FormatError ? 'mismatched' : 'unchecked'
    const range = `${formatAddress(lost.start)}-${formatAddress(lost.start + lost.length)}`
    await report({ outcome, property, subject, detail: `${range}: ${reasonOf(lost.error)}` })
  }
  for await (const lost of readThrough(image, content.read, tick)) await tell('content', lost)
  for (const { name, source } of image.companions) {
    const runs = [{ start: 0n, length: source.size }]
    for await (const lost of readThrough({ ...image, runs }, source.read, tick)) await tell(name, lost)
  }
  for (const detail of (await image.verify?.()) ?? []) {
    faults++
    await report({ outcome: 'mismatched', property: 'whole', subject, detail })
  }
  if (faults === 0 && image.checks.length > 0) {
    const bytes = sumOfRuns(image.runs)
    const detail = `${image.checks.join(', ')}: ${showSize(bytes)}`
    await report({ outcome: 'matched', property: 'checksums', subject, detail })
  }
  for (const digest of await content.compare()) {
    const covers = digest.covers === 'ranges' ? 'rangesHash' : 'hash'
    await report({
      ...judge(image, digest),
      property: `${covers} ${digest.algorithm.toUpperCase()}`,
      subject,
    })
  }
}

function judge({ incomplete }: Image, { algorithm, value, found }: ComparedDigest) {
  if (!isDigestName(algorithm)) return { outcome: 'unchecked', detail: 'the algorithm is not known' } as const
  if (found === undefined) return { outcome: 'unchecked', detail: 'not all of the image was read' } as const
  if (found === value.toLowerCase()) return { outcome: 'matched' } as const
  const detail = `is ${found}, the image says ${value}`
  return incomplete === undefined
    ? ({ outcome: 'mismatched', detail } as const)
    : ({ outcome: 'unchecked', detail: `${detail}, but not all that it covers is there` } as const)
}
