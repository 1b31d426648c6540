import { crc32 } from '../codecs/crc32.js'
import type { ChunkRun, DataFrame } from './frame.js'

/** A frame of several chunks. */
export type RunFrame = DataFrame & { readonly chunks: ChunkRun }

export const isRun = (frame: DataFrame): frame is RunFrame => frame.chunks !== undefined

/** The same chunks, each in a frame of its own, as they are sent. */
export function* eachChunk(frame: RunFrame): Generator<DataFrame> {
  const { chunks, ...given } = frame
  const end = frame.offset + frame.length
  let { offset } = frame
  let at = 0
  for (const stored of chunks.lengths) {
    const left = Number(end - offset)
    yield {
      ...given,
      offset,
      length: BigInt(Math.min(chunks.size, left)),
      codec: stored === chunks.size ? 'none' : frame.codec,
      padded: left < chunks.size,
      payload: frame.payload.subarray(at, at + stored),
    }
    offset += BigInt(chunks.size)
    at += stored
  }
}

/** The first `count` chunks of a frame, and the others. */
export function splitRun(frame: RunFrame, count: number): [RunFrame, RunFrame] {
  const { size, lengths, hold } = frame.chunks
  const stored = lengths.slice(0, count).reduce((sum, length) => sum + length, 0)
  const length = BigInt(count * size)
  const part = (from: number, to: number, rest: Partial<RunFrame>): RunFrame => {
    const payload = frame.payload.subarray(from, to)
    const within = from === 0 ? lengths.slice(0, count) : lengths.slice(count)
    return { ...frame, ...rest, payload, chunks: { size, lengths: within, crc: crc32(payload), hold } }
  }
  return [
    part(0, stored, { length, padded: false }),
    part(stored, frame.payload.length, { offset: frame.offset + length, length: frame.length - length }),
  ]
}
