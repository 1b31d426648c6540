import { createHash } from 'node:crypto'
import { compress } from '../../codecs/codec.js'
import type { WritableCodec } from '../../codecs/codec-error.js'
import { copyBytes } from '../../codecs/copy-bytes.js'
import { combineCrc } from '../../codecs/crc-combine.js'
import { crc32 } from '../../codecs/crc32.js'
import { asDataView } from '../../codecs/views.js'
import type { Bytes } from '../byte-source.js'
import { type BlockHashes, createBlockHashes } from './block-hashes.js'
import { indexOf } from './dialect.js'
import {
  bevyUrn,
  blockHashUrn,
  chunkStarts,
  INDEX_ENTRY_SIZE,
  LARGEST_CHUNK_SIZE,
  chunksPerBevy as usualChunksPerBevy,
  writeIndexEntry,
} from './image-stream.js'
import {
  aff4,
  COMPRESSION_METHODS,
  type DigestName,
  digestLiteral,
  GITHUB_SNAPPY,
  int,
  iri,
  long,
  RDF_TYPE,
} from './lexicon.js'
import type { OpenMap } from './map-writer.js'
import { STATEMENT_BYTES, type VolumeParts } from './volume-parts.js'

export interface ImageStreamOptions {
  readonly urn?: string
  /** Bytes of a chunk before compression. */
  readonly chunkSize: number
  readonly chunksPerBevy?: number
  readonly blockHashes?: readonly DigestName[]
}

/** Chunks that come together. */
export interface StoredRun {
  /** What is stored of each, in bytes: the chunk size where it is stored as it is. */
  readonly lengths: readonly number[]
  /** CRC-32 of all that is stored. */
  readonly crc: number
  /** Makes what is stored stay as it is, where it is, until what is returned is called. */
  hold(): () => void
}

/** Chunks on their way into a volume, collected in memory a bevy at a time, while the one before is written. */
export interface ImageStreamWriter {
  readonly urn: string
  readonly chunkSize: number
  /** The codec of the compressed chunks; undefined while there is none. */
  readonly codec: WritableCodec | undefined
  /** Bytes taken so far: where in the stream the next ones land. */
  readonly position: bigint
  /** The bevy holds as many chunks as it may: `flush` comes next. */
  readonly full: boolean
  /** How many chunks the bevy has room for. */
  readonly room: number
  /**
   * Adds one compressed chunk, which decodes to `chunkSize` bytes. It is copied. The bevy must have room, and
   * no raw chunk may be unfinished.
   * @param decode gives the content; called only for block hashes
   * @returns its offset in the stream
   * @throws {RangeError} when the length would mark it as raw, or the stream's codec is another one
   */
  add(codec: WritableCodec, stored: Bytes, decode: () => Bytes): bigint
  /**
   * Adds chunks, one behind the other, for most of which `codec` was used. The bevy must have room for all of them, and
   * no raw chunk may be unfinished. Not for a stream with block hashes.
   * @param stored of all chunks, back to back: copied, or held until it is written
   * @returns the offset of the first one in the stream
   * @throws {RangeError} as `add`
   */
  addRun(codec: WritableCodec, stored: Bytes, run: StoredRun): bigint
  /**
   * Adds raw bytes as they come, over the borders of chunks; they are copied.
   * @returns how many the bevy had room for
   */
  append(bytes: Bytes): number
  /** Completes a raw chunk with zeros, so that a compressed one can follow. */
  pad(): void
  /**
   * Hands the bevy over to be written, before it its index and a checkpoint, and makes room for the next one. While
   * that is filled, this one is written.
   * @throws what the sink has thrown at the bevy before
   */
  flush(): Promise<void>
  /**
   * Flushes, waits until all is written, and describes the stream.
   * @param size its length where that isn't a whole number of chunks
   * @throws what the sink throws
   */
  close(size?: bigint): Promise<void>
}

export interface OpenImageStream extends ImageStreamWriter {
  /** Those that are in the volume. */
  readonly hashes: readonly BlockHashes[]
  readonly closed: boolean
  readonly finishBytes: number
  /** Forgets what was not flushed. @returns the bytes of the stream that are in the volume */
  drop(): bigint
}

/** Smaller runs are copied: what is held takes the memory of a whole read. */
const WORTH_HOLDING = 256 << 10

