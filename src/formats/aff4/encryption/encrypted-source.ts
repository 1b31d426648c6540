import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { FormatError } from '../../format-error.js'
import { bevyUrn, INDEX_ENTRY_SIZE, indexUrn, readIndexEntry } from '../image-stream.js'
import { aff4 } from '../lexicon.js'
import type { Volume } from '../volume.js'
import { UNIT, type UnitCipher } from './xts.js'

/**
 * An aff4:EncryptedStream: stored as an image stream whose chunks are the cipher's units, each as long as it is
 * plain; the last one is padded with zeros, and `size` says where they begin.
 */

/** Stored bytes that are read and decrypted at a time. */
const GROUP = 1 << 20
const CACHED_BEVIES = 16
const LARGEST_INDEX = 16n << 20n

interface Bevy {
  readonly index: Bytes
  readonly stored: ByteSource
}

/**
 * The plain bytes of an encrypted stream.
 * @param decrypt the cipher of its key
 * @throws {FormatError} when its description is not one of a stream that can be read
 */
export function openEncryptedStream(volume: Volume, urn: string, decrypt: UnitCipher): ByteSource {
  const refuse = (why: string): never => {
    throw new FormatError(`${volume.name}: encrypted stream ${urn}: ${why}`)
  }
  const property = (name: string) => volume.graph.integer(urn, aff4(name))
  const declaredSize = property('size')
  const size = declaredSize ?? refuse('no size')
  const chunkSize = property('chunkSize')
  if (chunkSize !== BigInt(UNIT)) refuse(`chunks of ${chunkSize ?? 'no'} bytes, not ${UNIT}`)
  const declaredCount = property('chunksInSegment') ?? 2048n
  if (declaredCount < 1n || declaredCount > LARGEST_INDEX / BigInt(INDEX_ENTRY_SIZE))
    refuse(`${declaredCount} chunks in a bevy`)
  const unitsPerBevy = Number(declaredCount)
  const bevies = new Map<bigint, Bevy>()

  async function bevyOf(number: bigint): Promise<Bevy> {
    const cached = bevies.get(number)
    if (cached) return cached
    const index = volume.find(indexUrn(urn, Number(number)))
    const stored = volume.find(bevyUrn(urn, Number(number)))
    if (!index || !stored) return refuse(`bevy ${number} is not in the volume`)
    const bevy = { index: await volume.read(index, LARGEST_INDEX), stored: await volume.open(stored) }
    bevies.set(number, bevy)
    if (bevies.size > CACHED_BEVIES) bevies.delete(bevies.keys().next().value as bigint)
    return bevy
  }

  /** Where units lie in their bevy; how many, at most `most`, lie back to back. */
  function locate({ index, stored }: Bevy, slot: number, most: number): { offset: bigint; units: number } {
    const first =
      readIndexEntry(index, slot)?.offset ?? refuse(`chunk ${slot} is not in the index of its bevy`)
    let units = 0
    for (; units < most; units++) {
      const entry = readIndexEntry(index, slot + units)
      if (entry?.offset !== first + BigInt(units * UNIT)) break
      if (entry.length !== UNIT) refuse(`chunk ${slot + units} is stored in ${entry.length} bytes`)
    }
    if (first + BigInt(units * UNIT) > stored.size) refuse(`chunk ${slot} reaches past the end of its bevy`)
    return { offset: first, units }
  }

  async function read(offset: bigint, length: number): Promise<Bytes> {
    const left = size > offset ? size - offset : 0n
    const wanted = clipLength(length, left)
    const pieces: Bytes[] = []
    for (let done = 0; done < wanted; ) {
      const at = offset + BigInt(done)
      const unit = at / BigInt(UNIT)
      const within = Number(at % BigInt(UNIT))
      const bevy = await bevyOf(unit / declaredCount)
      const slot = Number(unit % declaredCount)
      const needed = Math.ceil((within + wanted - done) / UNIT)
      const group = locate(bevy, slot, Math.min(needed, unitsPerBevy - slot, GROUP / UNIT))
      const stored = await bevy.stored.read(group.offset, group.units * UNIT)
      const plain = Buffer.allocUnsafe(stored.length)
      decrypt(stored, unit, plain)
      const piece = plain.subarray(within, within + wanted - done)
      pieces.push(piece)
      done += piece.length
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  return { name: volume.name, size, read, async close() {} }
}
