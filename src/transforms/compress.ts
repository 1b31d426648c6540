import { EXIT, ToolError } from '../cli/exit.js'
import type { Tool } from '../cli/tool.js'
import {
  type ChunkCompressor,
  defaultThreads,
  JOB_BYTES,
  openChunkCompressor,
  type StoredChunk,
} from '../codecs/chunk-compressor.js'
import type { WritableCodec } from '../codecs/codec-error.js'
import { checkCrc, chunkContent } from '../frames/chunk-content.js'
import { BATCHES_ALIVE } from '../frames/decode.js'
import type { Batch, DataFrame, FillFrame, Frame, Frames } from '../frames/frame.js'
import { announcedBytes } from '../frames/streams.js'
import { chunk, DEFAULT_CHUNK, parseChunkSize } from './chunk.js'

const CODECS: readonly WritableCodec[] = ['zlib', 'snappy', 'lz4', 'none']
const MOST_JOBS = 256

/** pmem-compress: compresses DATA chunk by chunk, on all cores; zero chunks become FILL. */
export const tool: Tool = {
  name: 'pmem-compress',
  role: 'transform',
  usage: CODECS.join('|'),
  summary: 'compress data chunk by chunk; zeros become holes',
  options: {
    level: { value: 'N', help: 'zlib: 1 (fastest, the default) to 9' },
    'chunk-size': { value: 'SIZE', help: 'the size of a chunk (as they come, else 32k)' },
    jobs: { short: 'j', value: 'N', help: 'threads (one for each core, at most 8)' },
  },
  operands: [1, 1],
  run({ operands, options, log, io }) {
    const codec = CODECS.find((name) => name === operands[0])
    if (!codec) throw new ToolError(EXIT.usage, `${operands[0]}: not one of ${CODECS.join(', ')}`)
    const level = options.value('level')
    if (level !== undefined && codec !== 'zlib')
      throw new ToolError(EXIT.usage, `--level ${level}: ${codec} has no levels`)
    const jobs = options.value('jobs')
    const size = options.value('chunk-size')
    const { transform, batchesAlive } = compress({
      codec,
      ...(level !== undefined && { level: parseCount('--level', level, 9) }),
      ...(jobs !== undefined && { threads: parseCount('--jobs', jobs, MOST_JOBS) }),
      ...(size !== undefined && { chunkSize: parseChunkSize(size) }),
      warn: log.warn,
    })
    return io.send(transform(io.frames(batchesAlive)))
  },
}

function parseCount(option: string, text: string, most: number): number {
  const count = Number(text)
  if (!/^[0-9]{1,9}$/.test(text) || count < 1 || count > most)
    throw new ToolError(EXIT.usage, `${option} ${text}: not a number from 1 to ${most}`)
  return count
}

export interface CompressOptions {
  readonly codec: WritableCodec
  /** zlib: 1 to 9. */
  readonly level?: number
  /** Threads that compress; as many as there are cores. */
  readonly threads?: number
  /** For every stream; left out, streams keep the size they come with. */
  readonly chunkSize?: number
  warn(message: string): void
}

export interface Compression {
  /** For how many further batches the views of its input must stay valid: frames wait here for their turn. */
  readonly batchesAlive: number
  readonly transform: (frames: Frames) => Frames
}

/**
 * Compresses the DATA of each stream, cut into chunks first where it is not. Chunks of zeros become FILL, chunks
 * that do not get shorter stay raw, chunks in another codec are recoded, and those in this one pass.
 */
export function compress(options: CompressOptions): Compression {
  const { codec, level } = options
  const compressor = openChunkCompressor({
    codec,
    ...(level !== undefined && { level }),
    threads: codec === 'none' ? 1 : (options.threads ?? defaultThreads()),
    keep: BATCHES_ALIVE,
  })
  const batchesAlive = compressor.depth + BATCHES_ALIVE
  const cut = chunk((body) => options.chunkSize ?? body.chunkSize ?? DEFAULT_CHUNK, batchesAlive)
  return {
    batchesAlive,
    transform: (frames) => inOrder(cut(frames), compressor, options),
  }
}

const NOTHING: Promise<StoredChunk[]> = Promise.resolve([])

/** Frames that leave as one batch; their raw DATA is one job. */
interface Unit {
  readonly frames: Frame[]
  readonly chunks: DataFrame['payload'][]
  bytes: number
}