export function createImageStream(
  volume: VolumeParts,
  options: ImageStreamOptions,
  map?: OpenMap,
): OpenImageStream {
  const { urn = volume.freshUrn(), chunkSize, chunksPerBevy = usualChunksPerBevy(chunkSize) } = options
  if (!Number.isInteger(chunkSize) || chunkSize < 1 || chunkSize > LARGEST_CHUNK_SIZE)
    throw new RangeError(`a chunk size of ${chunkSize}`)
  const { graph, dialect } = volume
  // What does not compress becomes longer: by a sixth at most.
  const capacity = chunksPerBevy * (dialect.rawChunks ? chunkSize : chunkSize + (chunkSize >> 2) + 64)
  const hashes = (options.blockHashes ?? []).map((digest) =>
    createBlockHashes(digest, chunkSize, chunksPerBevy),
  )
  const index = Buffer.alloc(INDEX_ENTRY_SIZE * chunksPerBevy)
  const indexView = asDataView(index)
  const indexSum = createHash('sha512')
  let codec: WritableCodec | undefined
  /** What is copied of this bevy. */
  let bevy: Buffer | undefined
  let copied = 0
  /** All of this bevy in its order, what is copied of it last left out from `gathered` on; and what to call for it. */
  let pieces: Bytes[] = []
  let gathered = 0
  let releases: (() => void)[] = []
  /** Of this bevy: bytes stored, their CRC, whole chunks, bytes of a raw chunk that is not whole yet. */
  let used = 0
  let crc = 0
  let chunks = 0
  let partial = 0
  /** Bevies and their chunks that were handed over, and those that are in the volume. */
  const handed = { bevies: 0, chunks: 0 }
  const written = { bevies: 0, chunks: 0 }
  let writing: Promise<void> = Promise.resolve()
  let closed = false
  /** The chunk that is not whole yet, where no chunk is stored raw. */
  const loose = dialect.rawChunks ? undefined : Buffer.alloc(chunkSize)

  volume.declare(urn, 'ImageStream')
  graph.add(urn, aff4('chunkSize'), int(chunkSize))
  graph.add(urn, aff4('chunksInSegment'), int(chunksPerBevy))
  graph.add(urn, aff4('version'), int(1))
  if (map) graph.add(urn, aff4('target'), iri(map.urn))

  const wholeBytes = () => BigInt(handed.chunks + chunks) * BigInt(chunkSize)

  function completeChunk(at: number, length: number): void {
    writeIndexEntry(indexView, chunks, at, length)
    chunks++
  }

  function restart(): void {
    used = crc = chunks = partial = copied = gathered = 0
    pieces = []
    releases = []
  }

  function copy(stored: Bytes): void {
    bevy ??= volume.takeBuffer(capacity)
    copyBytes(bevy, copied, stored)
    copied += stored.length
    used += stored.length
  }

  /** What was copied since the last piece becomes one. */
  function gather(): void {
    if (bevy && copied > gathered) pieces.push(bevy.subarray(gathered, copied))
    gathered = copied
  }

  function setCodec(value: WritableCodec): void {
    codec = value
    const always = value === 'snappy' && !dialect.rawChunks
    graph.add(urn, aff4('compressionMethod'), iri(always ? GITHUB_SNAPPY : COMPRESSION_METHODS[value]))
  }

  function pack(bytes: Bytes, into: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + chunkSize - partial)
      into.set(piece, partial)
      done += piece.length
      partial += piece.length
      if (partial < chunkSize) break
      partial = 0
      const kind = codec ?? 'zlib'
      stream.add(kind, compress(kind, into), () => into)
    }
  }

  /** The index as the volume's generation has it. */
  function encodeIndex(): Bytes {
    const entries = Uint8Array.from(index.subarray(0, chunks * INDEX_ENTRY_SIZE))
    return dialect.index === 'entries' ? entries : chunkStarts(entries)
  }

  const stream: OpenImageStream = {
    urn,
    chunkSize,
    get hashes() {
      // Of no chunks there are none, and a digest over nothing would be missed.
      return written.bevies > 0 ? hashes : []
    },
    get codec() {
      return codec
    },
    get closed() {
      return closed
    },
    get position() {
      return wholeBytes() + BigInt(partial)
    },
    get full() {
      return chunks === chunksPerBevy
    },
    get room() {
      return chunksPerBevy - chunks
    },
    get finishBytes() {
      return closed ? 0 : (4 + hashes.length) * STATEMENT_BYTES
    },
    add(kind, stored, decode) {
      const passesForRaw = dialect.rawChunks && stored.length >= chunkSize
      if (stored.length === 0 || passesForRaw || kind === 'none')
        throw new RangeError(`${stored.length} bytes stored by ${kind} for a chunk of ${chunkSize}`)
      if (codec === undefined) setCodec(kind)
      else if (kind !== codec) throw new RangeError(`a chunk of ${kind} in a stream of ${codec}`)
      if (partial > 0 || stream.full) throw new RangeError('no room for a chunk')
      // What can fail comes first: a chunk is there whole or not at all.
      const content = hashes.length > 0 ? decode() : stored
      const offset = wholeBytes()
      completeChunk(used, stored.length)
      copy(stored)
      crc = crc32(stored, crc)
      for (const sums of hashes) sums.add(content)
      return offset
    },
    addRun(kind, stored, run) {
      const { lengths } = run
      const sound = dialect.rawChunks && lengths.every((length) => length > 0 && length <= chunkSize)
      const sum = lengths.reduce((total, length) => total + length, 0)
      if (!sound || sum !== stored.length || kind === 'none' || hashes.length > 0)
        throw new RangeError(`${stored.length} bytes stored by ${kind} for ${lengths.length} chunks`)
      if (partial > 0 || lengths.length > stream.room) throw new RangeError('no room for the chunks')
      if (codec === undefined && lengths.some((length) => length < chunkSize)) setCodec(kind)
      else if (codec !== undefined && kind !== codec)
        throw new RangeError(`chunks of ${kind} in a stream of ${codec}`)
      const offset = wholeBytes()
      crc = combineCrc(crc, run.crc, stored.length)
      let at = used
      for (const length of lengths) {
        completeChunk(at, length)
        at += length
      }
      if (stored.length < WORTH_HOLDING) copy(stored)
      else {
        gather()
        pieces.push(stored)
        releases.push(run.hold())
        used += stored.length
      }
      return offset
    },
    append(bytes) {
      const room = (chunksPerBevy - chunks) * chunkSize - partial
      const taken = bytes.length > room ? bytes.subarray(0, room) : bytes
      if (loose) {
        pack(taken, loose)
        return taken.length
      }
      copy(taken)
      crc = crc32(taken, crc)
      partial += taken.length
      while (partial >= chunkSize) {
        const at = copied - partial
        for (const sums of hashes) sums.add(bevy!.subarray(at, at + chunkSize))
        completeChunk(used - partial, chunkSize)
        partial -= chunkSize
      }
      return taken.length
    },
    pad() {
      if (partial > 0) stream.append(Buffer.alloc(chunkSize - partial))
    },
    async flush() {
      stream.pad()
      await writing
      if (chunks === 0) return
      gather()
      const full = bevy
      const [whole, held, counted] = [pieces, releases, chunks]
      const checkpoint = volume.checkpoint()
      const entries = encodeIndex()
      const segments = hashes.map((sums) => ({ sums, segment: sums.take() }))
      const member = (object: string, ...content: Bytes[]) => ({
        name: volume.memberName(object),
        pieces: content,
      })
      const number = handed.bevies
      const write = volume.zip.write(
        ...checkpoint.members,
        member(indexOf(urn, number, dialect), entries),
        ...segments.map(({ sums, segment }) => member(blockHashUrn(urn, number, sums.digest), segment)),
        { ...member(bevyUrn(urn, number), ...whole), crc },
      )
      writing = write.then(() => {
        checkpoint.commit()
        indexSum.update(entries)
        for (const { sums, segment } of segments) sums.commit(segment)
        written.bevies++
        written.chunks += counted
        if (full) volume.returnBuffer(full)
        for (const release of held) release()
      })
      // Told by the next flush, or by close.
      writing.catch(() => {})
      handed.bevies++
      handed.chunks += counted
      bevy = undefined
      restart()
    },
    async close(size) {
      if (closed) return
      await stream.flush()
      await writing
      closed = true
      if (bevy) volume.returnBuffer(bevy)
      bevy = undefined
      if (codec === undefined) setCodec(loose ? 'zlib' : 'none')
      graph.add(urn, aff4('size'), long(size ?? wholeBytes()))
      const sha512 = (hex: string) => digestLiteral('SHA512', hex)
      graph.add(urn, aff4('imageStreamIndexHash'), sha512(indexSum.digest('hex')))
      for (const sums of stream.hashes) {
        const subject = `${urn}/blockhash.${sums.digest}`
        graph.add(subject, RDF_TYPE, iri(aff4('BlockHashes')))
        graph.add(subject, aff4('hash'), sha512(sums.sum().toString('hex')))
      }
    },
    drop() {
      for (const release of releases) release()
      for (const sums of hashes) sums.drop()
      Object.assign(handed, written)
      writing = Promise.resolve()
      restart()
      return wholeBytes()
    },
  }
  map?.dependOn(stream)
  return stream
}
