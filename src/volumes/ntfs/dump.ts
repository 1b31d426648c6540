import { toJson } from '../../cli/json.js'
import type { Piece } from '../../formats/ntfs/stream.js'
import { createHexdump } from './hexdump.js'

/** Bytes in one text. */
const BATCH = 16384

/** Pieces of a stream, told one way or another; `unreadable` is called for each that could not be read. */
export type DumpFormat = (pieces: AsyncIterable<Piece>, unreadable: () => void) => AsyncGenerator<string>

/** A hexdump. Where there are no bytes a line says so. */
export async function* dumpText(
  pieces: AsyncIterable<Piece>,
  unreadable: () => void,
): AsyncGenerator<string> {
  const dump = createHexdump()
  let end: bigint | undefined
  for await (const piece of pieces) {
    if (piece.kind === 'bytes')
      for (const [offset, bytes] of batchesOf(piece)) yield dump.bytes(offset, bytes)
    else {
      if (piece.kind === 'unreadable') unreadable()
      yield dump.notice(piece.offset, noticeOf(piece))
    }
    end = piece.offset + lengthOf(piece)
  }
  if (end !== undefined) yield dump.end(end)
}

/** An object a line: bytes in hexadecimal, numbers of address size as `0x…`. */
export async function* dumpJson(
  pieces: AsyncIterable<Piece>,
  unreadable: () => void,
): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const length = lengthOf(piece)
    if (piece.kind === 'bytes')
      for (const [offset, bytes] of batchesOf(piece))
        yield line({
          offset,
          length: BigInt(bytes.length),
          kind: 'bytes',
          bytes: bytes.toString('hex'),
        })
    else if (piece.kind === 'zero') yield line({ offset: piece.offset, length, kind: piece.why })
    else {
      unreadable()
      yield line({ offset: piece.offset, length, kind: 'unreadable', reason: piece.reason })
    }
  }
}

function* batchesOf({ offset, bytes }: Extract<Piece, { kind: 'bytes' }>): Generator<[bigint, Buffer]> {
  for (let at = 0; at < bytes.length; at += BATCH) yield [offset + BigInt(at), bytes.subarray(at, at + BATCH)]
}

const lengthOf = (piece: Piece): bigint =>
  piece.kind === 'bytes' ? BigInt(piece.bytes.length) : piece.length

function noticeOf(piece: Exclude<Piece, { kind: 'bytes' }>): string {
  if (piece.kind === 'unreadable') return `[unreadable: ${piece.length} bytes: ${piece.reason}]`
  return piece.why === 'hole'
    ? `[hole: ${piece.length} bytes without clusters]`
    : `[never written: ${piece.length} bytes behind the initialised size]`
}

const line = (facts: Record<string, unknown>) => `${toJson(facts)}\n`
