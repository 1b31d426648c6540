import { pathToFileURL } from 'node:url'
import { type ByteInput, decode } from '../../src/frames/decode.js'
import { createEncoder } from '../../src/frames/encode.js'
import type { Frame } from '../../src/frames/frame.js'

/** A file of the package, from the compiled tests as from the sources. */
export const packageFile = (path: string): URL => new URL(path, pathToFileURL(`${process.cwd()}/`))

/** Bytes as an input that gives at most `step` of them a read. */
export function bytesInput(bytes: Buffer, step = bytes.length): ByteInput {
  let at = 0
  return {
    name: 'test input',
    async read(into) {
      const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + step))
      at += count
      return count
    },
  }
}

/** What a writer of these frames sends. */
export function encoded(frames: Frame[], crc = false): Buffer {
  return Buffer.concat(createEncoder(crc).encode(frames))
}

/** Each frame by itself, as a writer of all of them sends it. */
export function encodedOneByOne(frames: Frame[], crc = false): Buffer[] {
  const encoder = createEncoder(crc)
  return frames.map((frame) => Buffer.concat(encoder.encode([frame])))
}

/** What a reader makes of bytes: the frames, each told as text, and the error that ended it. */
export interface Reading {
  /** `(end truncated)`, in parentheses, is what the reader itself put in. */
  frames: string[]
  refused: unknown
}

export async function readAll(bytes: Buffer, step?: number): Promise<Reading> {
  const frames: string[] = []
  try {
    for await (const batch of decode(bytesInput(bytes, step)))
      for (const frame of batch) frames.push(frame.raw ? told(frame) : `(${toldShort(frame)})`)
    return { frames, refused: undefined }
  } catch (refused) {
    return { frames, refused }
  }
}

function toldShort(frame: Frame): string {
  if (frame.type === 'close') return `close ${frame.body.status} ${frame.body.bytes}`
  return frame.type === 'end' ? `end ${frame.body.status}` : frame.type
}

/** Everything a frame says, as text: equal frames are equal texts. The counts of END and CRCs are left out. */
export function told(frame: Frame): string {
  const said = Object.entries(frame)
    .filter(([key]) => key !== 'raw' && key !== 'crc')
    .map(([key, value]) => {
      if (key === 'payload') return `payload: ${Buffer.from(value).toString('hex')}`
      if (frame.type === 'end' && key === 'body') return JSON.stringify({ ...value, frames: 0, bytes: 0 })
      return `${key}: ${typeof value === 'bigint' ? value : JSON.stringify(value)}`
    })
  return said.sort().join(', ')
}

/** An image of DATA frames of these sizes, each byte told by its address. */
export function imageOf(sizes: number[]): Frame[] {
  let offset = 0
  const data = sizes.map((size): Frame => {
    const payload = Buffer.alloc(size)
    for (let at = 0; at < size; at += 509) payload[at] = (offset + at) % 251
    const frame: Frame = {
      type: 'data',
      stream: 1,
      time: 0n,
      codec: 'none',
      padded: false,
      offset: BigInt(offset),
      length: BigInt(size),
      payload,
    }
    offset += size
    return frame
  })
  return [
    { type: 'start', stream: 0, time: 0n, body: { format: 1, programs: [] } },
    { type: 'stream', stream: 1, time: 0n, body: { name: 'a', kind: 'image' } },
    ...data,
    { type: 'close', stream: 1, time: 0n, body: { status: 'complete', bytes: offset } },
    { type: 'end', stream: 0, time: 0n, body: { status: 'complete', frames: 0, bytes: 0 } },
  ]
}