async function* inOrder(
  chunks: Frames,
  compressor: ChunkCompressor,
  { codec, warn }: CompressOptions,
): Frames {
  const split = createSplitter(codec, compressor.expect, warn)
  const assembler = createAssembler()
  const upstream = chunks[Symbol.asyncIterator]()
  const running: { unit: Unit; stored: Promise<StoredChunk[]> }[] = []
  let arriving: Promise<IteratorResult<Batch>> | undefined
  let units: Iterator<Unit> | undefined
  let ended = false
  let failure: unknown
  try {
    for (;;) {
      try {
        while (units && running.length < compressor.depth) {
          const { value: unit, done } = units.next()
          if (done) units = undefined
          else running.push({ unit, stored: unit.bytes > 0 ? compressor.submit(unit.chunks) : NOTHING })
        }
        if (!ended && !units) arriving ??= upstream.next()
        const oldest = running[0]
        // What is done leaves at once, even when nothing arrives for a while.
        if (oldest && (!arriving || (await isFirst(oldest.stored, arriving)))) {
          running.shift()
          yield assembler.batch(oldest.unit.frames, await oldest.stored)
        } else if (arriving) {
          const { value, done } = await arriving
          arriving = undefined
          if (done) ended = true
          else units = split(value)
        } else break
      } catch (error) {
        // What came before it is still sent.
        failure ??= error
        ended = true
        units = arriving = undefined
      }
    }
    yield assembler.rest()
    if (failure) throw failure
  } finally {
    arriving?.catch(() => {})
    await compressor.close()
  }
}

/** Whether `one` settles before `other`; both may fail, which whoever awaits them will see. */
function isFirst(one: Promise<unknown>, other: Promise<unknown>): Promise<boolean> {
  const settles = (promise: Promise<unknown>, value: boolean) =>
    promise.then(
      () => value,
      () => value,
    )
  return Promise.race([settles(one, true), settles(other, false)])
}

/** Divides batches into units of about one job; one at least for each, so that batches downstream keep pace. */
function createSplitter(
  codec: WritableCodec,
  expect: ChunkCompressor['expect'],
  warn: (message: string) => void,
) {
  let chunkSize = 0
  let announced = 0n
  let warned = false

  /** What is to be compressed of a frame: undefined when it passes as it is. */
  function toCompress(frame: Frame): DataFrame | undefined {
    if (frame.type === 'stream') {
      chunkSize = frame.body.chunkSize ?? 0
      announced = announcedBytes(frame.body)
    }
    if (frame.type !== 'data' || frame.chunks) return undefined
    if (frame.codec !== codec) {
      // Now that there is something to compress of it.
      expect(announced)
      announced = 0n
    }
    if (frame.codec === 'none') {
      checkCrc(frame)
      return frame
    }
    if (frame.codec !== codec) return decoded(frame, chunkSize)
    if (!warned) warn(`some data are compressed with ${codec} already, and pass as they are`)
    warned = true
    return undefined
  }

  return function* (batch: Batch): Generator<Unit> {
    let unit: Unit = { frames: [], chunks: [], bytes: 0 }
    let given = false
    try {
      for (const frame of batch) {
        const raw = toCompress(frame)
        unit.frames.push(raw ?? frame)
        if (!raw) continue
        unit.chunks.push(raw.payload)
        unit.bytes += raw.payload.length
        if (unit.bytes < JOB_BYTES) continue
        yield unit
        given = true
        unit = { frames: [], chunks: [], bytes: 0 }
      }
    } catch (error) {
      yield unit
      throw error
    }
    if (!given || unit.frames.length > 0) yield unit
  }
}

/** A chunk in another codec as it was before: raw, and padded to the chunk size. */
function decoded(frame: DataFrame, chunkSize: number): DataFrame {
  const { raw: _, crc: __, ...rest } = frame
  const content = chunkContent(frame, chunkSize)
  if (content.length >= chunkSize) return { ...rest, codec: 'none', padded: false, payload: content }
  const payload = Buffer.alloc(chunkSize)
  payload.set(content)
  return { ...rest, codec: 'none', padded: true, payload }
}

/** Puts the stored forms in the place of the chunks; zeros that touch become one FILL, across batches too. */
function createAssembler() {
  let zeros: FillFrame | undefined

  function rest(): Batch {
    const batch = zeros ? [zeros] : []
    zeros = undefined
    return batch
  }

  function addZeros(frame: DataFrame | FillFrame): Batch {
    const { stream, time, offset, length } = frame
    if (zeros && zeros.offset + zeros.length === offset) {
      const { raw: _, ...grown } = zeros
      zeros = { ...grown, length: grown.length + length }
      return []
    }
    const before = rest()
    zeros = frame.type === 'fill' ? frame : { type: 'fill', fill: 'zero', stream, time, offset, length }
    return before
  }

  function batch(frames: readonly Frame[], stored: readonly StoredChunk[]): Batch {
    const out: Batch = []
    let next = 0
    for (const frame of frames) {
      const chunk = frame.type === 'data' && frame.codec === 'none' ? stored[next++]! : undefined
      if (frame.type === 'data' && chunk?.zero) out.push(...addZeros(frame))
      else if (frame.type === 'fill' && frame.fill === 'zero') out.push(...addZeros(frame))
      else {
        if (zeros) out.push(...rest())
        out.push(frame.type === 'data' && chunk && !chunk.zero ? withStored(frame, chunk) : frame)
      }
    }
    return out
  }
  return { batch, rest }
}

function withStored(frame: DataFrame, chunk: Extract<StoredChunk, { zero: false }>): DataFrame {
  if (chunk.codec === 'none') return frame
  const { type, stream, time, offset, length, padded } = frame
  return { type, stream, time, offset, length, codec: chunk.codec, padded, payload: chunk.bytes }
}
