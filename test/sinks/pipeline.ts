import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ExecutionContext } from 'ava'
import { createEncoder } from '../../src/frames/encode.js'
import type { DataFrame, FillFrame, FillKind, Frame, Status, StreamBody } from '../../src/frames/frame.js'
import { PATIENCE } from '../cli/shell.js'

export interface Result {
  status: number | null
  stdout: Buffer
  stderr: string
}

/** Runs a launcher of bin/ with these bytes, or pieces of bytes, at its standard input. */
export async function runTool(
  name: string,
  words: readonly string[],
  input: Buffer | Iterable<Buffer> | AsyncIterable<Buffer>,
  settings: { prefix?: readonly string[] } = {},
): Promise<Result> {
  const [command, ...rest] = [...(settings.prefix ?? []), process.execPath, path.join('bin', name), ...words]
  const child = spawn(command!, rest, { stdio: ['pipe', 'pipe', 'pipe'], ...PATIENCE })
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.on('data', (piece: Buffer) => err.push(piece))
  // A tool may refuse before it has read everything.
  const fed = pipeline(Readable.from(Buffer.isBuffer(input) ? [input] : input), child.stdin).catch(() => {})
  const [status] = (await once(child, 'close')) as [number | null]
  await fed
  return { status, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`

export function data(offset: bigint, payload: Uint8Array, more: Partial<DataFrame> = {}): DataFrame {
  const length = BigInt(payload.length)
  return { type: 'data', stream: 1, time: 0n, offset, length, codec: 'none', padded: false, payload, ...more }
}

export function fill(offset: bigint, length: bigint, kind: FillKind, value?: number): FillFrame {
  const frame: FillFrame = { type: 'fill', stream: 1, time: 0n, offset, length, fill: kind }
  return value === undefined ? frame : { ...frame, value }
}

/** Facts of the stream: what Turtle says of `<>`. */
export const meta = (about: string): Frame => ({
  type: 'meta',
  stream: 1,
  time: 0n,
  turtle: `@prefix pmem: <https://pmem.dev/ns#> .\n@prefix aff4: <http://aff4.org/Schema#> .\n<> ${about} .\n`,
})

export const memory = (body: Partial<StreamBody> = {}): StreamBody => ({
  name: 'PhysicalMemory',
  kind: 'map',
  category: 'memory:physical',
  ...body,
})

export const ranges = (...runs: [bigint, bigint][]): [string, string][] =>
  runs.map(([start, length]) => [hex(start), hex(length)])

/** The frames of one stream of a transmission: STREAM, the given ones, CLOSE. */
export function stream(body: StreamBody, frames: readonly Frame[], id = 1): Frame[] {
  return [
    { type: 'stream', stream: id, time: 0n, body },
    ...frames.map((frame) => ({ ...frame, stream: id })),
    { type: 'close', stream: id, time: 0n, body: { status: 'complete', bytes: 0 } },
  ]
}

const START: Frame = {
  type: 'start',
  stream: 0,
  time: 0n,
  body: { format: 1, host: 'test', programs: [{ name: 'test-source', version: '1', arguments: [] }] },
}

/** A whole transmission as bytes. */
export function transmission(frames: readonly Frame[], status: Status = 'complete'): Buffer {
  const end: Frame = { type: 'end', stream: 0, time: 0n, body: { status, frames: 0, bytes: 0 } }
  return Buffer.concat(createEncoder().encode([START, ...frames, end]))
}

/** What a writer leaves that was killed inside its stream. */
export function cut(body: StreamBody, frames: readonly Frame[]): Buffer {
  return Buffer.concat(createEncoder().encode([START, ...stream(body, frames).slice(0, -1)]))
}

export async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pmem-sink-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A file that a sink writes, as soon as its header is there: a size is tried before. */
export async function onceItBegins(file: string, magic: string): Promise<Buffer> {
  for (;;) {
    const bytes = fs.existsSync(file) ? fs.readFileSync(file) : Buffer.of()
    if (bytes.toString('latin1', 0, magic.length) === magic) return bytes
    await new Promise((wake) => setTimeout(wake, 20))
  }
}
