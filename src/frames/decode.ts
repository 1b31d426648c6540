import { copyBytes } from '../codecs/copy-bytes.js'
import type { Batch, Frame, Frames } from './frame.js'
import { FrameError } from './frame-error.js'
import { decodeHeader, HEADER_SIZE, type Header, isHeader, MAGIC, TYPES } from './header.js'
import { checkHeader, decodePayload } from './payloads.js'
import { createTransmission, type Transmission } from './transmission.js'

/** Sequential input, read into the decoder's own memory. */
export interface ByteInput {
  /** What a message calls it. */
  readonly name: string
  /** Reads some bytes into `into` from its start on; 0 only at the end. */
  read(into: Buffer): Promise<number>
}

/** For how many further batches the views of a batch stay valid, unless `decode` is told otherwise. */
export const BATCHES_ALIVE = 2

/** Two DATA frames of a source as they come: then none lies across the end, where it would be moved. */
const SLAB = (2 << 20) + 4096
const START_TYPE = TYPES.indexOf('start') + 1
const END_TYPE = TYPES.indexOf('end') + 1

/**
 * Bytes to frames, in batches of what one read brought.
 *
 * A frame counts only once the header after it has been verified, or the input has ended after END: what a
 * killed writer left unfinished, followed by another writer's bytes, never becomes evidence. Damage and a
 * missing END are marked in the stream itself, by CLOSE `failed` and END `truncated`; reading goes on at the
 * next START. An input without a single START yields START and END `truncated`.
 *
 * @param batchesAlive how many further batches the views of a batch stay valid
 * @throws {FrameError} when the input does not begin with a frame, or a verified header or payload says
 *   what this format forbids
 */
