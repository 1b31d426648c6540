import type { Tool } from '../cli/tool.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { Batch, DataFrame, Frames, StreamFrame } from '../frames/frame.js'

/** A batch ends once it holds this many decoded bytes: a few stored ones can stand for many. */
const DECODED_BYTES = 1 << 20

/** pmem-decompress: DATA is sent on as it reads, raw and without padding. */
export const tool: Tool = {
  name: 'pmem-decompress',
  role: 'transform',
  usage: '',
  summary: 'decode compressed frames',
  options: {},
  operands: [0, 0],
  run: ({ io }) => io.send(decompress(io.frames())),
}

/** Decodes what is compressed; raw frames without padding pass as they are. */
export async function* decompress(frames: Frames): Frames {
  let chunkSize: number | undefined
  for await (const batch of frames) {
    let out: Batch = []
    let decoded = 0
    try {
      for (const frame of batch) {
        if (frame.type === 'stream') chunkSize = frame.body.chunkSize
        if (frame.type === 'stream' && chunkSize !== undefined) out.push(unchunked(frame))
        else if (frame.type === 'data' && (frame.codec !== 'none' || frame.padded)) {
          out.push(plain(frame, chunkSize))
          decoded += Number(frame.length)
        } else out.push(frame)
        if (decoded < DECODED_BYTES) continue
        yield out
        out = []
        decoded = 0
      }
    } catch (error) {
      yield out
      throw error
    }
    yield out
  }
}

function plain(frame: DataFrame, chunkSize: number | undefined): DataFrame {
  const { raw: _, crc, ...rest } = frame
  return { ...rest, codec: 'none', padded: false, payload: chunkContent(frame, chunkSize) }
}

function unchunked({ raw: _, ...frame }: StreamFrame): StreamFrame {
  const { chunkSize: __, ...body } = frame.body
  return { ...frame, body: body as StreamFrame['body'] }
}
