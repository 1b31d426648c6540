import { pipeline, Readable } from 'node:stream'
import { constants, createGunzip } from 'node:zlib'
import type { ByteSource, Bytes } from './byte-source.js'
import { clipLength } from './clip-length.js'
import { FormatError } from './format-error.js'

/** Bytes that are decompressed at once: so many sound ones at most are lost before damaged ones. */
const PIECE = 64 << 10
const READ_SIZE = 1 << 20
/** What was decompressed last is kept, for whoever reads it again in smaller steps. */
const KEPT = 2 << 20

/** What a gzip stream (RFC 1952) holds. */
export interface GzipSource extends ByteSource {
  /** Goes on to the end, where its CRC-32 stands. @returns what does not hold */
  verify(): Promise<string | undefined>
}

interface Piece {
  readonly start: bigint
  readonly bytes: Bytes
}

/**
 * The content of a gzip stream as a source. It is decompressed as it is read: forwards at once, backwards from the
 * beginning on, further than 2 MiB. Closing it closes the stream.
 * @param size of the content
 */
export function gzipSource(stored: ByteSource, size: bigint, name: string): GzipSource {
  let inflating: AsyncIterator<Bytes> | undefined
  let recent: Piece[] = []
  let end = 0n
  /** Nothing can be had from there on. */
  let lost: { readonly from: bigint; readonly why: string } | undefined

  async function rewind(): Promise<void> {
    await inflating?.return?.()
    inflating = undefined
    recent = []
    end = 0n
  }

  /** @returns whether more came */
  async function goOn(): Promise<boolean> {
    inflating ??= inflate(stored)
    try {
      const { done, value } = await inflating.next()
      if (done) return false
      recent.push({ start: end, bytes: value })
      end += BigInt(value.length)
      while (recent.length > KEPT / PIECE) recent.shift()
      return true
    } catch (error) {
      lost = { from: end, why: (error as Error).message }
      return false
    }
  }

  const failure = () =>
    new FormatError(
      `${name}: the compressed data is damaged: ${lost?.why}; it is lost from there on`,
      lost?.from,
    )

  return {
    name,
    size,
    async read(offset, length, into) {
      const wanted = offset < size ? clipLength(length, size - offset) : 0
      if (lost && offset + BigInt(wanted) > lost.from) throw failure()
      if (recent[0] && offset < recent[0].start) await rewind()
      const target = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
      for (let done = 0; done < wanted; ) {
        const at = offset + BigInt(done)
        const held = recent.find(({ start, bytes }) => at < start + BigInt(bytes.length))
        if (held) {
          const from = Number(at - held.start)
          const part = held.bytes.subarray(from, from + wanted - done)
          target.set(part, done)
          done += part.length
        } else if (!(await goOn())) {
          lost ??= { from: end, why: 'it ends before its content does' }
          throw failure()
        }
      }
      return target
    },
    async verify() {
      while (!lost && end <= size && (await goOn()));
      if (lost) return failure().message
      return end === size ? undefined : `${name}: the compressed data does not hold ${size} bytes`
    },
    async close() {
      await rewind()
      await stored.close()
    },
  }
}

/** @throws what zlib or the source says, in place of what cannot be had */
function inflate(stored: ByteSource): AsyncIterator<Bytes> {
  // What comes before the place where a stream was cut is sound.
  const gunzip = createGunzip({ chunkSize: PIECE, finishFlush: constants.Z_SYNC_FLUSH })
  pipeline(Readable.from(readAll(stored)), gunzip, () => {}) // whoever iterates meets the error
  return gunzip[Symbol.asyncIterator]()
}

async function* readAll(stored: ByteSource): AsyncGenerator<Bytes> {
  for (let offset = 0n; offset < stored.size; ) {
    const bytes = await stored.read(offset, READ_SIZE)
    if (bytes.length === 0) return
    yield bytes
    offset += BigInt(bytes.length)
  }
}
