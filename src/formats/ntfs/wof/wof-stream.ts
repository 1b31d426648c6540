import { asBuffer } from '../../../codecs/views.js'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { min } from '../../min-max.js'
import { NtfsError } from '../finding.js'
import { openChunkTable } from './chunk-table.js'
import { decompressLzx } from './lzx.js'
import type { WofAlgorithm } from './reparse-data.js'
import { decompressXpress } from './xpress.js'

/** Plain bytes in ascending order, or why there are none. */
export type WofPiece =
  | { readonly kind: 'bytes'; readonly offset: bigint; readonly bytes: Buffer }
  | { readonly kind: 'unreadable'; readonly offset: bigint; readonly length: bigint; readonly reason: string }

type Room = (offset: bigint, length: number) => Buffer

/** The plain content of a file that WOF compressed. `read` throws where a byte of the range cannot be had. */
export interface WofContent extends ByteSource {
  /**
   * All of a range, however damaged; clipped to the size. A corrupt chunk costs that chunk.
   * @param room where its bytes go: asked for at most a MiB at once; its own memory for each piece unless given
   */
  pieces(start?: bigint, end?: bigint, room?: Room): AsyncGenerator<WofPiece>
}

export interface WofContentOptions {
  /** The stream `WofCompressedData`. */
  readonly compressed: ByteSource
  /** Plain bytes: the data size of the unnamed stream. */
  readonly size: bigint
  readonly algorithm: WofAlgorithm
  /** Where from an offset of `compressed` on the first byte stands that is stored, not a hole or lost; all are unless given. */
  nextStored?(offset: bigint): bigint
}

/** Fills the output, or throws an NtfsError. */
type Decompress = (input: Bytes, output: Bytes) => void

const ALGORITHMS: Record<WofAlgorithm, { readonly chunkSize: number; readonly decompress: Decompress }> = {
  xpress4k: { chunkSize: 4096, decompress: decompressXpress },
  lzx: { chunkSize: 32768, decompress: decompressLzx },
  xpress8k: { chunkSize: 8192, decompress: decompressXpress },
  xpress16k: { chunkSize: 16384, decompress: decompressXpress },
}

/** Most bytes of a piece, and of chunks that are read at once. */
const PIECE_SIZE = 1 << 20

