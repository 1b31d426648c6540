import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { FormatError } from '../formats/format-error.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, FillKind, NoteBody } from '../frames/frame.js'

/** Bytes of one read and of one DATA frame at most. */
const BLOCK = 1 << 20
/** A yielded batch may still be on its way while two further ones are made. */
const SLABS = 3
/** Signals are seen only between turns of the event loop. */
const TURN_MS = 40
const FRAMES_PER_BATCH = 512
/** Every unreadable page stands as FILL; the notes about them must not outgrow the evidence. */
const MOST_NOTES = 1000

const ZEROS = Buffer.alloc(BLOCK)
const NO_BYTES = new Error('no bytes there')

type HoleKind = Exclude<FillKind, 'byte'>

/** A range of the stream: to be read, or known beforehand to hold nothing that can be. */
export interface Span extends Run {
  /** Emitted as it is, without an attempt to read. */
  readonly fill?: HoleKind
  /** Goes with the FILL as a NOTE. */
  readonly note?: string
  /** The source gives zeros where it can't read: zeros of this span are then no content. */
  readonly zerosAreUnreadable?: boolean
}

/**
 * Reads `length` bytes at `address`, into `slab` or into memory of its own, which then stays as it is.
 * Fewer bytes than asked for, or an error of the operating system or of a format, mean that the page where
 * they end can't be read.
 */
export type ReadBytes = (address: bigint, length: number, slab: Bytes) => Bytes | Promise<Bytes>

export interface SpansToFrames {
  /** Id of the open stream. */
  readonly stream: number
  /** Ascending, not overlapping. May be made as they are asked for. */
  readonly spans: Iterable<Span>
  readonly read: ReadBytes
  /** Least unit that can fail alone, a power of two of at most 1 MiB. */
  readonly pageSize: number
  /** Named in notes. */
  readonly program: string
}

/** What became of the spans, in bytes. */
export interface Tally {
  /** All of them. */
  covered: bigint
  /** Read as bytes, zeros included. */
  read: bigint
  /** Tried in vain, or known to be unreadable. */
  unreadable: bigint
  /** The first reason why a page could not be read. */
  failure?: Error
}

/**
 * The DATA and FILL frames of a memory, between its STREAM and its CLOSE.
 *
 * Reads are of 1 MiB and end at multiples of it. One that fails is repeated page by page, so that a bad
 * page costs only itself. Blocks of zeros become FILL zero. Payloads are views of three slabs: a batch
 * stays valid while two further ones are made.
 * @throws what `read` throws, unless it tells that bytes can't be read
 */
export async function* spansToFrames(job: SpansToFrames): AsyncGenerator<Batch, Tally> {
  const frames = createFrameMaker(job.stream, job.program)
  const slabs = Array.from({ length: SLABS }, () => Buffer.allocUnsafeSlow(BLOCK))
  let turn = 0
  let used = 0
  let turnedAt = performance.now()

  function takeBatch(): Batch {
    turn = (turn + 1) % SLABS
    used = 0
    return frames.take()
  }

  async function* pauseWhenDue(): AsyncGenerator<Batch> {
    const due = performance.now() - turnedAt >= TURN_MS
    if (frames.count() >= (due ? 1 : FRAMES_PER_BATCH)) yield takeBatch()
    if (!due) return
    await nextTurn()
    turnedAt = performance.now()
  }

  for (const span of job.spans) {
    const end = span.start + span.length
    let at = span.start
    if (span.fill) {
      frames.fill(span.fill, span.start, span.length)
      if (span.note !== undefined) frames.note(span.note, span)
      at = end
    }
    while (at < end) {
      const length = blockLength(at, end)
      if (used + length > BLOCK) yield takeBatch()
      const place = slabs[turn]!.subarray(used, used + length)
      const kept = frames.kept()
      const over = await readBlock(job, frames, at, place, span.zerosAreUnreadable === true)
      if (frames.kept() > kept) used += length
      at += BigInt(length)
      if (over && at < end && (await endsBefore(job, end))) {
        frames.failed(at, end - at, NO_BYTES)
        at = end
      }
      yield* pauseWhenDue()
    }
    yield* pauseWhenDue()
  }
  frames.finish()
  if (frames.count() > 0) yield takeBatch()
  return frames.tally
}

/** Bytes up to the next multiple of a block, or to the end of the span. */
function blockLength(at: bigint, end: bigint): number {
  const toBoundary = BigInt(BLOCK) - (at % BigInt(BLOCK))
  return Number(end - at < toBoundary ? end - at : toBoundary)
}

