import { copyBytes } from '../../codecs/copy-bytes.js'
import { asBuffer } from '../../codecs/views.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { decodeChunks, JOB_BYTES, prepareJob } from './chunk-job.js'
import type { ChunkMap } from './chunk-map.js'
import { type DecodedChunks, openReadAhead, type ReadAhead } from './read-ahead.js'

/** Decoded chunks that are kept at hand where they are asked for in no order. */
const KEPT_BYTES = 4 << 20
/** So many reads in a row, each where the last one ended, make more of them likely. */
const READS_IN_A_ROW = 2
/** A medium that is not longer is not worth threads. */
const WORTH_THREADS = 8n << 20n
/** How far behind or before the last read one is still in a row: around damage reads are repeated in halves. */
const NEAR = BigInt(2 * JOB_BYTES)

/**
 * The bytes of a medium that is stored in chunks. Reads in a row are decoded ahead on all cores. A read that meets a
 * damaged or missing chunk throws a FormatError that names its sectors.
 */
export function openMediumSource(map: ChunkMap, name: string): ByteSource {
  const { size, chunkSize } = map
  const count = Number((size + BigInt(chunkSize) - 1n) / BigInt(chunkSize))
  const kept: DecodedChunks[] = []
  let keptBytes = 0
  let ahead: ReadAhead | undefined
  let current: DecodedChunks | undefined
  let expected = -NEAR
  let inARow = 0
  let turn: Promise<unknown> = Promise.resolve()

  function noteRead(offset: bigint, length: number): void {
    if (offset < expected - NEAR || offset > expected + NEAR) {
      inARow = 0
      ahead?.drop()
    } else if (offset >= expected) inARow++
    expected = offset + BigInt(length)
    if (inARow >= READS_IN_A_ROW && size > WORTH_THREADS && chunkSize <= JOB_BYTES)
      ahead ??= openReadAhead(map, count)
  }

  function keep(chunks: DecodedChunks): DecodedChunks {
    kept.unshift(chunks)
    keptBytes += chunks.content.length
    while (kept.length > 1 && keptBytes > KEPT_BYTES) keptBytes -= kept.pop()!.content.length
    return chunks
  }

  /** @param most chunks that are of use */
  async function decodedFrom(chunk: number, most: number): Promise<DecodedChunks> {
    if (current && has(current, chunk)) return current
    const found = kept.find((chunks) => has(chunks, chunk))
    if (found) return found
    const taken = inARow >= READS_IN_A_ROW ? await ahead?.take(chunk) : undefined
    if (taken && has(taken, chunk)) {
      current?.release()
      current = taken
      return taken
    }
    taken?.release()
    const job = await prepareJob(map, chunk, most, (bytes) => new ArrayBuffer(bytes))
    const damage = decodeChunks(job)
    const content = new Uint8Array(job.content)
    return keep({ first: chunk, count: job.chunks.length, content, damage, release() {} })
  }

  async function read(offset: bigint, length: number, into?: Bytes): Promise<Bytes> {
    const left = size > offset ? size - offset : 0n
    const wanted = clipLength(length, left)
    const result = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
    noteRead(offset, wanted)
    for (let done = 0; done < wanted; ) {
      const at = offset + BigInt(done)
      const chunk = Number(at / BigInt(chunkSize))
      const within = Number(at % BigInt(chunkSize))
      const most = Math.ceil((within + wanted - done) / chunkSize)
      const decoded = await decodedFrom(chunk, most)
      done += copyFrom(decoded, chunk, within, result, done)
    }
    return result
  }

  /** Copies what is sound from a chunk on; returns how many bytes. */
  function copyFrom(from: DecodedChunks, chunk: number, within: number, into: Bytes, at: number): number {
    const index = chunk - from.first
    const reason = from.damage.get(index)
    if (reason !== undefined) throw new FormatError(`${map.describe(chunk)}: ${reason}`)
    let sound = index + 1
    while (sound < from.count && !from.damage.has(sound)) sound++
    const bytes = from.content.subarray(index * chunkSize + within, sound * chunkSize)
    const piece = bytes.subarray(0, into.length - at)
    copyBytes(asBuffer(into), at, piece)
    return piece.length
  }

  return {
    name,
    size,
    read(offset, length, into) {
      // Who reads next may have its chunks where the last one's were.
      const result = turn.then(() => read(offset, length, into))
      turn = result.catch(() => {})
      return result
    },
    async close() {
      await ahead?.close()
    },
  }
}

const has = ({ first, count }: DecodedChunks, chunk: number): boolean =>
  chunk >= first && chunk < first + count
