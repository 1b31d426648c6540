import { createHash } from 'node:crypto'
import { adler32 } from '../../../codecs/adler32.js'
import {
  type ChunkCompressor,
  defaultThreads,
  JOB_BYTES,
  openChunkCompressor,
  type StoredChunk,
} from '../../../codecs/chunk-compressor.js'
import { compress } from '../../../codecs/codec.js'
import { copyBytes } from '../../../codecs/copy-bytes.js'
import { asDataView } from '../../../codecs/views.js'
import type { Bytes } from '../../byte-source.js'
import { SIZES } from '../structs.js'

/** Sectors are of 512 bytes to 4 KiB, and a chunk of whole ones. */
export const CHUNK_SIZE = 32 << 10
/** The level for zeros: the same few bytes stand for them again and again. */
const SMALLEST = 9
/** Results that are taken while those before them are still written. */
const RESULTS_IN_USE = 2

/** A chunk as a `sectors` section has it. */
export interface EncodedChunk {
  readonly compressed: boolean
  /** One behind the other; they stay as they are until they are written. */
  readonly pieces: readonly Bytes[]
  readonly length: number
}

/** Bytes of media on their way into chunks, compressed on all cores; digests are taken beside it. */
export interface MediaChunks {
  /** Bytes that have come. */
  readonly size: bigint
  /** Takes bytes, by a copy. @throws what `write` threw for earlier ones */
  put(bytes: Bytes): void | Promise<void>
  /** Takes `length` bytes that `fill` makes, in pieces; it is told the distance of each from the first. */
  make(length: bigint, fill: (into: Bytes, distance: bigint) => void): Promise<void>
  /** Hands on what is held back. Behind a chunk that is not full nothing can come. */
  flush(): Promise<void>
  /** Of all bytes that have come: MD5 and SHA-1. */
  digests(): { readonly md5: Bytes; readonly sha1: Bytes }
  /** Ends the threads. */
  close(): Promise<void>
}

interface Slab {
  readonly bytes: Buffer
  filled: number
}

/**
 * @param level of zlib, 0 where nothing is to be compressed
 * @param write takes chunks in their order; called again when it is done
 */
export function openMediaChunks(
  level: number,
  write: (chunks: readonly EncodedChunk[]) => Promise<void>,
): MediaChunks {
  const compressor = openCompressor(level)
  const encode = chunkEncoder(level)
  const md5 = createHash('md5')
  const sha1 = createHash('sha1')
  const free: Slab[] = []
  const jobs: { slab: Slab; stored: Promise<StoredChunk[]> }[] = []
  let slab = takeSlab()
  let hashed = 0
  let size = 0n
  let writing: Promise<void> = Promise.resolve()

  function takeSlab(): Slab {
    return free.pop() ?? { bytes: Buffer.from(new SharedArrayBuffer(JOB_BYTES)), filled: 0 }
  }

  function hash(): void {
    const fresh = slab.bytes.subarray(hashed, slab.filled)
    md5.update(fresh)
    sha1.update(fresh)
    hashed = slab.filled
  }

  /** Hands the oldest job's chunks on, behind those that are being written. */
  async function handOn(): Promise<void> {
    const { slab: done, stored } = jobs.shift()!
    const chunks = (await stored).map((chunk, i) =>
      encode(chunk, done.bytes.subarray(i * CHUNK_SIZE, Math.min((i + 1) * CHUNK_SIZE, done.filled))),
    )
    await writing
    writing = write(chunks).then(() => {
      done.filled = 0
      free.push(done)
    })
    writing.catch(() => {}) // met by whoever waits next
  }

  async function submit(): Promise<void> {
    hash()
    while (jobs.length >= compressor.depth) await handOn()
    const chunks: Bytes[] = []
    for (let at = 0; at < slab.filled; at += CHUNK_SIZE)
      chunks.push(slab.bytes.subarray(at, Math.min(at + CHUNK_SIZE, slab.filled)))
    jobs.push({ slab, stored: compressor.submit(chunks) })
    slab = takeSlab()
    hashed = 0
  }

  async function putPieces(bytes: Bytes): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + JOB_BYTES - slab.filled)
      take(piece.length, (into) => copyBytes(into, 0, piece))
      done += piece.length
      if (slab.filled === JOB_BYTES) await submit()
    }
  }

  function take(length: number, fill: (into: Buffer) => void): void {
    fill(slab.bytes.subarray(slab.filled, slab.filled + length))
    slab.filled += length
    size += BigInt(length)
  }

  return {
    get size() {
      return size
    },
    put(bytes): void | Promise<void> {
      if (bytes.length >= JOB_BYTES - slab.filled) return putPieces(bytes)
      take(bytes.length, (into) => copyBytes(into, 0, bytes))
    },
    async make(length, fill) {
      for (let done = 0n; done < length; ) {
        const left = length - done
        const room = JOB_BYTES - slab.filled
        const piece = left < BigInt(room) ? Number(left) : room
        take(piece, (into) => fill(into, done))
        done += BigInt(piece)
        if (slab.filled === JOB_BYTES) await submit()
      }
    },
    async flush() {
      if (slab.filled > 0) await submit()
      while (jobs.length > 0) await handOn()
      await writing
    },
    digests() {
      hash()
      return { md5: md5.copy().digest(), sha1: sha1.copy().digest() }
    },
    close: () => compressor.close(),
  }
}

const openCompressor = (level: number): ChunkCompressor =>
  level === 0
    ? openChunkCompressor({ codec: 'none', threads: 1, keep: RESULTS_IN_USE })
    : openChunkCompressor({ codec: 'zlib', level, threads: defaultThreads(), keep: RESULTS_IN_USE })

/** Makes of what the compressor gives what a segment takes. */
function chunkEncoder(level: number) {
  let zeros: EncodedChunk | undefined

  function raw(chunk: Bytes): EncodedChunk {
    const sum = new Uint8Array(SIZES.checksum)
    asDataView(sum).setUint32(0, adler32(chunk), true)
    return { compressed: false, pieces: [chunk, sum], length: chunk.length + sum.length }
  }
  function ofZeros(chunk: Bytes): EncodedChunk {
    if (level === 0) return raw(chunk)
    const bytes = compress('zlib', chunk, SMALLEST)
    return { compressed: true, pieces: [bytes], length: bytes.length }
  }
  return (stored: StoredChunk, chunk: Bytes): EncodedChunk => {
    if (stored.zero) {
      if (chunk.length < CHUNK_SIZE) return ofZeros(chunk)
      zeros ??= ofZeros(Buffer.alloc(CHUNK_SIZE))
      return zeros
    }
    if (stored.codec === 'none') return raw(chunk)
    return { compressed: true, pieces: [stored.bytes], length: stored.bytes.length }
  }
}
