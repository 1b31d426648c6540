import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'
import { Parser } from 'n3'
import { parseAddress } from '../../../src/frames/address.js'
import { decode } from '../../../src/frames/decode.js'
import type { CloseBody, Frame, NoteBody, StreamBody } from '../../../src/frames/frame.js'
import { PATIENCE } from '../../cli/shell.js'
import { bytesInput } from '../../frames/support.js'

export const FILE_CAT = path.resolve('bin/file-cat')

/** A folder of one test, gone with it. */
export function folder(t: ExecutionContext): string {
  const made = mkdtempSync(path.join(tmpdir(), 'pmem-files-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

export interface Hole {
  readonly fill: string
  readonly start: number
  readonly end: number
}

/** All that came of one stream. */
export interface Stream {
  readonly body: StreamBody
  turtle: string
  /** Its bytes, those of holes zero; none of a stream beyond 1 GiB. */
  content: Buffer
  /** In order, neighbours of one kind joined. Without those that read as zeros. */
  holes: Hole[]
  notes: NoteBody[]
  close?: CloseBody
}

export interface Run {
  readonly status: number | null
  readonly signal: string | null
  readonly stderr: string
  readonly frames: Frame[]
  readonly streams: Stream[]
  /** Notes of the whole transmission. */
  readonly notes: NoteBody[]
}

export interface Given {
  readonly cwd?: string
  readonly input?: string | Buffer
  readonly env?: Record<string, string>
  /** Words before the command. */
  readonly through?: readonly string[]
  /** Called once, when the first bytes are there; nothing is taken from the pipe until it is done. */
  readonly meanwhile?: (child: ChildProcess) => void | Promise<void>
}

/** Runs the program and decodes what it sends. */
export async function fileCat(operands: readonly (string | Buffer)[], given: Given = {}): Promise<Run> {
  // Node passes arguments as text only; a shell's printf passes bytes.
  const words = [...(given.through ?? []), process.execPath, FILE_CAT, '--'].map(quoted)
  const child = spawn('/bin/sh', ['-c', `exec ${[...words, ...operands.map(quoted)].join(' ')}`], {
    cwd: given.cwd,
    env: { ...process.env, ...given.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...PATIENCE,
  })
  child.stdin.on('error', () => {})
  child.stdin.end(given.input)
  const ended = new Promise<[number | null, string | null]>((resolve) =>
    child.on('close', (status, signal) => resolve([status, signal])),
  )
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const pieces: Buffer[] = []
  if (given.meanwhile) {
    await new Promise((resolve) => child.stdout.once('readable', resolve))
    await given.meanwhile(child)
  }
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  const [status, signal] = await ended
  const frames = await decodeAll(Buffer.concat(pieces))
  return { status, signal, stderr, frames, ...sort(frames) }
}

/** `'…'` for text, and for bytes that no argument of Node can hold. */
function quoted(word: string | Buffer): string {
  if (typeof word === 'string') return `'${word.replaceAll("'", `'\\''`)}'`
  return `"$(printf '${[...word].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}')"`
}

async function decodeAll(bytes: Buffer): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const batch of decode(bytesInput(bytes), 1))
    for (const frame of batch)
      frames.push(frame.type === 'data' ? { ...frame, payload: Uint8Array.from(frame.payload) } : frame)
  return frames
}

function sort(frames: readonly Frame[]): { streams: Stream[]; notes: NoteBody[] } {
  const streams: Stream[] = []
  const pieces: Uint8Array[] = []
  const notes: NoteBody[] = []
  for (const frame of frames) {
    const stream = streams.at(-1)
    if (frame.type === 'stream') {
      streams.push({ body: frame.body, turtle: '', content: Buffer.alloc(0), holes: [], notes: [] })
      pieces.length = 0
    } else if (frame.type === 'meta') stream!.turtle += frame.turtle
    else if (frame.type === 'note') (frame.stream === 0 ? notes : stream!.notes).push(frame.body)
    else if (frame.type === 'data') pieces.push(frame.payload)
    else if (frame.type === 'fill') {
      if (frame.fill !== 'zero')
        addHole(stream!.holes, frame.fill, Number(frame.offset), Number(frame.length))
      if (!isLarge(stream!)) pieces.push(Buffer.alloc(Number(frame.length)))
    } else if (frame.type === 'close') {
      if (!isLarge(stream!)) stream!.content = Buffer.concat(pieces)
      stream!.close = frame.body
    }
  }
  return { streams, notes }
}

function addHole(holes: Hole[], fill: string, start: number, length: number): void {
  const last = holes.at(-1)
  if (last?.fill === fill && last.end === start) holes[holes.length - 1] = { ...last, end: start + length }
  else holes.push({ fill, start, end: start + length })
}

/** The values of a META by the last part of their property's name. */
export function factsOf(turtle: string): Record<string, string> {
  const facts: Record<string, string> = {}
  for (const { predicate, object } of new Parser({ baseIRI: 'aff4://test' }).parse(turtle))
    facts[predicate.value.replace(/^.*[#/]/, '')] = object.value
  return facts
}

const isLarge = ({ body }: Stream) => body.size !== undefined && parseAddress(body.size) > 1n << 30n

export const sizeOf = ({ body }: Stream): bigint => parseAddress(body.size)

/** What a program that others wrote says, without the last line end. */
export function ask(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: 'utf8', maxBuffer: 1 << 28 }).replace(/\n$/, '')
}
