import { pipeline, Readable } from 'node:stream'
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib'
import type { ByteSource, Bytes } from '../../byte-source.js'
import { clipLength } from '../../clip-length.js'
import { FormatError } from '../../format-error.js'

/** Stored bytes that are read at once. */
const BLOCK = 256 << 10

export interface Deflated {
  /** What a message calls it. */
  readonly name: string
  /** What it must inflate to. */
  readonly size: bigint
  readonly crc: number | undefined
  /** Where the member stands, for messages. */
  readonly at: bigint
  readonly compressedSize: bigint
  /** Reads stored bytes. */
  stored(offset: bigint, length: number): Promise<Bytes>
}

/**
 * A deflated member that is too large to be held in memory: it is inflated as it is read, and again from its
 * beginning for who goes back. Its size and CRC are checked where its end is reached.
 */
export function inflatingSource(deflated: Deflated): ByteSource {
  const { name, size, at } = deflated
  const refuse = (why: string) => new FormatError(`zip: ${name}: ${why}`, at)
  let inflater: InflateRaw | undefined
  let pieces: AsyncIterator<Bytes> | undefined
  /** The piece at hand, and where it begins. */
  let piece: Bytes = new Uint8Array(0)
  let start = 0n
  let crc = 0
  let turn: Promise<unknown> = Promise.resolve()

  function restart(): void {
    inflater?.destroy()
    inflater = createInflateRaw({ chunkSize: BLOCK })
    pipeline(Readable.from(blocks()), inflater, () => {})
    pieces = inflater[Symbol.asyncIterator]() as AsyncIterator<Bytes>
    piece = new Uint8Array(0)
    start = 0n
    crc = 0
  }

  async function* blocks(): AsyncGenerator<Bytes> {
    for (let done = 0n; done < deflated.compressedSize; ) {
      const left = deflated.compressedSize - done
      const block = await deflated.stored(done, clipLength(BLOCK, left))
      done += BigInt(block.length)
      yield block
    }
  }

  async function advance(): Promise<void> {
    start += BigInt(piece.length)
    let next: IteratorResult<Bytes>
    try {
      next = await pieces!.next()
    } catch (error) {
      throw error instanceof FormatError ? error : refuse((error as Error).message)
    }
    piece = next.done ? new Uint8Array(0) : next.value
    const end = start + BigInt(piece.length)
    if (end > size) throw refuse(`inflates to more than ${size} bytes`)
    if (next.done && end < size) throw refuse(`inflates to ${end} bytes, not ${size}`)
    crc = crc32(piece, crc)
    if (next.done && deflated.crc !== undefined && crc !== deflated.crc) throw refuse('CRC does not match')
  }

  async function read(offset: bigint, length: number): Promise<Bytes> {
    const left = size > offset ? size - offset : 0n
    const result = Buffer.allocUnsafe(clipLength(length, left))
    if (!pieces || offset < start) restart()
    for (let done = 0; done < result.length; ) {
      const within = offset + BigInt(done) - start
      if (within >= BigInt(piece.length)) {
        await advance()
        continue
      }
      const part = piece.subarray(Number(within), Number(within) + result.length - done)
      result.set(part, done)
      done += part.length
    }
    // The end of the member is also where it is checked.
    if (result.length > 0 && offset + BigInt(result.length) === size) while (piece.length > 0) await advance()
    return result
  }

  return {
    name,
    size,
    /** One at a time: they share the inflater. */
    read(offset, length) {
      const result = turn.then(() => read(offset, length))
      turn = result.catch(() => {
        pieces = undefined
      })
      return result
    },
    async close() {
      inflater?.destroy()
    },
  }
}
