import type { Tool } from '../cli/tool.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DataFrame, Frame, Frames, StreamFrame } from '../frames/frame.js'

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
  for await (const batch of frames)
    yield batch.map((frame): Frame => {
      if (frame.type === 'stream') {
        chunkSize = frame.body.chunkSize
        return chunkSize === undefined ? frame : unchunked(frame)
      }
      if (frame.type !== 'data' || (frame.codec === 'none' && !frame.padded)) return frame
      return decoded(frame, chunkSize)
    })
}

function decoded(frame: DataFrame, chunkSize: number | undefined): DataFrame {
  const { raw: _, crc, ...rest } = frame
  return { ...rest, codec: 'none', padded: false, payload: chunkContent(frame, chunkSize) }
}

function unchunked({ raw: _, ...frame }: StreamFrame): StreamFrame {
  const { chunkSize: __, ...body } = frame.body
  return { ...frame, body: body as StreamFrame['body'] }
}
