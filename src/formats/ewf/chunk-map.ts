import type { ByteSource } from '../byte-source.js'
import type { ChunkForm } from './chunk-form.js'

/** Where one chunk is stored. */
export interface StoredChunk {
  /** In its file. */
  readonly offset: number
  /** At most; what follows it may be counted. */
  readonly length: number
  readonly form: ChunkForm
}

/** Chunks that follow one another, all in one file. */
export interface StoredChunks {
  readonly source: ByteSource
  readonly chunks: readonly StoredChunk[]
}

/** Tells where the chunks of a medium are stored. */
export interface ChunkMap {
  /** Of the medium, in bytes. */
  readonly size: bigint
  readonly chunkSize: number
  /**
   * @param most chunks that it tells of, those behind the first as far as they are in one file
   * @throws {FormatError} when the first is not there
   */
  locate(first: number, most: number): Promise<StoredChunks>
  /** A chunk's bytes as its writer counted them, for messages: `sectors 64 to 127`. */
  describe(chunk: number): string
}
