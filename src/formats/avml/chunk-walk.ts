import { min } from '../min-max.js'
import type { ReadWindow } from './read-window.js'
import { CHUNK, decodeChunkHeader, TELLING_BYTES } from './snappy-frames.js'

/** Chunks of one record, those without content counted: 64 GiB of content. */
const MOST_CHUNKS = 1 << 20

/** A chunk of a record's framed stream. */
export interface Chunk {
  /** Where it stands in the file. */
  readonly offset: bigint
  /** With its header. */
  readonly size: number
  readonly compressed: boolean
  /** Where its content begins in that of the record. */
  readonly from: number
  /** Bytes of its content. */
  readonly content: number
}

/** Finds the chunks of one framed stream by their headers; nothing is decoded. */
export interface ChunkWalk {
  /** Those found so far. */
  readonly chunks: readonly Chunk[]
  /** Bytes of content that they hold. */
  readonly reached: number
  /** Where in the file it stands: behind what was found. */
  readonly offset: bigint
  /** What is wrong where it stands, in words: it does not go on from there. */
  readonly flaw: string | undefined
  /** Finds the next chunk that has content. @returns whether there was one */
  step(): Promise<boolean>
}

/**
 * @param offset where the framed stream begins in the file
 * @param limit where it ends at the latest
 * @param length of its content
 */
export function walkChunks(window: ReadWindow, offset: bigint, limit: bigint, length: bigint): ChunkWalk {
  const chunks: Chunk[] = []
  let at = offset
  let seen = 0
  let reached = 0
  let flaw: string | undefined

  async function look(): Promise<boolean> {
    const room = Number(min(BigInt(TELLING_BYTES), limit - at))
    const header = decodeChunkHeader(await window.at(at, room))
    if (typeof header === 'string') flaw = header
    else if (header === undefined || at + BigInt(header.size) > limit) flaw = 'the stream ends inside a chunk'
    else if (seen === 0 && header.type !== CHUNK.identifier) flaw = 'no stream of snappy'
    else if (BigInt(reached + header.content) > length) flaw = 'a chunk that holds more than its record'
    else if (seen === MOST_CHUNKS) flaw = `more than ${MOST_CHUNKS} chunks in a record`
    if (flaw !== undefined || !header || typeof header === 'string') return false
    const { type, size, content } = header
    if (content > 0)
      chunks.push({ offset: at, size, compressed: type === CHUNK.compressed, from: reached, content })
    seen++
    at += BigInt(size)
    reached += content
    return content > 0
  }

  return {
    chunks,
    get reached() {
      return reached
    },
    get offset() {
      return at
    },
    get flaw() {
      return flaw
    },
    async step() {
      while (flaw === undefined && BigInt(reached) < length) if (await look()) return true
      return false
    },
  }
}
