import { reasonOf } from '../cli/failure.js'
import type { ChunkReader, ReadChunks } from '../codecs/chunk-reader.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import { formatAddress } from '../frames/address.js'
import type { FillKind, NoteBody } from '../frames/frame.js'
import { type Outbox, READ_SIZE } from './outbox.js'

/** Every unreadable range stands as FILL; the notes about them must not outgrow the evidence. */
const MOST_NOTES = 1000

const ZEROS = Buffer.alloc(READ_SIZE)

export type HoleKind = Exclude<FillKind, 'byte'>

/** What a stream has been given, in bytes. */
export interface Tally {
  /** All of them. */
  covered: bigint
  /** Read as bytes, zeros included. */
  read: bigint
  /** Tried in vain, or known to be unreadable. */
  unreadable: bigint
  /** The first reason why bytes could not be read. */
  failure?: unknown
}

/** Makes the DATA, FILL and NOTE frames of one open stream, and counts. */
export interface StreamFrames {
  readonly outbox: Outbox
  readonly tally: Readonly<Tally>
  /** DATA, or a hole where all are zeros. `bytes` are the outbox's room, or memory that stays as it is. */
  data(offset: bigint, bytes: Bytes, zeros?: 'zero' | 'unreadable'): void
  /** What was read and compressed of `length` bytes, whose chunks stay as they are while their batch is alive. */
  stored(offset: bigint, length: number, read: ReadChunks, reader: ChunkReader): void
  fill(kind: HoleKind, offset: bigint, length: bigint): void
  /** FILL unreadable, and one NOTE for all that fails side by side. */
  failed(offset: bigint, length: bigint, why: unknown): void
  note(level: NoteBody['level'], message: string, range?: Run): void
  /** Pushes what waits for a neighbour: to be called before CLOSE. */
  finish(): void
}

/**
 * @param program named in notes
 * @param seen told of all bytes that were read
 */
export function createStreamFrames(
  outbox: Outbox,
  stream: number,
  program: string,
  seen?: (address: bigint, bytes: Bytes) => void,
): StreamFrames {
  const tally: Tally = { covered: 0n, read: 0n, unreadable: 0n }
  let notes = 0
  let bad: { start: bigint; length: bigint; why: unknown } | undefined

  function fill(kind: HoleKind, offset: bigint, length: bigint): void {
    if (length === 0n) return
    tally.covered += length
    if (kind === 'unreadable') tally.unreadable += length
    outbox.push({ type: 'fill', stream, time: now(), offset, length, fill: kind })
  }

  function note(level: NoteBody['level'], text: string, range?: Run): void {
    if (range && ++notes > MOST_NOTES) return
    const message = range && notes === MOST_NOTES ? `${text} (further ranges stand only as FILL)` : text
    const where = range && { offset: formatAddress(range.start), length: formatAddress(range.length) }
    outbox.push({ type: 'note', stream, time: now(), body: { level, program, message, ...where } })
  }

  function finish(): void {
    if (bad) note('warning', `unreadable: ${reasonOf(bad.why)}`, bad)
    bad = undefined
  }

  return {
    outbox,
    tally,
    fill,
    note,
    finish,
    data(offset, bytes, zeros = 'zero') {
      const length = BigInt(bytes.length)
      const hole = ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
      if (!hole || zeros === 'zero') {
        tally.read += length
        seen?.(offset, bytes)
      }
      if (hole) {
        fill(zeros, offset, length)
        return
      }
      tally.covered += length
      const payload = bytes
      outbox.push({
        type: 'data',
        stream,
        time: now(),
        offset,
        length,
        codec: 'none',
        padded: false,
        payload,
      })
    },
    stored(offset, length, { time, runs, hold, release }, { codec, chunkSize }) {
      outbox.keep(release)
      tally.read += BigInt(length)
      let end = 0
      for (const { first, lengths, bytes, crc } of runs) {
        const start = first * chunkSize
        fill('zero', offset + BigInt(end), BigInt(start - end))
        end = Math.min(start + lengths.length * chunkSize, length)
        tally.covered += BigInt(end - start)
        outbox.push({
          type: 'data',
          stream,
          time: BigInt(time) * 1_000_000n,
          offset: offset + BigInt(start),
          length: BigInt(end - start),
          codec,
          padded: (end - start) % chunkSize !== 0,
          payload: bytes,
          chunks: { size: chunkSize, lengths, crc, hold },
        })
      }
      fill('zero', offset + BigInt(end), BigInt(length - end))
    },
    failed(offset, length, why) {
      tally.failure ??= why
      if (bad && bad.start + bad.length === offset) bad.length += length
      else {
        finish()
        bad = { start: offset, length, why }
      }
      fill('unreadable', offset, length)
    },
  }
}

/** When bytes were read, as frames say it. */
export function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
