import { setImmediate as nextTurn } from 'node:timers/promises'
import { copyBytes, settleBytes } from '../../codecs/copy-bytes.js'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { min } from '../min-max.js'
import { readInTwo, readNow, WORTH_TWO } from '../read-in-two.js'
import type { FileAttribute } from './file-attribute.js'
import { decompressLznt1 } from './lznt1.js'
import {
  type ClusterSegment,
  type ClusterSpace,
  planStream,
  type Segment,
  type UnitSegment,
  type ZeroReason,
} from './stream-plan.js'

/** Bytes of a stream in ascending order, or why there are none; offsets are those of the stream. */
export type Piece =
  | { readonly kind: 'bytes'; readonly offset: bigint; readonly bytes: Buffer }
  | { readonly kind: 'zero'; readonly offset: bigint; readonly length: bigint; readonly why: ZeroReason }
  | { readonly kind: 'unreadable'; readonly offset: bigint; readonly length: bigint; readonly reason: string }

/** Gives room for bytes of a stream from `offset` on. */
export type Room = (offset: bigint, length: number) => Buffer

/** An attribute as bytes. `read` throws where a byte of the range cannot be read. */
export interface NtfsStream extends ByteSource {
  readonly attribute: FileAttribute
  /**
   * All of a range, however damaged; clipped to the size of the stream.
   * @param room where its bytes go: asked for at most a MiB at once; its own memory for each piece unless given
   * @param ahead what the room is asked for at once instead, a MiB or some, and while the pieces of the room before are
   *   still to come
   */
  pieces(start?: bigint, end?: bigint, room?: Room, ahead?: number): AsyncGenerator<Piece>
}

/** Most bytes of a piece. */
const PIECE_SIZE = 1 << 20
/** Bytes between two runs that are read with them: a further read costs as much. */
const MOST_SKIPPED = 16n << 10n
/** What is tried again at a place that cannot be read. */
const SECTOR_SIZE = 512

/** @param source the volume */
export function openStream(
  source: ByteSource,
  space: ClusterSpace,
  attribute: FileAttribute,
  name: string,
): NtfsStream {
  const size = attribute.sizes.data
  const pieces = (
    start = 0n,
    end = size,
    room: Room = (_, length) => Buffer.allocUnsafe(length),
    ahead?: number,
  ) =>
    attribute.value
      ? valuePieces(attribute.value, start, end)
      : clusterPieces(source, space, planStream(attribute, space, start, min(end, size)), room, ahead)
  return {
    name,
    size,
    attribute,
    pieces,
    async read(offset, length, into): Promise<Bytes> {
      const wanted = offset >= size ? 0 : clipLength(length, size - offset)
      const target = into ? asBuffer(into).subarray(0, wanted) : Buffer.allocUnsafe(wanted)
      const room: Room = (at, count) => target.subarray(Number(at - offset), Number(at - offset) + count)
      for await (const piece of pieces(offset, offset + BigInt(wanted), room)) {
        const at = Number(piece.offset - offset)
        if (piece.kind === 'unreadable') throw new FormatError(`${name}: ${piece.reason}`, piece.offset)
        if (piece.kind === 'zero') target.fill(0, at, at + Number(piece.length))
        else settleBytes(target.subarray(at), piece.bytes)
      }
      return target
    },
    close: async () => {},
  }
}

async function* valuePieces(value: Buffer, start: bigint, end: bigint): AsyncGenerator<Piece> {
  const bytes = value.subarray(Number(start), Number(end))
  if (bytes.length > 0) yield { kind: 'bytes', offset: start, bytes }
}

/** A part of a batch that becomes bytes: clusters, or a compression unit. */
type Part = Exclude<Segment, { kind: 'zero' | 'gap' }>

/** Parts that follow one another, read into one room. */
interface Batch {
  readonly kind: 'batch'
  readonly parts: Part[]
  length: number
}

async function* clusterPieces(
  source: ByteSource,
  space: ClusterSpace,
  plan: Iterable<Segment>,
  room: Room,
  ahead: number | undefined,
): AsyncGenerator<Piece> {
  const reader = createBatchReader(source, space)
  let reading: Reading | undefined
  try {
    for (const next of inBatches(plan, ahead ?? PIECE_SIZE)) {
      const before = reading && piecesOf(reading, await reading.lost)
      reading = next.kind === 'batch' ? beginReading(next, room, reader) : undefined
      if (before) for (const piece of before) yield piece
      if (next.kind === 'zero') yield next
      else if (next.kind === 'gap') yield { ...next, kind: 'unreadable' }
      else if (reading && ahead === undefined) {
        for (const piece of piecesOf(reading, await reading.lost)) yield piece
        reading = undefined
      }
    }
    if (reading) for (const piece of piecesOf(reading, await reading.lost)) yield piece
  } finally {
    // Nobody may take the room, or close the file, from under a thread that reads.
    await reading?.lost.catch(() => {})
  }
}

