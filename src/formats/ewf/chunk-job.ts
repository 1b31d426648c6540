import { readUninterrupted } from '../../platform/read-uninterrupted.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { decodeChunk } from './chunk-form.js'
import type { ChunkMap, StoredChunk } from './chunk-map.js'

/** Bytes of chunks that are decoded in one go, unless one is larger. */
export const JOB_BYTES = 1 << 20
/** Chunks further apart in their file are no longer read at once. */
const LARGEST_READ = 2 * JOB_BYTES

/** Chunks of one file that follow one another, to be decoded here or on a thread. */
export interface ChunkJob {
  /** The file, in which a thread reads for itself; or the bytes from the first chunk to the end of the last. */
  readonly stored: { readonly fd: number; readonly offset: number } | Bytes
  readonly chunks: readonly StoredChunk[]
  /** Of each chunk but the last, and of that one. */
  readonly chunkSize: number
  readonly lastSize: number
  /** Receives the chunks, one behind the other, and one byte more. */
  readonly content: ArrayBufferLike
}

/** What is wrong with a chunk, by its index in the job. */
export type Damage = ReadonlyMap<number, string>

/**
 * The job that decodes a chunk and those behind it, as far as they come in one go.
 * @param most chunks of it
 * @param room gives the memory for so many bytes
 * @throws as `map.locate`; the operating system's error
 */
export async function prepareJob(
  map: ChunkMap,
  first: number,
  most: number,
  room: (bytes: number) => ArrayBufferLike,
): Promise<ChunkJob> {
  const { chunkSize, size } = map
  const fitting = Math.max(1, Math.floor(JOB_BYTES / chunkSize))
  const { source, chunks: located } = await map.locate(first, Math.min(most, fitting))
  const chunks = closeTogether(located)
  const left = size - BigInt(first + chunks.length - 1) * BigInt(chunkSize)
  return {
    stored: await storedBytes(source, chunks),
    chunks,
    chunkSize,
    lastSize: clipLength(chunkSize, left),
    content: room(chunks.length * chunkSize + 1),
  }
}

/** Decodes the chunks of a job. @returns what is wrong with those that do not decode */
export function decodeChunks({ stored, chunks, chunkSize, lastSize, content }: ChunkJob): Damage {
  const { start, length } = extentOf(chunks)
  const target = new Uint8Array(content)
  const damage = new Map<number, string>()
  const bytes = 'fd' in stored ? readStored(stored.fd, stored.offset + start, length) : stored
  for (const [index, chunk] of chunks.entries()) {
    const from = chunk.offset - start
    const size = index === chunks.length - 1 ? lastSize : chunkSize
    // The byte behind it belongs to the next chunk, which comes later.
    const place = target.subarray(index * chunkSize, (index + 1) * chunkSize + 1)
    try {
      decodeChunk(chunk.form, bytes.subarray(from, from + chunk.length), size, place)
    } catch (error) {
      damage.set(index, (error as Error).message)
    }
  }
  return damage
}

/** Those at the beginning that one read takes. */
function closeTogether(chunks: readonly StoredChunk[]): readonly StoredChunk[] {
  let near = chunks
  while (near.length > 1 && extentOf(near).length > LARGEST_READ) near = near.slice(0, near.length >> 1)
  return near
}

/** Where chunks begin and end in their file. */
function extentOf(chunks: readonly StoredChunk[]): { readonly start: number; readonly length: number } {
  let start = Number.POSITIVE_INFINITY
  let end = 0
  for (const { offset, length } of chunks) {
    start = Math.min(start, offset)
    end = Math.max(end, offset + length)
  }
  return { start, length: end - start }
}

async function storedBytes(source: ByteSource, chunks: readonly StoredChunk[]): Promise<ChunkJob['stored']> {
  if (source.place) return { fd: source.place.fd, offset: Number(source.place.offset) }
  const { start, length } = extentOf(chunks)
  return source.read(BigInt(start), length)
}

let input = Buffer.alloc(0)

/** @returns fewer bytes where the file ends before @throws the operating system's error */
function readStored(fd: number, position: number, length: number): Bytes {
  if (input.length < length) input = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const count = readUninterrupted(fd, input, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return input.subarray(0, done)
}
