import { asBuffer } from '../../codecs/views.js'
import { firstIndex } from '../address-space.js'
import type { ByteSource, Bytes } from '../byte-source.js'
import { clipLength } from '../clip-length.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import { overlay, type Piece } from './overlay.js'
import { decodeFlatHeader, decodeFlatRecord, HEADER_SIZE, isKnown, RECORD_SIZE } from './records.js'
import { findStretches, MOST_STRETCH, type Stretch } from './stretches.js'

export interface FlatFile {
  /** The file that the container holds; closing it closes nothing. */
  readonly content: ByteSource
  /** Where the container ends without the record that ends it. */
  readonly cutAt: bigint | undefined
  /** Bytes behind the record that ends it. */
  readonly trailing: bigint
}

/** Stretches kept as they were decoded: of a kernel dump, one of page descriptors and one of pages, and some more. */
const KEPT = 4
/** Blocks of headers are padded to the size of a page, and pages are no larger. Longer gaps are no padding. */
const MOST_PADDING = 1 << 16

/**
 * What a flat container holds, as it would be written at positions. What no record has written is zeros, as in a
 * file; in a container that was cut it is an error to read it, but for padding.
 * @throws {FormatError} at a record that makes no sense
 */
export async function openFlat(source: ByteSource): Promise<FlatFile> {
  const header = asBuffer(await readExactly(source, 0n, HEADER_SIZE, 'the header of the container lies'))
  const version = decodeFlatHeader(header)
  if (!isKnown(version))
    throw new FormatError(`a flat container of type ${version.type}, version ${version.version}`, 16n)
  const { stretches, cutAt, trailing } = await findStretches(source)
  const pieces = overlay(stretches)
  const size = BigInt(pieces.at(-1)?.end ?? 0)
  const content: ByteSource = {
    name: source.name,
    size,
    read: readerOf(source, pieces, size, cutAt),
    async close() {},
  }
  return { content, cutAt, trailing }
}

function readerOf(
  source: ByteSource,
  pieces: readonly Piece[],
  size: bigint,
  cutAt: bigint | undefined,
): ByteSource['read'] {
  const bytesOf = stretchReader(source)
  return async (offset, length, into) => {
    const wanted = offset >= size ? 0 : clipLength(length, size - offset)
    const bytes = into?.subarray(0, wanted) ?? Buffer.allocUnsafe(wanted)
    const from = Number(offset)
    const end = from + wanted
    let at = from
    for (let i = firstIndex(pieces.length, (index) => pieces[index]!.end > from); at < end; i++) {
      const piece = pieces[i]!
      const gap = Math.min(piece.start, end) - at
      if (gap > 0) {
        if (cutAt !== undefined && piece.start - (pieces[i - 1]?.end ?? 0) >= MOST_PADDING)
          throw new FormatError(
            `the container was cut before the bytes of offset 0x${at.toString(16)}`,
            cutAt,
          )
        bytes.fill(0, at - from, at - from + gap)
        at += gap
      }
      const here = Math.min(piece.end, end) - at
      if (here <= 0) continue
      await bytesOf(piece.stretch, at - piece.stretch.start, bytes.subarray(at - from, at - from + here))
      at += here
    }
    return bytes
  }
}

/** Fills `into` with what a stretch holds from `skip` on. */
function stretchReader(source: ByteSource) {
  const kept: { stretch: Stretch; room: Buffer }[] = []

  async function decoded(stretch: Stretch): Promise<Buffer> {
    const index = kept.findIndex((one) => one.stretch === stretch)
    const [found] = index < 0 ? [] : kept.splice(index, 1)
    const spare = found ?? (kept.length === KEPT ? kept.pop() : undefined)
    const room = spare?.room ?? Buffer.allocUnsafeSlow(MOST_STRETCH)
    if (!found) await join(source, stretch, room)
    kept.unshift({ stretch, room })
    return room
  }

  return async (stretch: Stretch, skip: number, into: Bytes): Promise<void> => {
    if (stretch.records > 1) into.set((await decoded(stretch)).subarray(skip, skip + into.length))
    else {
      const at = BigInt(stretch.at + RECORD_SIZE + skip)
      const bytes = await readExactly(source, at, into.length, 'a record lies', into)
      if (bytes.buffer !== into.buffer || bytes.byteOffset !== into.byteOffset) into.set(bytes)
    }
  }
}

/** Reads a stretch of several records and closes the gaps that their headers make. */
async function join(source: ByteSource, { at, length, records }: Stretch, room: Buffer): Promise<void> {
  const total = length + records * RECORD_SIZE
  const bytes = await readExactly(source, BigInt(at), total, 'records lie', room)
  if (bytes.buffer !== room.buffer || bytes.byteOffset !== room.byteOffset) room.set(bytes)
  let from = 0
  let to = 0
  for (let i = 0; i < records; i++) {
    const record = decodeFlatRecord(room, from)
    const size = record === 'end' ? -1 : Math.min(Number(record.size), total - from - RECORD_SIZE)
    if (size <= 0) throw new FormatError('the container changed while it was read', BigInt(at + from))
    room.copyWithin(to, from + RECORD_SIZE, from + RECORD_SIZE + size)
    from += RECORD_SIZE + size
    to += size
  }
}
