import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import type { DigestName } from './lexicon.js'

/**
 * An image stream (AFF4 Standard v1.0 §3): chunks of one size, each stored for itself. A bevy is a member that
 * holds so many chunks back to back; its index has 12 bytes for each:
 *
 *      0  8  offset of the stored chunk in the bevy
 *      8  4  its stored length; the chunk size itself means that it is stored raw
 */
export const INDEX_ENTRY_SIZE = 12

export const DEFAULT_CHUNK_SIZE = 32768
/** More than any volume in the field has. */
export const LARGEST_CHUNK_SIZE = 16 << 20
const BEVY_BYTES = 16 << 20

/** 1024 chunks of 32 KiB; as many bytes of others, where the index doesn't outgrow them. */
export const chunksPerBevy = (chunkSize: number): number =>
  Math.max(1, Math.min(8192, Math.floor(BEVY_BYTES / chunkSize)))

export const bevyUrn = (stream: string, number: number): string =>
  `${stream}/${String(number).padStart(8, '0')}`
export const indexUrn = (stream: string, number: number): string => `${bevyUrn(stream, number)}.index`
export const blockHashUrn = (stream: string, number: number, digest: DigestName): string =>
  `${bevyUrn(stream, number)}.blockHash.${digest}`

/** Writes entry `slot` of an index. A bevy is smaller than 4 GiB. */
export function writeIndexEntry(index: DataView, slot: number, offset: number, length: number): void {
  const at = slot * INDEX_ENTRY_SIZE
  index.setUint32(at, offset, true)
  index.setUint32(at + 4, 0, true)
  index.setUint32(at + 8, length, true)
}

/** Where a chunk lies in its bevy. */
export interface StoredRange {
  readonly offset: bigint
  readonly length: number
}

/** Entry `slot` of an index; undefined beyond its end. */
export function readIndexEntry(index: Bytes, slot: number): StoredRange | undefined {
  const at = slot * INDEX_ENTRY_SIZE
  if (at + INDEX_ENTRY_SIZE > index.length) return undefined
  const view = new DataView(index.buffer, index.byteOffset + at, INDEX_ENTRY_SIZE)
  return { offset: view.getBigUint64(0, true), length: view.getUint32(8, true) }
}

/**
 * The same from before the Standard: 4 bytes for each chunk, its start where the first one is 0, else its end. The
 * length is negative where offsets don't ascend.
 */
export function readIndexOffsets(index: Bytes, slot: number, bevySize: bigint): StoredRange | undefined {
  const view = asDataView(index)
  const count = Math.floor(index.length / 4)
  if (slot >= count) return undefined
  const at = (entry: number) => view.getUint32(entry * 4, true)
  const starts = at(0) === 0
  const start = starts ? at(slot) : slot === 0 ? 0 : at(slot - 1)
  const next = starts ? slot + 1 : slot
  const end = next < count ? at(next) : Number(bevySize)
  return { offset: BigInt(start), length: end - start }
}

/** Where AXIOM keeps a bevy: below the path of the file, with a backslash. */
export const axiomBevyUrn = (volume: string, path: string, number: number): string =>
  `${volume}/${encodeURIComponent(path).replace(/%2F/g, '/').replace(/%5C/g, '\\')}\\${String(number).padStart(8, '0')}`

/** An index of the suite of 2015, from one of the Standard: where each chunk begins, as u32. */
export function chunkStarts(index: Bytes): Bytes {
  const view = asDataView(index)
  const starts = Buffer.alloc((index.length / INDEX_ENTRY_SIZE) * 4)
  for (let at = 0; at < starts.length; at += 4) starts.writeUInt32LE(view.getUint32(at * 3, true), at)
  return starts
}
