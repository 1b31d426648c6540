import type { ByteSink, Bytes } from '../../byte-source.js'
import { ENTRY_COMPRESSED, encodeFileHeader, encodeSection, encodeTable, SIZES } from '../structs.js'
import type { EncodedChunk } from './chunks.js'

/** A segment's file while it is written. */
export interface SegmentFile extends ByteSink {
  /** Positions may be written again and the end may be cut. */
  readonly seekable: boolean
  writeAt(offset: bigint, bytes: Bytes): Promise<void>
  truncate(size: bigint): Promise<void>
}

export interface SegmentLimits {
  /** Bytes of the file. */
  readonly size: number
  /** Of one table. */
  readonly entries: number
}

/** One segment of a set: sections, and chunks in `sectors` sections, each with its `table` and `table2`. */
export interface Segment {
  readonly file: SegmentFile
  readonly number: number
  /** Chunks in it. */
  readonly chunks: number
  /** Writes a section. @returns where its body stands */
  section(type: string, body: Bytes): Promise<bigint>
  /** Whether a chunk that long still goes in, when `tail` bytes of sections are to follow. */
  takes(length: number, tail: number): boolean
  /** Adds a chunk that it takes; `flush` writes it. */
  add(chunk: EncodedChunk): void | Promise<void>
  flush(): Promise<void>
  /** Ends the chunks: their tables follow. */
  closeChunks(): Promise<void>
  /** The last section: `next`, or `done`. */
  end(type: 'next' | 'done'): Promise<void>
  /** Takes the sections from `offset` on away again. */
  cut(offset: bigint): Promise<void>
  /**
   * After a failed write: takes away what follows the chunks; those whose tables do not stand are closed, with room for
   * the tables, and for `tail` bytes of sections, in the place of the last ones.
   */
  salvage(tail: number): Promise<void>
}

/** A `sectors` section that is being written. */
interface Sectors {
  /** Of the descriptor; offsets in the table count from there. */
  readonly start: bigint
  readonly entries: number[]
  /** Of the descriptor and the chunks so far. */
  size: number
}

/** Both tables of so many chunks. */
const tablesSize = (entries: number): number =>
  2 * (SIZES.section + SIZES.tableHeader + entries * SIZES.tableEntry + SIZES.checksum)

/**
 * Begins a segment file.
 * @param number from 1 on
 */
export async function openSegment(
  file: SegmentFile,
  number: number,
  limits: SegmentLimits,
): Promise<Segment> {
  let chunks = 0
  let sectors: Sectors | undefined
  /** What is not yet in the file. The bytes are not ours: only of a file that takes nothing back they are copies. */
  let pieces: Bytes[] = []
  let pending = 0
  /** Where the last table ends. */
  let chunksEnd: bigint | undefined

  const position = () => file.position + BigInt(pending)

  function push(...more: readonly Bytes[]): void {
    for (const piece of more) {
      pieces.push(piece)
      pending += piece.length
    }
  }
  async function write(): Promise<void> {
    const written = pieces
    pieces = []
    pending = 0
    await file.write(...written)
  }
  async function section(type: string, body: Bytes): Promise<bigint> {
    const start = position()
    const size = BigInt(SIZES.section + body.length)
    push(encodeSection({ type, next: start + size, size }), body)
    await write()
    return start + BigInt(SIZES.section)
  }
  const endOf = ({ start, size }: Sectors) => start + BigInt(size)
  const describe = (done: Sectors) =>
    encodeSection({ type: 'sectors', next: endOf(done), size: BigInt(done.size) })

  async function closeChunks(): Promise<void> {
    if (!sectors) return
    if (file.seekable) {
      await write()
      await file.writeAt(sectors.start, describe(sectors))
    } else pieces[0] = describe(sectors)
    const table = encodeTable(sectors.start, sectors.entries)
    await section('table', table)
    await section('table2', table)
    chunks += sectors.entries.length
    sectors = undefined
    chunksEnd = file.position
  }

  function add(chunk: EncodedChunk): void | Promise<void> {
    if (sectors?.entries.length === limits.entries) return closeChunks().then(() => add(chunk))
    if (!sectors) {
      sectors = { start: position(), entries: [], size: SIZES.section }
      // Written again once its size is known.
      push(describe(sectors))
    }
    const { compressed, pieces: own, length } = chunk
    sectors.entries.push(compressed ? ENTRY_COMPRESSED + sectors.size : sectors.size)
    sectors.size += length
    push(...(file.seekable ? own : own.map((piece) => Uint8Array.from(piece))))
  }

  await file.write(encodeFileHeader(number))
  return {
    file,
    number,
    get chunks() {
      return chunks + (sectors?.entries.length ?? 0)
    },
    section,
    takes(length, tail) {
      const entries = sectors?.entries.length ?? 0
      const another = !sectors || entries === limits.entries
      const tables = another ? tablesSize(entries) + SIZES.section + tablesSize(1) : tablesSize(entries + 1)
      return Number(position()) + length + tables + tail + SIZES.section <= limits.size
    },
    add,
    async flush() {
      if (file.seekable) await write()
    },
    closeChunks,
    async end(type) {
      const next = position()
      push(encodeSection({ type, next, size: 0n }))
      await write()
    },
    cut: (offset) => file.truncate(offset),
    async salvage(tail) {
      const held = Number(file.position)
      pieces = []
      pending = 0
      if (!sectors) {
        if (chunksEnd !== undefined) await file.truncate(chunksEnd)
        return
      }
      const start = Number(sectors.start)
      const { entries } = sectors
      while (entries.length > 0 && start + sectors.size + tablesSize(entries.length) + tail > held)
        sectors.size = entries.pop()! % ENTRY_COMPRESSED
      if (entries.length === 0) sectors = undefined
      await file.truncate(BigInt(start + (sectors?.size ?? 0)))
      await closeChunks()
    },
  }
}
