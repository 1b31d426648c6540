import { copyBytes } from '../../codecs/copy-bytes.js'
import { asBuffer } from '../../codecs/views.js'
import { firstIndex } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { chunkDecoder } from './chunk-decoder.js'
import { type Chunk, type ChunkWalk, walkChunks } from './chunk-walk.js'
import { readWindow } from './read-window.js'
import type { AvmlRecord } from './record-index.js'

/** The decoded content of records, one behind the other. */
export interface RecordContent extends Pick<ByteSource, 'name' | 'size' | 'read'> {
  /** Where the content of each record begins, in their order. */
  readonly starts: readonly bigint[]
  /** What did not hold, besides what `read` threw. */
  readonly findings: ReadonlySet<string>
}

/** Where a chunk fails, the address that it is of stands in the error. One read at a time. */
export function recordContent(source: ByteSource, records: readonly AvmlRecord[]): RecordContent {
  const window = readWindow(source)
  const decode = chunkDecoder(window)
  const starts: bigint[] = []
  let size = 0n
  for (const { held } of records) {
    starts.push(size)
    size += held
  }
  const findings = new Set<string>()
  let open: { index: number; walk: ChunkWalk } | undefined
  let known: ({ chunk: Chunk } & ({ bytes: Bytes } | { error: FormatError })) | undefined

  function walkOf(index: number): ChunkWalk {
    if (open?.index === index) return open.walk
    const { offset, end, held } = records[index]!
    open = { index, walk: walkChunks(window, offset, end, held) }
    return open.walk
  }

  /** @param within counts from the first byte of the record */
  async function findChunk(index: number, within: number): Promise<Chunk> {
    const walk = walkOf(index)
    const record = records[index]!
    while (walk.reached <= within) {
      if (await walk.step()) continue
      throw new FormatError(
        `address 0x${(record.start + BigInt(within)).toString(16)}: ${walk.flaw}`,
        walk.offset,
      )
    }
    if (BigInt(walk.reached) === record.held && walk.offset !== record.end) noteEnd(record, walk.offset)
    return walk.chunks[firstIndex(walk.chunks.length, (i) => walk.chunks[i]!.from > within) - 1]!
  }

  function noteEnd({ offset, end }: AvmlRecord, reached: bigint): void {
    const ends = `ends at 0x${reached.toString(16)}, the size behind it says 0x${end.toString(16)}`
    findings.add(`the stream at 0x${offset.toString(16)} ${ends}`)
  }

  async function contentOf(chunk: Chunk, record: AvmlRecord): Promise<Bytes> {
    if (known?.chunk === chunk) {
      if ('error' in known) throw known.error
      return known.bytes
    }
    known = undefined
    try {
      const bytes = await decode(chunk, record.start + BigInt(chunk.from))
      // What is not compressed is a view of the window.
      if (chunk.compressed) known = { chunk, bytes }
      return bytes
    } catch (error) {
      if (error instanceof FormatError) known = { chunk, error }
      throw error
    }
  }

  return {
    name: source.name,
    size,
    starts,
    findings,
    async read(offset, length, into) {
      const result = asBuffer(into?.subarray(0, length) ?? new Uint8Array(length))
      for (let done = 0; done < length; ) {
        const position = offset + BigInt(done)
        const index = firstIndex(starts.length, (i) => starts[i]! > position) - 1
        const record = records[index]
        const within = record ? position - starts[index]! : 0n
        if (!record || within >= record.held) return result.subarray(0, done)
        const chunk = await findChunk(index, Number(within))
        const content = await contentOf(chunk, record)
        const from = Number(within) - chunk.from
        const piece = content.subarray(from, from + length - done)
        copyBytes(result, done, piece)
        done += piece.length
      }
      return result
    },
  }
}