/** Reads one block into `place`. Tells whether the source gave no byte of it and no reason why. */
async function readBlock(
  job: SpansToFrames,
  frames: FrameMaker,
  start: bigint,
  place: Bytes,
  zerosAreUnreadable: boolean,
): Promise<boolean> {
  const { bytes, why } = await attempt(job.read, start, place)
  if (bytes.length === place.length) {
    frames.data(start, bytes, zerosAreUnreadable)
    return false
  }
  copyUnlessThere(bytes, place)
  let over = bytes.length === 0 && why === undefined
  let goodFrom = 0
  const keepUntil = (at: number) => {
    if (at > goodFrom) frames.data(start + BigInt(goodFrom), place.subarray(goodFrom, at), zerosAreUnreadable)
  }
  // What came is kept up to the page where it ended.
  let at = Math.max(0, bytes.length - intoPage(start, bytes.length, job.pageSize))
  while (at < place.length) {
    const length = Math.min(job.pageSize - intoPage(start, at, job.pageSize), place.length - at)
    const page = place.subarray(at, at + length)
    const { bytes, why } = await attempt(job.read, start + BigInt(at), page)
    if (bytes.length === length) copyUnlessThere(bytes, page)
    else {
      keepUntil(at)
      goodFrom = at + length
      frames.failed(start + BigInt(at), BigInt(length), why ?? NO_BYTES)
    }
    over &&= bytes.length === 0 && why === undefined
    at += length
  }
  keepUntil(place.length)
  return over
}

/** Whether the source is over at the last page, too: else each missing page would cost a read of its own. */
async function endsBefore(job: SpansToFrames, end: bigint): Promise<boolean> {
  const { bytes, why } = await attempt(job.read, end - BigInt(job.pageSize), Buffer.alloc(job.pageSize))
  return bytes.length === 0 && why === undefined
}

/** The bytes that can be had, and the reason for having none. */
async function attempt(
  read: ReadBytes,
  address: bigint,
  place: Bytes,
): Promise<{ bytes: Bytes; why?: Error }> {
  try {
    const result = read(address, place.length, place)
    return { bytes: result instanceof Promise ? await result : result }
  } catch (error) {
    if (isReadFailure(error)) return { bytes: place.subarray(0, 0), why: error }
    throw error
  }
}

/** What the evidence does, not the program: errors of the system, and damage that a format found. */
function isReadFailure(error: unknown): error is Error {
  return error instanceof FormatError || (error instanceof Error && 'errno' in error)
}

function copyUnlessThere(bytes: Bytes, place: Bytes): void {
  if (bytes.buffer !== place.buffer || bytes.byteOffset !== place.byteOffset) place.set(bytes)
}

/** Bytes between the start of a page and `address + within`. */
function intoPage(address: bigint, within: number, pageSize: number): number {
  return Number((address + BigInt(within)) % BigInt(pageSize))
}

type FrameMaker = ReturnType<typeof createFrameMaker>

/** Collects frames of one stream, joins fills and failures that touch, and counts. */
function createFrameMaker(stream: number, program: string) {
  const tally: Tally = { covered: 0n, read: 0n, unreadable: 0n }
  let batch: Batch = []
  let kept = 0
  let notes = 0
  let bad: { start: bigint; length: bigint; why: string } | undefined

  function fill(kind: HoleKind, offset: bigint, length: bigint): void {
    tally.covered += length
    if (kind === 'unreadable') tally.unreadable += length
    const last = batch.at(-1)
    if (last?.type === 'fill' && last.fill === kind && last.offset + last.length === offset)
      last.length += length
    else batch.push({ type: 'fill', stream, time: now(), offset, length, fill: kind })
  }

  /** `payload` as bytes, or as a hole where it is all zeros. */
  function data(offset: bigint, payload: Bytes, zerosAreUnreadable: boolean): void {
    const length = BigInt(payload.length)
    if (ZEROS.compare(payload, 0, payload.length, 0, payload.length) === 0) {
      fill(zerosAreUnreadable ? 'unreadable' : 'zero', offset, length)
      if (!zerosAreUnreadable) tally.read += length
      return
    }
    tally.covered += length
    tally.read += length
    kept++
    batch.push({ type: 'data', stream, time: now(), offset, length, codec: 'none', padded: false, payload })
  }

  function note(text: string, run: Run): void {
    notes++
    if (notes > MOST_NOTES) return
    const message = notes === MOST_NOTES ? `${text} (further ranges stand only as FILL)` : text
    const offset = formatAddress(run.start)
    const length = formatAddress(run.length)
    const body: NoteBody = { level: 'warning', program, message, offset, length }
    batch.push({ type: 'note', stream, time: now(), body })
  }

  function failed(offset: bigint, length: bigint, why: Error): void {
    tally.failure ??= why
    if (bad && bad.start + bad.length === offset) bad.length += length
    else {
      reportBad()
      bad = { start: offset, length, why: why.message }
    }
    fill('unreadable', offset, length)
  }

  function reportBad(): void {
    if (bad) note(`unreadable: ${bad.why}`, bad)
    bad = undefined
  }

  return {
    tally,
    fill,
    data,
    note,
    failed,
    finish: reportBad,
    count: () => batch.length,
    /** Frames of the batch that hold bytes. */
    kept: () => kept,
    take(): Batch {
      const full = batch
      batch = []
      kept = 0
      return full
    },
  }
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
