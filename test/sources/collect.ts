import { type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Log } from '../../src/cli/messages.js'
import { decode } from '../../src/frames/decode.js'
import type { CloseBody, EndBody, Frame, Frames, NoteBody, StreamBody } from '../../src/frames/frame.js'
import { PATIENCE } from '../cli/shell.js'

/** One stream as it came over the wire. */
export interface Received {
  readonly body: StreamBody
  readonly data: { offset: bigint; bytes: Uint8Array }[]
  readonly fills: { offset: bigint; length: bigint; fill: string }[]
  readonly notes: NoteBody[]
  turtle: string
  close: CloseBody | undefined
}

export interface Transmission {
  readonly streams: Received[]
  /** Those about the whole transmission. */
  readonly notes: NoteBody[]
  turtle: string
  end: EndBody | undefined
  status: number | null
  stderr: string
}

export interface RunOptions extends SpawnOptions {
  /** Words in front of the command. */
  readonly under?: readonly string[]
}

/** Runs a source by its launcher and keeps all that it sends. */
export async function runSource(
  name: string,
  args: readonly string[],
  { under = [], ...options }: RunOptions = {},
): Promise<Transmission> {
  const [command, ...words] = [...under, process.execPath, path.join('bin', name), ...args]
  const child = spawn(command!, words, { ...options, ...PATIENCE, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const exited = once(child, 'close')
  const chunks = child.stdout!.iterator() as AsyncIterator<Buffer>
  let rest: Buffer = Buffer.alloc(0)
  const input = {
    name,
    async read(into: Buffer) {
      if (rest.length === 0) rest = ((await chunks.next()).value as Buffer | undefined) ?? Buffer.alloc(0)
      const count = rest.copy(into)
      rest = rest.subarray(count)
      return count
    },
  }
  const transmission = await collect(decode(input))
  ;[transmission.status] = (await exited) as [number | null]
  transmission.stderr = stderr
  return transmission
}

/** Keeps frames, with their bytes copied. */
export async function collect(frames: Frames): Promise<Transmission> {
  const transmission: Transmission = {
    streams: [],
    notes: [],
    turtle: '',
    end: undefined,
    status: null,
    stderr: '',
  }
  for await (const batch of frames) for (const frame of batch) keep(transmission, frame)
  return transmission
}

function keep(transmission: Transmission, frame: Frame): void {
  const stream = transmission.streams.at(-1)
  if (frame.type === 'stream')
    transmission.streams.push({
      body: frame.body,
      data: [],
      fills: [],
      notes: [],
      turtle: '',
      close: undefined,
    })
  else if (frame.type === 'data')
    stream!.data.push({ offset: frame.offset, bytes: Uint8Array.from(frame.payload) })
  else if (frame.type === 'fill')
    stream!.fills.push({ offset: frame.offset, length: frame.length, fill: frame.fill })
  else if (frame.type === 'meta' && frame.stream === 0) transmission.turtle += frame.turtle
  else if (frame.type === 'meta') stream!.turtle += frame.turtle
  else if (frame.type === 'note') (frame.stream === 0 ? transmission.notes : stream!.notes).push(frame.body)
  else if (frame.type === 'close') stream!.close = frame.body
  else if (frame.type === 'end') transmission.end = frame.body
}

/** Ranges of one kind of content, joined where they touch, as text. */
export function rangesOf(stream: Received, kind: string): string[] {
  const ranges =
    kind === 'data'
      ? stream.data.map(({ offset, bytes }) => ({ offset, length: BigInt(bytes.length) }))
      : stream.fills.filter(({ fill }) => fill === kind)
  const joined: { start: bigint; end: bigint }[] = []
  for (const { offset, length } of ranges)
    if (joined.at(-1)?.end === offset) joined.at(-1)!.end += length
    else joined.push({ start: offset, end: offset + length })
  return joined.map(({ start, end }) => `${start.toString(16)}-${end.toString(16)}`)
}

/** Bytes at an address, zeros where a hole reads as zeros; undefined where none were sent. */
export function bytesAt(stream: Received, address: bigint, length: number): Uint8Array | undefined {
  const result = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const at = address + BigInt(done)
    const data = stream.data.find(({ offset, bytes }) => offset <= at && at < offset + BigInt(bytes.length))
    const zeros = stream.fills.find(
      ({ offset, length, fill }) => fill === 'zero' && offset <= at && at < offset + length,
    )
    if (data) {
      const piece = data.bytes.subarray(Number(at - data.offset), Number(at - data.offset) + length - done)
      result.set(piece, done)
      done += piece.length
    } else if (zeros) {
      const left = zeros.offset + zeros.length - at
      done += left < BigInt(length - done) ? Number(left) : length - done
    } else return undefined
  }
  return result
}

/** For sources that are called, not run. */
export const silent: Log = {
  error() {},
  warn() {},
  info() {},
  verbose() {},
  debug() {},
  progress() {},
  clearProgress() {},
}
