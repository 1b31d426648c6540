import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import type { NtfsStream } from './stream.js'

/** What is tried again on its own where more cannot be read. */
const PIECE = 4096

/** Told of each piece that could not be read. */
export type Lost = (offset: bigint, reason: string) => void

/** A stream of a volume tells itself what of it is lost, however much that is; any other source is tried by pieces. */
export type SourceAround = ByteSource & Partial<Pick<NtfsStream, 'pieces'>>

/**
 * Reads a range, clipped to the source, around what its format cannot give: zeros stand there.
 * @throws what is no FormatError
 */
export async function readAround(
  source: SourceAround,
  offset: bigint,
  length: number,
  lost: Lost,
): Promise<Buffer> {
  if (offset < 0n || offset >= source.size) return Buffer.alloc(0)
  const size = Math.min(length, Number(source.size - offset))
  try {
    return asBuffer(await source.read(offset, size))
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
  }
  const bytes = Buffer.alloc(size)
  if (!source.pieces) await readPieces(source, offset, bytes, lost)
  else
    for await (const piece of source.pieces(offset, offset + BigInt(size))) {
      if (piece.kind === 'bytes') bytes.set(piece.bytes, Number(piece.offset - offset))
      if (piece.kind === 'unreadable') lost(piece.offset, piece.reason)
    }
  return bytes
}

async function readPieces(source: ByteSource, offset: bigint, bytes: Buffer, lost: Lost): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE)
    try {
      bytes.set(await source.read(offset + BigInt(at), Math.min(PIECE, bytes.length - at)), at)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      lost(offset + BigInt(at), error.message)
    }
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
