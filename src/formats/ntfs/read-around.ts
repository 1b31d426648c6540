import { asBuffer } from '../../codecs/views.js'
import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'

/** What is tried again on its own where more cannot be read. */
const PIECE = 4096

/** Told of each piece that could not be read. */
export type Lost = (offset: bigint, reason: string) => void

/**
 * Reads a range, clipped to the source, around what its format cannot give: zeros stand there.
 * @throws what is no FormatError
 */
export async function readAround(
  source: ByteSource,
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
  for (let at = 0; at < size; at += PIECE)
    try {
      bytes.set(await source.read(offset + BigInt(at), Math.min(PIECE, size - at)), at)
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      lost(offset + BigInt(at), error.message)
    }
  return bytes
}