/** @param size of a batch at most */
function* inBatches(plan: Iterable<Segment>, size: number): Generator<Batch | Exclude<Segment, Part>> {
  let batch: Batch = { kind: 'batch', parts: [], length: 0 }
  for (const segment of plan) {
    const isPart = segment.kind !== 'zero' && segment.kind !== 'gap'
    for (const part of !isPart ? [] : segment.length <= size ? [segment] : partsOf(segment, size)) {
      const length = Number(part.length)
      if (batch.length > 0 && batch.length + length > size) {
        yield batch
        batch = { kind: 'batch', parts: [], length: 0 }
      }
      batch.parts.push(part)
      batch.length += length
    }
    if (isPart) continue
    if (batch.length > 0) yield batch
    batch = { kind: 'batch', parts: [], length: 0 }
    yield segment
  }
  if (batch.length > 0) yield batch
}

/** A run in parts of a size; a unit, which is smaller than one, as it is. */
function* partsOf(segment: Part, size: number): Generator<Part> {
  if (segment.kind === 'unit') {
    yield segment
    return
  }
  const { length } = segment
  for (let done = 0n; done < length; done += BigInt(size))
    yield {
      kind: 'clusters',
      offset: segment.offset + done,
      length: min(BigInt(size), length - done),
      place: segment.place + done,
    }
}

/** A batch whose room is being filled. */
interface Reading {
  readonly offset: bigint
  readonly buffer: Buffer
  readonly lost: Promise<readonly Lost[]>
}

function beginReading({ parts, length }: Batch, room: Room, reader: BatchReader): Reading {
  const { offset } = parts[0]!
  const buffer = room(offset, length)
  const lost = reader(parts, buffer)
  // A failure is met where it is waited for; until then it is not unhandled.
  lost.catch(() => {})
  return { offset, buffer, lost }
}

function* piecesOf({ offset, buffer }: Reading, lost: readonly Lost[]): Generator<Piece> {
  let at = 0
  for (const { from, to, reason } of lost) {
    yield* bytesOf(offset, buffer, at, from)
    yield { kind: 'unreadable', offset: offset + BigInt(from), length: BigInt(to - from), reason }
    at = to
  }
  yield* bytesOf(offset, buffer, at, buffer.length)
}

function* bytesOf(offset: bigint, buffer: Buffer, begin: number, end: number): Generator<Piece> {
  for (let from = begin; from < end; from += PIECE_SIZE) {
    const bytes = buffer.subarray(from, Math.min(from + PIECE_SIZE, end))
    yield { kind: 'bytes', offset: offset + BigInt(from), bytes }
  }
}

/** Bytes that could not be had, counted from the beginning of what was to be filled. */
interface Lost {
  readonly from: number
  readonly to: number
  readonly reason: string
}

/** Fills the target with the parts of a batch, and gives in ascending order what of it is not filled. */
type BatchReader = (batch: readonly Part[], target: Buffer) => Promise<readonly Lost[]>

function createBatchReader(source: ByteSource, space: ClusterSpace): BatchReader {
  const readUnit = createUnitReader(source, space)
  /** Runs that lie close together, with what lies between. */
  let stretch = Buffer.alloc(0)

  async function readStretch(place: bigint, length: number): Promise<boolean> {
    if (source.place) return readAtOnce(source, place, stretch, 0, length)
    return (await tryRead(source, place, stretch.subarray(0, length))) === undefined
  }

  /** Fills the target from `start` on. @returns whether it could, at once */
  async function readGroup(
    group: readonly ClusterSegment[],
    target: Buffer,
    start: number,
  ): Promise<boolean> {
    const { place } = group[0]!
    const last = group.at(-1)!
    const span = Number(last.place + last.length - place)
    if (stretch.length < span) stretch = Buffer.allocUnsafe(span)
    if (!(await readStretch(place, span))) return false
    let at = start
    for (const part of group) {
      const from = Number(part.place - place)
      const to = from + Number(part.length)
      copyBytes(target, at, stretch.subarray(from, to))
      at += to - from
    }
    return true
  }

  return async (batch, target) => {
    const lost: Lost[] = []
    let at = 0
    /** Behind the parts that could not be read together. */
    let apart = 0
    for (let index = 0; index < batch.length; ) {
      const group = index < apart ? [] : groupAt(batch, index)
      if (group.length > 1 && (await readGroup(group, target, at))) {
        for (const { length } of group) at += Number(length)
        index += group.length
        continue
      }
      if (group.length > 1) apart = index + group.length
      const part = batch[index++]!
      const end = at + Number(part.length)
      const read = part.kind === 'clusters' && readAtOnce(source, part.place, target, at, end - at)
      // A small run is not worth a promise.
      if (!(typeof read === 'boolean' ? read : await read)) {
        const own = target.subarray(at, end)
        const failures = await (part.kind === 'unit'
          ? readUnit(part, own)
          : readClusters(source, part.place, own))
        for (const { from, to, reason } of failures) lost.push({ from: at + from, to: at + to, reason })
      }
      at = end
    }
    return lost
  }
}

