import { asBuffer } from '../codecs/views.js'
import type { ByteSource } from './byte-source.js'

/** Reads up to `length` bytes at `offset`: fewer where the source ends, none past its end. */
export async function readBuffer(source: ByteSource, offset: bigint, length: number): Promise<Buffer> {
  if (offset < 0n || offset >= source.size) return Buffer.alloc(0)
  const bytes = await source.read(offset, length)
  return asBuffer(bytes)
}
