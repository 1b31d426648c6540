import { asBuffer } from '../../codecs/views.js'
import { isZero } from '../../codecs/zero.js'
import type { MediumDigest } from '../ewf/stored-digests.js'
import { checksumOf } from '../ewf/structs.js'
import { type Ex01Segment, hex, readBody } from './sections.js'
import { SIZES } from './structs.js'

const MOST_STORED = 64

/** By the type of their section. */
const DIGESTS = {
  'MD5 hash': { algorithm: 'md5', size: 16 },
  'SHA1 hash': { algorithm: 'sha1', size: 20 },
} as const

/** The digests of the medium that a set carries, each once. */
export async function readDigests(
  segments: readonly Ex01Segment[],
): Promise<{ readonly digests: readonly MediumDigest[]; readonly remarks: readonly string[] }> {
  const found = new Map<string, MediumDigest>()
  const remarks: string[] = []
  for (const segment of segments)
    for (const section of segment.sections) {
      const { type, offset } = section
      if (type !== 'MD5 hash' && type !== 'SHA1 hash') continue
      const { algorithm, size } = DIGESTS[type]
      const body = await readBody(segment, section, MOST_STORED)
      const holds =
        body?.sound && body.bytes.length >= size + SIZES.checksum && checksumOf(body.bytes, size) === 'right'
      if (!holds) {
        const where = `${segment.source.name}: the ${type} at ${hex(offset)}`
        remarks.push(`${where} does not hold its checksum: it is not compared`)
        continue
      }
      const bytes = body.bytes.subarray(0, size)
      const value = asBuffer(bytes).toString('hex')
      // All zeros stand for one that was not taken.
      if (!isZero(bytes)) found.set(`${algorithm} ${value}`, { algorithm, value })
    }
  return { digests: [...found.values()], remarks }
}
