import { EXIT } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import { parseWords } from '../cli/launch.js'
import type { Log } from '../cli/messages.js'
import { createSampling, MOST_OF_STREAM } from '../cli/sampling.js'
import type { Context, Tool } from '../cli/tool.js'
import { compress } from '../codecs/codec.js'
import type { WritableCodec } from '../codecs/codec-error.js'
import { isZero } from '../codecs/zero.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { chunkContent } from '../frames/chunk-content.js'
import type { Frame, Frames, StreamBody } from '../frames/frame.js'
import { announcedBytes, announcedRuns, announcedSize, hasBytes } from '../frames/streams.js'
import type { Stage } from './plan.js'

/** Those that a volume may be compressed with. */
export const CODECS = ['zlib', 'snappy', 'lz4', 'none'] as const satisfies readonly WritableCodec[]
export type SurveyCodec = (typeof CODECS)[number]

/** What a source would send, known without its bytes. */
export interface SurveyedStream {
  readonly source: string
  readonly name: string
  readonly category: string | undefined
  /** Announced. */
  readonly bytes: bigint
  /** One past its last address. */
  readonly size: bigint
  readonly ranges: readonly Run[]
  /** Read of it. */
  readonly sampled: bigint
  /** So much of that is in chunks that are all zeros. */
  readonly zeros: bigint
  /** What the other chunks take in a volume. */
  readonly stored: Readonly<Record<SurveyCodec, bigint>>
  /** Of a memory: what zlib makes of its pages, each by itself, zeros left out. */
  readonly pages: bigint
}

export const isMemory = ({ category }: { category?: string | undefined }): boolean =>
  category === 'memory:physical'

export interface Survey {
  readonly streams: readonly SurveyedStream[]
  /** Of sources that have nothing to send. */
  readonly failures: readonly unknown[]
}

export interface SurveySettings extends Pick<Context, 'io' | 'log' | 'secrets'> {
  readonly load: (tool: string) => Promise<Tool>
}

const CHUNK = 32 << 10
const PAGE = 4096

/** Has the sources tell what they would send, and compresses a sample of it; nothing is kept of what they read. */
export async function survey(sources: readonly Stage[], settings: SurveySettings): Promise<Survey> {
  const streams: SurveyedStream[] = []
  const failures: unknown[] = []
  const sampling = createSampling()
  const { io, load, ...given } = settings
  for (const stage of sources) {
    const tool = await load(stage.tool)
    const transmit = async (evidence: Frames) => {
      await look(stage.tool, evidence, streams)
      return EXIT.complete
    }
    try {
      await tool.run({ ...given, ...parseWords(tool, stage.words), io: { ...io, sampling, transmit } })
    } catch (failure) {
      failures.push(failure)
    }
  }
  return { streams, failures }
}

async function look(source: string, evidence: Frames, streams: SurveyedStream[]): Promise<void> {
  let open: ReturnType<typeof openSurvey> | undefined
  for await (const batch of evidence)
    for (const frame of batch) {
      if (frame.type === 'stream') open = hasBytes(frame.body) ? openSurvey(source, frame.body) : undefined
      else open?.take(frame)
      if (frame.type === 'close' && open) streams.push(open.surveyed())
      // A source that knows nothing of samples would read on to the end.
      if (open?.hasEnough()) {
        streams.push(open.surveyed())
        return
      }
    }
}

function openSurvey(source: string, body: StreamBody) {
  const stored = { zlib: 0n, snappy: 0n, lz4: 0n, none: 0n }
  const hasPages = isMemory(body)
  let sampled = 0n
  let zeros = 0n
  let pages = 0n

  function store(bytes: Bytes): void {
    if (hasPages)
      for (let at = 0; at < bytes.length; at += PAGE) {
        const page = bytes.subarray(at, at + PAGE)
        if (!isZero(page)) pages += shorter('zlib', page)
      }
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const chunk = bytes.subarray(at, at + CHUNK)
      if (isZero(chunk)) zeros += BigInt(chunk.length)
      else for (const codec of CODECS) stored[codec] += shorter(codec, chunk)
    }
  }

  return {
    take(frame: Frame): void {
      if (frame.type === 'data') {
        sampled += frame.length
        store(chunkContent(frame, body.chunkSize))
      } else if (frame.type === 'fill' && frame.fill === 'zero') {
        sampled += frame.length
        zeros += frame.length
      }
    },
    hasEnough: () => sampled > MOST_OF_STREAM,
    surveyed: (): SurveyedStream => ({
      source,
      name: body.name,
      category: body.category,
      bytes: announcedBytes(body),
      size: announcedSize(body),
      ranges: announcedRuns(body) ?? [],
      sampled,
      zeros,
      stored,
      pages,
    }),
  }
}

/** What is stored of a piece: its compressed form, or the piece itself. */
const shorter = (codec: SurveyCodec, piece: Bytes): bigint =>
  BigInt(Math.min(piece.length, compress(codec, piece).length))

/** Says why sources have nothing to send. */
export function tellFailures({ failures }: Survey, log: Log): void {
  for (const failure of failures) {
    const { message, hint } = asToolError(failure)
    log.error(message, hint)
  }
}