/** Reads nothing yet. Memory is a few pieces, whatever the sizes. */
export function openWofContent({
  compressed,
  size,
  algorithm,
  nextStored = (offset) => offset,
}: WofContentOptions): WofContent {
  const { name } = compressed
  const { chunkSize, decompress } = ALGORITHMS[algorithm]
  const table = openChunkTable(compressed, size, chunkSize)
  const chunksInPiece = PIECE_SIZE / chunkSize
  /** The last chunk of which only a part was wanted: the rest is likely to be wanted next. */
  const last = { index: -1, bytes: Buffer.alloc(0) }

  const plainLength = (index: number) =>
    index < table.chunkCount - 1 ? chunkSize : Number(size - BigInt(index) * BigInt(chunkSize))

  function decompressChunk(stored: Bytes, plain: Buffer): void {
    if (stored.length === plain.length) plain.set(stored)
    else decompress(stored, plain)
  }

  /** What is stored of chunks, or why a chunk cannot be had. */
  async function readChunks(first: number, count: number): Promise<(Bytes | string)[]> {
    const boundaries = await attempt(() => table.boundaries(first, count))
    if (typeof boundaries === 'string') return Array(count).fill(boundaries)
    const chunks: (Bytes | string)[] = []
    const complaintAt = (index: number) =>
      complain(boundaries[index], boundaries[index + 1], plainLength(first + index), table.chunksSize)
    while (chunks.length < count) {
      const from = chunks.length
      const complaint = complaintAt(from)
      if (complaint !== undefined) {
        chunks.push(complaint)
        continue
      }
      let to = from + 1
      while (to < count && complaintAt(to) === undefined) to++
      chunks.push(...(await readRange(boundaries.slice(from, to + 1))))
    }
    return chunks
  }

  /** Chunks that lie back to back, at once if that succeeds. */
  async function readRange(boundaries: readonly number[]): Promise<(Bytes | string)[]> {
    const [start, end] = [boundaries[0]!, boundaries.at(-1)!]
    const count = boundaries.length - 1
    const bytes = await attempt(() => compressed.read(table.chunksStart + BigInt(start), end - start))
    if (typeof bytes !== 'string' && bytes.length === end - start)
      return Array.from({ length: count }, (_, index) =>
        bytes.subarray(boundaries[index]! - start, boundaries[index + 1]! - start),
      )
    if (count === 1) return [typeof bytes === 'string' ? bytes : 'its compressed data are cut off']
    const chunks: (Bytes | string)[] = []
    for (let index = 0; index < count; index++)
      chunks.push(...(await readRange(boundaries.slice(index, index + 2))))
    return chunks
  }

  async function* pieces(
    start = 0n,
    end = size,
    room: Room = (_, length) => Buffer.allocUnsafe(length),
  ): AsyncGenerator<WofPiece> {
    const limit = min(end, size)
    if (start < limit && table.chunksSize < 0) {
      const reason = 'the table of its chunks is longer than its compressed data'
      yield { kind: 'unreadable', offset: start, length: limit - start, reason }
      return
    }
    for (let offset = start; offset < limit; ) {
      const first = Number(offset / BigInt(chunkSize))
      const begin = BigInt(first) * BigInt(chunkSize)
      const listed = BigInt(table.firstListed(first, nextStored)) * BigInt(chunkSize)
      if (listed > begin) {
        const end = listed < limit ? listed : limit
        const reason = 'the table of its chunks is not stored here'
        yield { kind: 'unreadable', offset, length: end - offset, reason }
        offset = end
        continue
      }
      const behind = begin + BigInt(PIECE_SIZE) < limit ? begin + BigInt(PIECE_SIZE) : limit
      const count = Math.min(chunksInPiece, Math.ceil(Number(behind - begin) / chunkSize))
      const buffer = room(offset, Number(behind - offset))
      yield* fill(buffer, offset, first, count)
      offset = behind
    }
  }

  /** @param offset of the buffer, which begins in the first chunk and ends in the last */
  async function* fill(
    buffer: Buffer,
    offset: bigint,
    first: number,
    count: number,
  ): AsyncGenerator<WofPiece> {
    const skipped = Number(offset - BigInt(first) * BigInt(chunkSize))
    if (count === 1 && last.index === first) {
      last.bytes.copy(buffer, 0, skipped)
      yield { kind: 'bytes', offset, bytes: buffer }
      return
    }
    const chunks = await readChunks(first, count)
    const lost: { readonly from: number; to: number; readonly reason: string }[] = []
    for (const [index, stored] of chunks.entries()) {
      const at = index * chunkSize - skipped
      const from = Math.max(0, at)
      const to = Math.min(at + plainLength(first + index), buffer.length)
      const reason = place(stored, first + index, buffer.subarray(from, to), from - at)
      if (reason === undefined) continue
      const before = lost.at(-1)
      if (before?.to === from && before.reason === reason) before.to = to
      else lost.push({ from, to, reason })
    }
    const bytes = (from: number, to: number): WofPiece => ({
      kind: 'bytes',
      offset: offset + BigInt(from),
      bytes: buffer.subarray(from, to),
    })
    let given = 0
    for (const { from, to, reason } of lost) {
      if (from > given) yield bytes(given, from)
      const length = BigInt(to - from)
      yield { kind: 'unreadable', offset: offset + BigInt(from), length, reason }
      given = to
    }
    if (buffer.length > given) yield bytes(given, buffer.length)
  }

  /** @returns why the chunk cannot be had */
  function place(stored: Bytes | string, index: number, target: Buffer, skipped: number): string | undefined {
    if (typeof stored === 'string') return stored
    const length = plainLength(index)
    try {
      if (target.length === length) decompressChunk(stored, target)
      else {
        last.index = -1
        if (last.bytes.length !== length) last.bytes = Buffer.allocUnsafe(length)
        decompressChunk(stored, last.bytes)
        last.index = index
        last.bytes.copy(target, 0, skipped)
      }
    } catch (error) {
      if (!(error instanceof NtfsError)) throw error
      return `a chunk is corrupt: ${error.message}`
    }
    return undefined
  }

  return {
    name,
    size,
    pieces,
    async read(offset, length, into): Promise<Bytes> {
      const left = offset < size ? size - offset : 0n
      const wanted = clipLength(length, left)
      const target = into ? asBuffer(into).subarray(0, wanted) : Buffer.allocUnsafe(wanted)
      const room: Room = (at, count) => {
        const from = Number(at - offset)
        return target.subarray(from, from + count)
      }
      for await (const piece of pieces(offset, offset + BigInt(wanted), room))
        if (piece.kind === 'unreadable') throw new NtfsError(`${name}: ${piece.reason}`, piece.offset)
      return target
    },
    close: () => compressed.close(),
  }
}

/** @returns what is wrong with the place of a chunk */
function complain(
  start: number | undefined,
  end: number | undefined,
  plainLength: number,
  chunksSize: number,
): string | undefined {
  if (start === undefined || end === undefined) return 'the table of its chunks is cut off'
  if (end <= start) return 'a chunk is corrupt: the table gives it no bytes'
  if (end > chunksSize) return 'a chunk is corrupt: it ends behind the compressed data'
  if (end - start > plainLength) return 'a chunk is corrupt: it is longer than it would be plain'
  return undefined
}

/** What cannot be read costs only what lies there. */
async function attempt<T>(read: () => Promise<T>): Promise<T | string> {
  try {
    return await read()
  } catch (error) {
    return (error as Error).message
  }
}
