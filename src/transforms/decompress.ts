import type { Tool } from '../cli/tool.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { DataFrame, Frames, StreamFrame } from '../frames/frame.js'
import { decodedBatches } from './decoded-batches.js'

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
export function decompress(frames: Frames): Frames {
  let chunkSize: number | undefined
  return decodedBatches(frames, (frame, out) => {
    if (frame.type === 'stream') chunkSize = frame.body.chunkSize
    if (frame.type === 'data' && (frame.codec !== 'none' || frame.padded)) {
      out.push(plain(frame, chunkSize))
      return Number(frame.length)
    }
    out.push(frame.type === 'stream' && chunkSize !== undefined ? unchunked(frame) : frame)
    return 0
  })
}

function plain(frame: DataFrame, chunkSize: number | undefined): DataFrame {
  const { raw: _, crc, ...rest } = frame
  return { ...rest, codec: 'none', padded: false, payload: chunkContent(frame, chunkSize) }
}

function unchunked({ raw: _, ...frame }: StreamFrame): StreamFrame {
  const { chunkSize: __, ...body } = frame.body
  return { ...frame, body: body as StreamFrame['body'] }
}
