import type { CodecName } from '../codecs/codec-error.js'
import type { Bytes } from '../formats/byte-source.js'

/** Codec numbers of DATA frames (pmem-frames(5), header offset 5). */
export const CODECS: readonly CodecName[] = ['none', 'zlib', 'deflate', 'snappy', 'lz4']

/** Fill kinds of FILL frames, same byte of the header. */
export const FILLS = ['zero', 'unreadable', 'unknown', 'byte'] as const
export type FillKind = (typeof FILLS)[number]

/** Unknown keys of a control payload are kept and forwarded. */
export type Json = { [key: string]: unknown }

export interface Program extends Json {
  name: string
  version: string
  arguments: string[]
}
export interface StartBody extends Json {
  format: number
  host?: string
  started?: string
  programs: Program[]
  /** URN of a volume of which this transmission brings what it lacks. */
  completes?: string
}
export type StreamKind = 'map' | 'image' | 'folder' | 'link'
/** Numbers of address size stand as "0x…" strings, as on the wire; `streams.ts` has the readers. */
export interface StreamBody extends Json {
  name: string
  nameBytes?: string
  kind: StreamKind
  category?: string
  size?: string
  ranges?: [string, string][]
  ordered?: boolean
  chunkSize?: number
  properties?: Json
  /** URNs of what that volume has of this stream. */
  completes?: string[]
  /** How many bytes of it that volume has, which come as FILL unknown. */
  held?: string
}
export interface DigestBody extends Json {
  algorithm: string
  value: string
  covers: 'linear' | 'ranges'
}
export interface NoteBody extends Json {
  level: 'info' | 'warning' | 'error'
  program: string
  message: string
  offset?: string
  length?: string
}
export type Status = 'complete' | 'interrupted' | 'failed' | 'truncated'
export interface CloseBody extends Json {
  status: Exclude<Status, 'truncated'>
  error?: string
  bytes: number
}
export interface EndBody extends Json {
  status: Status
  error?: string
  frames: number
  bytes: number
}

interface Common {
  /** Id given by STREAM; 0 for frames about the whole transmission. */
  stream: number
  /** When the bytes were read: nanoseconds since the Unix epoch, 0n if unknown. */
  time: bigint
  /** Header and payload as they arrived. A filter forwards a frame it does not change through this view. */
  raw?: Bytes
}

/** Bytes of evidence: `length` bytes of address space from `offset` on, stored in `payload` by `codec`. */
export interface DataFrame extends Common {
  type: 'data'
  offset: bigint
  length: bigint
  codec: CodecName
  /** The payload decodes to more than `length` bytes; the rest is zero padding to the chunk size. */
  padded: boolean
  payload: Bytes
  /** CRC-32 of the stored payload where the sender gave one. */
  crc?: number
  /** Within one process: the payload is that of several chunks, back to back. On the wire each has a frame. */
  chunks?: ChunkRun
}

/** Chunks that touch; of the last one alone there may be padding. */
export interface ChunkRun {
  /** What each decodes to, in bytes. */
  readonly size: number
  /** What is stored of each, in bytes: its size means that it is stored as it is. */
  readonly lengths: readonly number[]
  /** CRC-32 of the whole payload. */
  readonly crc: number
  /** Makes the payload stay as it is, beyond its batch, until what is returned is called. */
  hold(): () => void
}

/** A range without bytes. `value` is the repeated byte of kind `byte`. */
export interface FillFrame extends Common {
  type: 'fill'
  offset: bigint
  length: bigint
  fill: FillKind
  value?: number
}

export interface StartFrame extends Common {
  type: 'start'
  body: StartBody
}
export interface StreamFrame extends Common {
  type: 'stream'
  body: StreamBody
}
/** Facts in Turtle; `<>` is the stream of the frame, or the volume where that is 0. */
export interface MetaFrame extends Common {
  type: 'meta'
  turtle: string
}
export interface DigestFrame extends Common {
  type: 'digest'
  body: DigestBody
}
export interface NoteFrame extends Common {
  type: 'note'
  body: NoteBody
}
export interface CloseFrame extends Common {
  type: 'close'
  body: CloseBody
}
export interface EndFrame extends Common {
  type: 'end'
  body: EndBody
}

export type Frame =
  | StartFrame
  | StreamFrame
  | DataFrame
  | FillFrame
  | MetaFrame
  | DigestFrame
  | NoteFrame
  | CloseFrame
  | EndFrame

/**
 * Frames travel in batches, one for each read of the input, so that nothing is paid per frame that a
 * batch can share. Payload views of a batch stay valid until `BATCHES_ALIVE` further batches have been
 * asked for; who keeps bytes longer copies them.
 */
export type Batch = Frame[]
export type Frames = AsyncIterable<Batch>
/** A transform: frames in, frames out, tested without a process. */
export type Transform = (frames: Frames) => Frames