/** Clusters from `index` on that ascend on the volume so close together that one read of them all costs less. */
function groupAt(batch: readonly Part[], index: number): readonly ClusterSegment[] {
  const first = batch[index]!
  if (first.kind === 'unit') return []
  const limit = first.place + BigInt(PIECE_SIZE)
  let end = index + 1
  for (let last = first; ; end++) {
    const next = batch[end]
    if (next?.kind !== 'clusters') break
    const behind = last.place + last.length
    if (next.place < behind || next.place > behind + MOST_SKIPPED || next.place + next.length > limit) break
    last = next
  }
  return end === index + 1 ? [] : (batch.slice(index, end) as ClusterSegment[])
}

/**
 * Reads from the file that a volume lies in, without the promise that a ByteSource takes for each run.
 * @returns whether it could; why not, and how much there is, the source tells
 */
function readAtOnce(
  source: ByteSource,
  place: bigint,
  target: Buffer,
  at: number,
  length: number,
): boolean | Promise<boolean> {
  const file = source.place
  if (!file || place + BigInt(length) > source.size) return false
  return length < WORTH_TWO
    ? readNow(file.fd, file.offset + place, target, at, length)
    : readInTwo(file.fd, file.offset + place, target.subarray(at, at + length))
}

type UnitReader = (unit: UnitSegment, target: Buffer) => Promise<readonly Lost[]>

function createUnitReader(source: ByteSource, space: ClusterSpace): UnitReader {
  /** The clusters in use, and what they decompress to. */
  let compressed = Buffer.alloc(0)
  let plain = Buffer.alloc(0)

  return async (unit, target) => {
    if (plain.length < unit.size) {
      compressed = Buffer.allocUnsafe(unit.size)
      plain = Buffer.allocUnsafe(unit.size)
    }
    let length = 0
    for (const run of unit.runs) {
      const bytes = run.length * space.clusterSize
      const [lost] =
        run.lcn! + run.length <= space.clusterCount
          ? await readClusters(
              source,
              BigInt(run.lcn!) * BigInt(space.clusterSize),
              compressed.subarray(length, length + bytes),
            )
          : [{ reason: `its run at cluster ${run.lcn} leaves the volume` }]
      if (lost) return [{ from: 0, to: target.length, reason: `a compression unit: ${lost.reason}` }]
      length += bytes
    }
    const skipped = Number(unit.offset - unit.begin)
    const whole = skipped === 0 && target.length === unit.size
    const output = whole ? target : plain.subarray(0, unit.size)
    const { length: sound, complaint } = decompressLznt1(compressed.subarray(0, length), output)
    if (!whole) output.copy(target, 0, skipped, skipped + target.length)
    const from = Math.max(0, sound - skipped)
    return complaint === undefined || from >= target.length
      ? []
      : [{ from, to: target.length, reason: complaint }]
  }
}

/** Reads around what cannot be read, down to the sector. */
async function readClusters(source: ByteSource, place: bigint, target: Buffer): Promise<readonly Lost[]> {
  const lost: Lost[] = []
  const left: [from: number, to: number][] = [[0, target.length]]
  for (let range = left.pop(); range; range = left.pop()) {
    const [from, to] = range
    const failure = await tryRead(source, place + BigInt(from), target.subarray(from, to))
    if (failure === undefined) continue
    // A medium that fails slowly must not keep signals waiting.
    await nextTurn()
    const { reason, sound } = failure
    if (sound > 0) left.push([from + sound, to])
    else {
      const middle = failure.final ? to : middleSector(place, from, to)
      if (middle >= to) lose(lost, from, to, reason)
      else left.push([middle, to], [from, middle])
    }
  }
  return lost
}

/** Where a sector of the volume begins about the middle of a range; not before its end where it lies in one sector. */
function middleSector(place: bigint, from: number, to: number): number {
  const skew = Number(place % BigInt(SECTOR_SIZE))
  const sector = Math.ceil((skew + from + (to - from) / 2) / SECTOR_SIZE) * SECTOR_SIZE - skew
  if (sector < to) return sector
  return sector - SECTOR_SIZE > from ? sector - SECTOR_SIZE : to
}

/** @returns undefined where all was read; otherwise why not, how much was, and whether less cannot be had either */
async function tryRead(
  source: ByteSource,
  place: bigint,
  target: Buffer,
): Promise<{ reason: string; sound: number; final: boolean } | undefined> {
  try {
    const bytes = await source.read(place, target.length, target)
    settleBytes(target, bytes)
    if (bytes.length === target.length) return undefined
    return { reason: 'the image ends before it', sound: bytes.length, final: true }
  } catch (error) {
    return { reason: (error as Error).message, sound: 0, final: false }
  }
}

function lose(lost: Lost[], from: number, to: number, reason: string): void {
  const last = lost.at(-1)
  if (last && last.to === from && last.reason === reason) lost[lost.length - 1] = { ...last, to }
  else lost.push({ from, to, reason })
}
