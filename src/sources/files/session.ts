import type { BigIntStats } from 'node:fs'
import { ToolError } from '../../cli/exit.js'
import { reasonOf } from '../../cli/failure.js'
import type { Log } from '../../cli/messages.js'
import type { Sampling } from '../../cli/sampling.js'
import type { ChunkReader } from '../../codecs/chunk-reader.js'
import type { NoteBody, StreamBody } from '../../frames/frame.js'
import { hasBytes } from '../../frames/streams.js'
import type { ExtendedAttribute, ExtendedAttributes } from '../../platform/linux/extended-attributes.js'
import { withinReach } from '../../platform/linux/long-path.js'
import type { Outbox } from '../outbox.js'
import { createStreamFrames, now, type StreamFrames } from '../stream-frames.js'
import { displayPath } from './name.js'

/** One transmission of streams: where its frames go, and how it fares. */
export interface StreamSession {
  readonly outbox: Outbox
  /** Named in notes. */
  readonly program: string
  readonly log: Log
  readonly interrupted: AbortSignal
  /** What the streams are, where it was said. */
  readonly category?: string | undefined
  /** Reads only so much of each stream. */
  readonly sampling?: Sampling | undefined
  /** Streams begun so far; the next one's id is one more. */
  streams: number
  /** Told when something that was asked for has no stream, or lost its tail. */
  onMissing(): void
}

/** One run over files of this machine. */
export interface Session extends StreamSession {
  /** Fulfilled when interrupted: to race with what may never come. */
  readonly stopped: Promise<undefined>
  /** Whether the file system of a st_dev shows the kernel's state instead of stored bytes. */
  isPseudo(device: bigint): boolean
  /** Undefined where they can't be read on this system. */
  readonly attributes: ExtendedAttributes | undefined
  /** Reads and compresses what is large, where its frames do not leave the process. */
  readonly reader?: ChunkReader | undefined
  /** Whether a file is being written with what is sent: that is not read. */
  isOutput(file: BigIntStats): boolean
}

/**
 * What is attached to a file beside its bytes; none where it can't be read, which is noted.
 * @param file where it is, or open
 */
export function attributesOf(session: Session, path: Buffer, file: Buffer | number): ExtendedAttribute[] {
  try {
    const { attributes } = session
    if (!attributes) return []
    return typeof file === 'number' ? attributes.read(file) : withinReach(file, attributes.read)
  } catch (error) {
    const message = `${displayPath(path)}: its extended attributes: ${reasonOf(error)}`
    noteTransmission(session, 'warning', message)
    session.log.warn(message)
    return []
  }
}

/** Begins a stream with its facts. */
export function beginStream(session: StreamSession, body: StreamBody, turtle: string): StreamFrames {
  const stream = ++session.streams
  const { category } = session
  const named = category !== undefined && hasBytes(body) ? { ...body, category } : body
  session.outbox.push({ type: 'stream', stream, time: now(), body: named })
  session.outbox.push({ type: 'meta', stream, time: now(), turtle })
  return createStreamFrames(session.outbox, stream, session.program)
}

/** Ends the stream that is open, as failed where there is a reason. */
export function endStream({ outbox, streams }: StreamSession, frames: StreamFrames, failure?: unknown): void {
  frames.finish()
  const status = failure === undefined ? 'complete' : 'failed'
  const error = failure === undefined ? {} : { error: reasonOf(failure) }
  const body = { status, ...error, bytes: Number(frames.tally.covered) } as const
  outbox.push({ type: 'close', stream: streams, time: now(), body })
}

/** A NOTE in the stream that is open, and the same on standard error. */
export function noteStream(
  { log }: Pick<StreamSession, 'log'>,
  frames: StreamFrames,
  level: 'warning' | 'error',
  path: Buffer,
  message: string,
): void {
  const whole = `${displayPath(path)}: ${message}`
  frames.note(level, whole)
  if (level === 'error') log.error(whole)
  else log.warn(whole)
}

/** What was asked for and has no stream. */
export function miss(session: StreamSession, path: Buffer, error: unknown): void {
  const message = `${displayPath(path)}: ${reasonOf(error)}`
  noteTransmission(session, 'error', message)
  session.log.error(message, error instanceof ToolError ? error.hint : undefined)
  session.onMissing()
}

/** What is left out on purpose. */
export function skip(session: Session, path: Buffer, why: string): void {
  const message = `${displayPath(path)}: skipped: ${why}`
  noteTransmission(session, 'info', message)
  session.log.verbose(message)
}

export function noteTransmission(
  { outbox, program }: Pick<StreamSession, 'outbox' | 'program'>,
  level: NoteBody['level'],
  message: string,
): void {
  outbox.push({ type: 'note', stream: 0, time: now(), body: { level, program, message } })
}
