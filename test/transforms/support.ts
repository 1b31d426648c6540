import { chunkContent } from '../../src/frames/chunk-content.js'
import { BATCHES_ALIVE } from '../../src/frames/decode.js'
import type { Batch, DataFrame, FillFrame, Frame, Frames, StreamBody } from '../../src/frames/frame.js'

export const start: Frame = { type: 'start', stream: 0, time: 0n, body: { format: 1, programs: [] } }
export const end: Frame = {
  type: 'end',
  stream: 0,
  time: 0n,
  body: { status: 'complete', frames: 0, bytes: 0 },
}
export const stream = (body: Partial<StreamBody> = {}): Frame => ({
  type: 'stream',
  stream: 1,
  time: 0n,
  body: { name: 'memory', kind: 'map', ...body },
})
export const close: Frame = { type: 'close', stream: 1, time: 0n, body: { status: 'complete', bytes: 0 } }
export const data = (offset: bigint, payload: Uint8Array, more: Partial<DataFrame> = {}): DataFrame => ({
  type: 'data',
  stream: 1,
  time: 7n,
  offset,
  length: BigInt(payload.length),
  codec: 'none',
  padded: false,
  payload,
  ...more,
})
export const fill = (offset: bigint, length: bigint, more: Partial<FillFrame> = {}): FillFrame => ({
  type: 'fill',
  stream: 1,
  time: 7n,
  offset,
  length,
  fill: 'zero',
  ...more,
})

/**
 * Frames as the decoder gives them: payloads in memory that is reused, here overwritten, once `batchesAlive`
 * further batches have come and the next one is asked for.
 */
export async function* reusing(batches: readonly Batch[], batchesAlive = BATCHES_ALIVE): Frames {
  const memory: Buffer[][] = []
  for (const batch of batches) {
    if (memory.length > batchesAlive) for (const bytes of memory.shift()!) bytes.fill(0xee)
    const used: Buffer[] = []
    memory.push(used)
    yield batch.map((frame) => {
      if (frame.type !== 'data') return frame
      const payload = Buffer.from(new SharedArrayBuffer(frame.payload.length))
      payload.set(frame.payload)
      used.push(payload)
      return { ...frame, payload }
    })
  }
}

/** What comes out, looked at as late as a reader may: when `BATCHES_ALIVE` further batches have come. */
export async function collect(frames: Frames): Promise<Frame[]> {
  const held: Batch[] = []
  const seen: Frame[] = []
  const see = (batch: Batch) => {
    for (const frame of batch)
      seen.push(frame.type === 'data' ? { ...frame, payload: Buffer.from(frame.payload) } : frame)
  }
  for await (const batch of frames) {
    held.push(batch)
    if (held.length > BATCHES_ALIVE) see(held.shift()!)
  }
  for (const batch of held) see(batch)
  return seen
}

/** Divides frames into batches of these sizes, in turn. */
export function inBatches(frames: readonly Frame[], sizes: readonly number[]): Batch[] {
  const batches: Batch[] = []
  for (let at = 0, turn = 0; at < frames.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1)
    batches.push(frames.slice(at, at + size))
    at += size
  }
  return batches
}

/** A stretch of addresses and what it reads as. */
interface Stretch {
  offset: bigint
  length: bigint
  reads: Buffer | string
}

/** Holes up to this size are compared as the zeros they read as. */
const SMALL = 8n << 20n

/**
 * What the frames of one stream say about its addresses, however they are divided: touching bytes are one stretch,
 * zeros are zeros whether stored or not, and those beside a large hole belong to it.
 */
