import { hash } from 'node:crypto'
import { decompressInto } from '../../../codecs/codec.js'
import { crc32 } from '../../../codecs/crc32.js'
import { readUninterrupted } from '../../../platform/read-uninterrupted.js'
import type { Bytes } from '../../byte-source.js'
import { type ChunkFormat, formOfChunk } from '../chunk-form.js'

/** Chunks of a stream that lie back to back, to be decoded on a thread. */
export interface ChunkJob {
  /** The stored bytes, or where a thread reads them for itself. */
  readonly stored: Bytes | { readonly fd: number; readonly position: number }
  /** Stored length of each chunk. */
  readonly lengths: readonly number[]
  readonly format: ChunkFormat
  /** The digests that are wanted of each chunk, as Node calls them. */
  readonly digests: readonly string[]
  /** Receives the chunks, one behind the other. */
  readonly content: SharedArrayBuffer
}

export interface ChunkSums {
  /** Of the stored bytes. */
  readonly crc: number
  /** By their names those of all chunks, one behind the other. */
  readonly digests: ReadonlyMap<string, Bytes>
}

/**
 * Decodes chunks and sums them up.
 * @returns undefined when one of them can't be read or doesn't decode to exactly its size: what is wrong is found by
 * who looks at each for itself
 */
export function checkChunks(job: ChunkJob): ChunkSums | undefined {
  const stored = storedBytes(job)
  const { chunkSize } = job.format
  if (!stored) return undefined
  const content = Buffer.from(job.content)
  const sums = job.digests.map((name) => ({ name, each: [] as Bytes[] }))
  let from = 0
  let filled = 0
  for (const length of job.lengths) {
    const chunk = content.subarray(filled, filled + chunkSize)
    if (!decodes(job.format, stored.subarray(from, from + length), chunk)) return undefined
    for (const { name, each } of sums) each.push(hash(name, chunk, 'buffer'))
    from += length
    filled += chunkSize
  }
  return { crc: crc32(stored), digests: new Map(sums.map(({ name, each }) => [name, Buffer.concat(each)])) }
}

function decodes(format: ChunkFormat, bytes: Bytes, into: Buffer): boolean {
  try {
    const { codec, stored } = formOfChunk(format, bytes)
    decompressInto(codec, stored, into)
    return true
  } catch {
    return false
  }
}

let input = Buffer.alloc(0)

/** Undefined where the file ends before them, or can't be read. */
function storedBytes({ stored, lengths }: ChunkJob): Bytes | undefined {
  if (!('fd' in stored)) return stored
  const length = lengths.reduce((sum, each) => sum + each, 0)
  if (input.length < length) input = Buffer.allocUnsafeSlow(length)
  try {
    for (let done = 0; done < length; ) {
      const count = readUninterrupted(stored.fd, input, done, length - done, stored.position + done)
      if (count === 0) return undefined
      done += count
    }
  } catch {
    return undefined
  }
  return input.subarray(0, length)
}