export async function* decode(input: ByteInput, batchesAlive = BATCHES_ALIVE): Frames {
  const slabs: Buffer[] = Array.from({ length: batchesAlive + 1 }, () => Buffer.alloc(0))
  let turn = 0
  let slab = slabs[0]!
  /** Offset in the input of slab[0]. */
  let base = 0n
  /** Bytes of the slab that are filled; next header; frame that waits for the header behind it. */
  let filled = 0
  let at = 0
  let held: { at: number; header: Header } | undefined
  let transmission: Transmission | undefined
  let yielded = false
  let searching = false
  /** Said already: END `truncated` stands for all that is dropped up to the next frame that counts. */
  let marked = false
  let batch: Batch = []

  const offsetOf = (position: number) => base + BigInt(position)

  function deliver(frame: Frame, position: number): void {
    if (frame.type === 'start' && transmission)
      truncate(`a new START at 0x${offsetOf(position).toString(16)}`)
    transmission ??= createTransmission()
    transmission.accept(frame, offsetOf(position))
    if (frame.type === 'end') transmission = undefined
    batch.push(frame)
    marked = false
  }

  function deliverHeld(): void {
    if (!held) return
    const raw = slab.subarray(held.at, held.at + HEADER_SIZE + held.header.payloadLength)
    const position = held.at
    const frame = decodePayload(held.header, raw, offsetOf(position))
    held = undefined
    deliver(frame, position)
  }

  function truncate(error: string): void {
    if (marked) return
    if (!transmission) batch.push(syntheticStart())
    const open = transmission?.open
    if (open) {
      const body = { status: 'failed' as const, error, bytes: Number(open.bytes) }
      batch.push({ type: 'close', stream: open.id, time: 0n, body })
    }
    const body = { status: 'truncated' as const, error, frames: 0, bytes: 0 }
    batch.push({ type: 'end', stream: 0, time: 0n, body })
    transmission = undefined
    marked = true
  }

  const isFirst = () => !held && !transmission && !searching && offsetOf(at) === 0n

  /** Takes whole frames out of the slab; returns how many bytes from `keepFrom()` on are needed next. */
  function parse(): number {
    for (;;) {
      if (searching && !findStart()) return filled - keepFrom() + 1
      if (filled - at < HEADER_SIZE) return at - keepFrom() + HEADER_SIZE
      if (!isHeader(slab, at)) {
        if (isFirst()) throw notFrames(slab.subarray(at, at + HEADER_SIZE))
        // The payload before a bad header may hold the START of another writer: search from there.
        const error = `damaged at 0x${offsetOf(at).toString(16)}`
        at = (held?.at ?? at) + 1
        held = undefined
        truncate(error)
        searching = true
        continue
      }
      deliverHeld()
      if (!transmission && slab[at + 4] !== START_TYPE)
        throw new FrameError('a transmission begins with START', offsetOf(at))
      const header = decodeHeader(slab, at)
      checkHeader(header, offsetOf(at))
      const size = HEADER_SIZE + header.payloadLength
      if (filled - at < size) return at - keepFrom() + size
      held = { at, header }
      at += size
    }
  }

  /** Moves `at` to the next header of a START, or to where one could still begin. */
  function findStart(): boolean {
    for (;;) {
      const found = slab.subarray(0, filled).indexOf(MAGIC, at)
      if (found < 0) {
        at = Math.max(at, filled - MAGIC.length + 1)
        return false
      }
      at = found
      if (filled - at < HEADER_SIZE) return false
      if (slab[at + 4] === START_TYPE && isHeader(slab, at)) {
        searching = false
        return true
      }
      at++
    }
  }

  const keepFrom = () => held?.at ?? at

  /** Makes room for `needed` bytes from the first one that is still wanted. */
  function makeRoom(needed: number): void {
    const from = keepFrom()
    if (from + needed <= slab.length && filled < slab.length) return
    if (yielded) turn = (turn + 1) % slabs.length
    // Room to spare: a run of large frames that are dropped again must not move a whole slab for each.
    const size = Math.max(SLAB, needed + SLAB / 2)
    // A slab that nobody holds views of is compacted in place.
    const next = slabs[turn]!.length >= size ? slabs[turn]! : Buffer.from(new SharedArrayBuffer(size))
    if (next === slab) slab.copyWithin(0, from, filled)
    else copyBytes(next, 0, slab.subarray(from, filled))
    slabs[turn] = slab = next
    yielded = false
    base += BigInt(from)
    filled -= from
    at -= from
    if (held) held.at -= from
  }

  /** The input is over: END may count now; anything else was cut, and may hide another writer's START. */
  function finish(): void {
    const head = slab.subarray(at, Math.min(at + MAGIC.length, filled))
    if (isFirst() && !MAGIC.subarray(0, head.length).equals(head)) throw notFrames(head)
    while (!searching && !(at === filled && held?.header.type === END_TYPE)) {
      truncate(`input ended at 0x${offsetOf(filled).toString(16)} before END`)
      at = Math.min((held?.at ?? at) + 1, filled)
      held = undefined
      searching = true
      parse()
    }
    deliverHeld()
  }

  for (let ended = false; ; ) {
    let needed = 0
    let failure: unknown
    try {
      if (ended) finish()
      else needed = parse()
    } catch (error) {
      failure = error
    }
    if (batch.length > 0) {
      yielded = true
      const full = batch
      batch = []
      yield full
    }
    if (failure) throw failure
    if (ended) return
    makeRoom(needed)
    const count = await input.read(slab.subarray(filled))
    filled += count
    ended = count === 0
  }
}

/** @param head where the first header should be */
function notFrames(head: Buffer): FrameError {
  if (head.indexOf(MAGIC) < 0) {
    const hint = 'frames come from a source: file-cat sends files, image-cat what an image holds'
    return new FrameError('not frames: no frame header at the start', 0n, hint)
  }
  const hint = 'PowerShell before 7.4 makes text of what flows between two programs: cmd does not'
  return new FrameError('damaged frames: the first header is not as it was sent', 0n, hint)
}

function syntheticStart(): Frame {
  return { type: 'start', stream: 0, time: 0n, body: { format: 1, programs: [] } }
}