function evidence(frames: readonly Frame[]): Stretch[] {
  let chunkSize: number | undefined
  const stretches: Stretch[] = []
  let pieces: Uint8Array[] = []
  let begin = 0n
  let next = 0n

  const endBytes = () => {
    if (pieces.length > 0)
      stretches.push({ offset: begin, length: next - begin, reads: Buffer.concat(pieces) })
    pieces = []
  }
  for (const frame of frames) {
    if (frame.type === 'stream') chunkSize = frame.body.chunkSize
    if (frame.type !== 'data' && frame.type !== 'fill') continue
    const { offset, length } = frame
    const bytes =
      frame.type === 'data'
        ? chunkContent(frame, chunkSize)
        : frame.fill === 'zero' && length <= SMALL
          ? new Uint8Array(Number(length))
          : undefined
    if (bytes && bytes.length !== Number(length)) throw new Error('not as long as it says')
    if (!bytes || offset !== next) endBytes()
    if (pieces.length === 0) begin = offset
    if (bytes) pieces.push(bytes)
    else if (frame.type === 'fill')
      stretches.push({ offset, length, reads: `${frame.fill} ${frame.value ?? ''}` })
    next = offset + length
  }
  endBytes()
  return joined(stretches.flatMap((stretch, i) => absorbed(stretch, stretches[i - 1], stretches[i + 1])))
}

/** Large holes that touch, or that took the same zeros between them, are one. */
function joined(stretches: Stretch[]): Stretch[] {
  const out: Stretch[] = []
  for (const stretch of stretches) {
    const last = out.at(-1)
    if (isLargeHole(last) && isLargeHole(stretch) && stretch.offset <= last.offset + last.length)
      last.length = stretch.offset + stretch.length - last.offset
    else out.push(stretch)
  }
  return out
}

const isLargeHole = (stretch: Stretch | undefined): stretch is Stretch => stretch?.reads === 'zero '

/** A large hole with the zeros on both its sides, and bytes without those. */
function absorbed(stretch: Stretch, before: Stretch | undefined, behind: Stretch | undefined): Stretch[] {
  let { offset, length, reads } = stretch
  const touchesBefore = before && before.offset + before.length === offset ? before : undefined
  const touchesBehind = behind && offset + length === behind.offset ? behind : undefined
  if (isLargeHole(stretch)) {
    const lead = BigInt(
      touchesBefore && Buffer.isBuffer(touchesBefore.reads) ? zerosAtEnd(touchesBefore.reads) : 0,
    )
    const tail = BigInt(
      touchesBehind && Buffer.isBuffer(touchesBehind.reads) ? zerosAtStart(touchesBehind.reads) : 0,
    )
    return [{ offset: offset - lead, length: lead + length + tail, reads }]
  }
  if (Buffer.isBuffer(reads) && isLargeHole(touchesBehind))
    reads = reads.subarray(0, reads.length - zerosAtEnd(reads))
  if (Buffer.isBuffer(reads) && isLargeHole(touchesBefore)) {
    const zeros = zerosAtStart(reads)
    offset += BigInt(zeros)
    reads = reads.subarray(zeros)
  }
  if (Buffer.isBuffer(reads)) length = BigInt(reads.length)
  return length === 0n ? [] : [{ offset, length, reads }]
}

function zerosAtStart(bytes: Buffer): number {
  let count = 0
  while (count < bytes.length && bytes[count] === 0) count++
  return count
}
function zerosAtEnd(bytes: Buffer): number {
  let count = 0
  while (count < bytes.length && bytes[bytes.length - 1 - count] === 0) count++
  return count
}

/** Where two lists of frames differ in what they say about addresses; undefined where they agree. */
export function difference(one: readonly Frame[], other: readonly Frame[]): string | undefined {
  const left = evidence(one)
  const right = evidence(other)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [a, b] = [left[i], right[i]]
    if (!a || !b || a.offset !== b.offset || a.length !== b.length)
      return `stretch ${i}: ${a?.offset}+${a?.length}, ${b?.offset}+${b?.length}`
    const isSame =
      typeof a.reads === 'string' || typeof b.reads === 'string'
        ? a.reads === b.reads
        : a.reads.equals(b.reads)
    if (!isSame) return `stretch ${i} at ${a.offset}: other bytes`
  }
  return undefined
}
