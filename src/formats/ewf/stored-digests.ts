import { asBuffer } from '../../codecs/views.js'
import { isZero } from '../../codecs/zero.js'
import { inflate } from '../../codecs/zlib-codec.js'
import type { Bytes } from '../byte-source.js'
import { readBody, type Segment } from './sections.js'
import { type Checksum, decodeDigest, decodeHash, SIZES } from './structs.js'

/** An `xhash` of three digests has some 200 characters. */
const MOST_TEXT = 64 << 10

/** A digest of the medium. */
export interface MediumDigest {
  readonly algorithm: 'md5' | 'sha1' | 'sha256'
  /** Lower-case hexadecimal. */
  readonly value: string
}

/** The digests that a set carries, each once. */
export async function readDigests(
  segments: readonly Segment[],
): Promise<{ readonly digests: readonly MediumDigest[]; readonly remarks: readonly string[] }> {
  const found = new Map<string, MediumDigest>()
  const remarks: string[] = []
  const add = (algorithm: MediumDigest['algorithm'], value: string) =>
    found.set(`${algorithm} ${value}`, { algorithm, value })
  /** All zeros stand for one that was not taken. */
  const addBytes = (algorithm: MediumDigest['algorithm'], bytes: Bytes) =>
    !isZero(bytes) && add(algorithm, asBuffer(bytes).toString('hex'))

  for (const segment of segments)
    for (const section of segment.sections) {
      const { type, offset } = section
      const bad = (what: string) =>
        remarks.push(
          `${segment.source.name}: the ${type} at 0x${offset.toString(16)} ${what}: it is not compared`,
        )
      const isSound = (checksum: Checksum) => {
        if (checksum === 'wrong') bad('does not hold its checksum')
        return checksum !== 'wrong'
      }
      if (type === 'hash') {
        const bytes = await readBody(segment, section, SIZES.hash)
        if (bytes.length < SIZES.hash) bad('is cut off')
        else {
          const { md5, checksum } = decodeHash(bytes)
          if (isSound(checksum)) addBytes('md5', md5)
        }
      } else if (type === 'digest') {
        const bytes = await readBody(segment, section, SIZES.digest)
        if (bytes.length < SIZES.digest) bad('is cut off')
        else {
          const { md5, sha1, checksum } = decodeDigest(bytes)
          if (isSound(checksum)) {
            addBytes('md5', md5)
            addBytes('sha1', sha1)
          }
        }
      } else if (type === 'xhash') {
        const text = inflatedText(await readBody(segment, section, MOST_TEXT))
        if (text === undefined) bad('is damaged')
        for (const match of text?.matchAll(/<(md5|sha1|sha256)>([0-9a-f]{32,64})</g) ?? [])
          add(match[1] as MediumDigest['algorithm'], match[2]!)
      }
    }
  return { digests: [...found.values()], remarks }
}

function inflatedText(stored: Bytes): string | undefined {
  try {
    return asBuffer(inflate('zlib', stored, MOST_TEXT)).toString('utf8')
  } catch {
    return undefined
  }
}
