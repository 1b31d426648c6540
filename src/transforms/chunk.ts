import { EXIT, ToolError } from '../cli/exit.js'
import { parseSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import { copyBytes } from '../codecs/copy-bytes.js'
import type { Bytes } from '../formats/byte-source.js'
import { chunkContent } from '../frames/chunk-content.js'
import { BATCHES_ALIVE } from '../frames/decode.js'
import type { Batch, DataFrame, Frames, StreamBody, StreamFrame } from '../frames/frame.js'
import { MAX_PAYLOAD } from '../frames/header.js'
import { hasBytes } from '../frames/streams.js'
import { type ChunkPool, createChunkPool } from './chunk-pool.js'

/** What AFF4 readers expect, and what other imagers write. */
export const DEFAULT_CHUNK = 32 << 10
/** A batch ends once it holds this many bytes that were decoded or put together for it. */
const MADE_BYTES = 1 << 20

/** pmem-chunk: cuts DATA into chunks of one size. */
export const tool: Tool = {
  name: 'pmem-chunk',
  role: 'transform',
  usage: '[SIZE]',
  summary: 'cut data into chunks of one size (32k)',
  options: {},
  operands: [0, 1],
  run({ operands, io }) {
    const size = operands[0] === undefined ? DEFAULT_CHUNK : parseChunkSize(operands[0])
    return io.send(chunk(() => size)(io.frames()))
  },
}

/**
 * Reads the size of a chunk: one that a frame can carry.
 * @throws {ToolError} usage
 */
export function parseChunkSize(text: string): number {
  const size = parseSize(text)
  if (size === 0n || size > BigInt(MAX_PAYLOAD))
    throw new ToolError(EXIT.usage, `${text}: a chunk has 1 byte to 16 MiB`)
  return Number(size)
}

/**
 * Cuts the DATA of each stream into chunks, counted from the start of each run of addresses: all have the
 * stream's chunk size, the last of a run being padded with zeros. What is a chunk already goes through as it
 * came, compressed or not; other compressed data are decoded first.
 * @param sizeFor the chunk size of a stream
 * @param batchesAlive for how many further batches views stay valid, those of `frames` and those given
 */
export function chunk(
  sizeFor: (body: StreamBody) => number,
  batchesAlive = BATCHES_ALIVE,
): (frames: Frames) => Frames {
  return async function* (frames) {
    let cutter: Cutter | undefined
    let pool = createChunkPool(0, batchesAlive)
    let out: Batch = []
    let made = 0

    function* deliver(): Generator<Batch> {
      // An empty batch too: whoever asks for the next one gives up the views of those before.
      const full = out
      out = []
      made = 0
      yield full
      pool.turn()
    }

    try {
      for await (const batch of frames) {
        for (const frame of batch) {
          if (frame.type === 'data' && cutter) {
            made += cutter.cut(frame, out)
            if (made >= MADE_BYTES) yield* deliver()
            continue
          }
          // A NOTE or META between two halves of a chunk goes before it.
          if (frame.type === 'fill' || frame.type === 'close') made += cutter?.finish(out) ?? 0
          if (frame.type !== 'stream') out.push(frame)
          else if (!hasBytes(frame.body)) {
            cutter = undefined
            out.push(frame)
          } else {
            const size = sizeFor(frame.body)
            if (size !== pool.size) pool = createChunkPool(size, batchesAlive)
            cutter = createCutter(frame.body.chunkSize, pool)
            out.push(withChunkSize(frame, size))
          }
        }
        yield* deliver()
      }
    } catch (error) {
      cutter?.finish(out)
      yield* deliver()
      throw error
    }
  }
}

function withChunkSize(frame: StreamFrame, chunkSize: number): StreamFrame {
  if (frame.body.chunkSize === chunkSize) return frame
  const { raw: _, ...rest } = frame
  return { ...rest, body: { ...frame.body, chunkSize } }
}

/** Both give how many bytes they decoded or put together. */
interface Cutter {
  /** Appends the chunks that `frame` completes. */
  cut(frame: DataFrame, out: Batch): number
  /** Appends what has been begun, as a padded chunk. */
  finish(out: Batch): number
}

/** @param given the chunk size that the stream comes with */
function createCutter(given: number | undefined, pool: ChunkPool): Cutter {
  const { size } = pool
  /** A chunk of which only the beginning has come. */
  let begun: { stream: number; time: bigint; offset: bigint; bytes: Buffer; filled: number } | undefined

  function finish(out: Batch): number {
    if (!begun) return 0
    const { stream, time, offset, bytes, filled } = begun
    begun = undefined
    bytes.fill(0, filled)
    pool.lend(bytes)
    out.push(rawChunk(stream, time, offset, BigInt(filled), filled < size, bytes))
    return size
  }

  function cut(frame: DataFrame, out: Batch): number {
    let made = 0
    if (begun && frame.offset !== begun.offset + BigInt(begun.filled)) made += finish(out)
    if (frame.chunks) made += finish(out)
    if (frame.chunks || (!begun && isChunk(frame, size, given))) {
      out.push(frame)
      return made
    }
    const { stream, time } = frame
    const content = chunkContent(frame, given)
    if (frame.codec !== 'none') made += content.length
    const length = BigInt(size)
    let at = 0
    while (at < content.length) {
      const offset = frame.offset + BigInt(at)
      if (!begun && content.length - at >= size) {
        out.push(rawChunk(stream, time, offset, length, false, content.subarray(at, at + size)))
        at += size
        continue
      }
      begun ??= { stream, time, offset, bytes: pool.take(), filled: 0 }
      const piece = content.subarray(at, at + size - begun.filled)
      copyBytes(begun.bytes, begun.filled, piece)
      begun.filled += piece.length
      at += piece.length
      if (begun.filled === size) made += finish(out)
    }
    return made
  }
  return { cut, finish }
}

/** One literal with the decoder's order of fields: frames of one shape cost every stage behind half as much. */
function rawChunk(
  stream: number,
  time: bigint,
  offset: bigint,
  length: bigint,
  padded: boolean,
  payload: Bytes,
): DataFrame {
  return { type: 'data', stream, time, offset, length, codec: 'none', padded, payload }
}

/** Whether a frame is a chunk of its stream as it stands. */
function isChunk(frame: DataFrame, size: number, given: number | undefined): boolean {
  if (frame.codec !== 'none') return given === size
  return frame.payload.length === size && (!frame.padded || given === size)
}
