import { asBuffer } from '../../codecs/views.js'
import { isZero } from '../../codecs/zero.js'
import { FormatError } from '../format-error.js'
import { readBody, type Segment } from './sections.js'
import { type Checksum, decodeOldVolume, decodeVolume, SIZES } from './structs.js'

/** EnCase writes 32768 sectors of 512 bytes at most. */
const LARGEST_CHUNK = 16 << 20
const SMALLEST_CHUNK = 512
const LARGEST_SECTOR = 64 << 10
/** Where offsets end. */
const LARGEST_MEDIUM = 1n << 62n

/** What a set says about the medium. */
export interface Medium {
  readonly sectorSize: number
  readonly chunkSize: number
  /** In bytes; 0 where whoever wrote it did not come to tell. */
  readonly size: bigint
  /** Of the original format: `SMART`, or what the file begins with. */
  readonly signature: string | undefined
  /** Undefined in the original format. */
  readonly type: number | undefined
  readonly flags: number | undefined
  /** A GUID in hexadecimal; undefined where there is none. */
  readonly setId: string | undefined
  readonly checksum: Checksum
}

const TYPES = ['volume', 'disk', 'data']
const TRUST: readonly Checksum[] = ['right', 'absent', 'wrong']

/** What a segment says about the medium, by the most trustworthy of its sections; undefined where it has none. */
export async function readMedium(segment: Segment): Promise<Medium | undefined> {
  const found: Medium[] = []
  for (const section of segment.sections) {
    if (!TYPES.includes(section.type)) continue
    const bytes = await readBody(segment, section, SIZES.volume)
    if (bytes.length >= SIZES.volume) {
      const { mediaType, mediaFlags, setId, checksum, ...volume } = decodeVolume(bytes)
      const id = isZero(setId) ? undefined : asBuffer(setId).toString('hex')
      const signature = undefined
      found.push({ ...geometry(volume), signature, type: mediaType, flags: mediaFlags, setId: id, checksum })
    } else if (bytes.length >= SIZES.oldVolume) {
      const { sectors, signature, checksum, ...volume } = decodeOldVolume(bytes)
      const sizes = geometry({ ...volume, sectors: BigInt(sectors) })
      found.push({ ...sizes, signature, type: undefined, flags: undefined, setId: undefined, checksum })
    }
  }
  return mostTrusted(found)
}

/** The first of those with the best checksum. */
export const mostTrusted = (media: readonly Medium[]): Medium | undefined =>
  TRUST.map((trust) => media.find(({ checksum }) => checksum === trust)).find(Boolean)

function geometry(volume: { sectorsPerChunk: number; bytesPerSector: number; sectors: bigint }) {
  const { sectorsPerChunk, bytesPerSector, sectors } = volume
  return {
    sectorSize: bytesPerSector,
    chunkSize: sectorsPerChunk * bytesPerSector,
    size: sectors * BigInt(bytesPerSector),
  }
}

/** @throws {FormatError} where no medium is like that */
export function checkMedium({ sectorSize, chunkSize, size }: Medium, name: string): void {
  if (sectorSize < 1 || sectorSize > LARGEST_SECTOR)
    throw new FormatError(`${name}: sectors of ${sectorSize} bytes`)
  if (chunkSize < SMALLEST_CHUNK || chunkSize > LARGEST_CHUNK)
    throw new FormatError(`${name}: chunks of ${chunkSize} bytes`)
  if (size > LARGEST_MEDIUM) throw new FormatError(`${name}: a medium of ${size} bytes`)
}
