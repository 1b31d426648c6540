import { type AddressSpace, byStart, firstIndex, mergeRuns, type Run } from './address-space.js'
import type { ByteSource, Bytes } from './byte-source.js'
import { clipLength } from './clip-length.js'
import { FormatError } from './format-error.js'

/** A run whose bytes stand together in a file. */
export interface PlacedRun extends Run {
  /** Where its bytes stand in the file. */
  readonly offset: bigint
}

export interface PlacedRuns extends AddressSpace {
  /** Addresses that were announced but whose bytes lie past the end of the file: not in `runs`. */
  readonly missing: readonly Run[]
}

/**
 * The address space of runs that stand in a file as they are. Of overlapping ones the one that starts first wins, of
 * those with one start the first given.
 */
export function placeRuns(source: ByteSource, segments: Iterable<PlacedRun>): PlacedRuns {
  const { present, missing } = splitAtEnd(resolve([...segments]), source.size)
  return {
    runs: mergeRuns(present),
    missing,
    read: (address, length, into) => readPieces(source, present, address, length, into),
  }
}

/** @throws {FormatError} unless all `length` bytes are there */
export async function readExactly(
  source: ByteSource,
  offset: bigint,
  length: number,
  what: string,
  into?: Bytes,
): Promise<Bytes> {
  const bytes = offset < source.size ? await source.read(offset, length, into) : new Uint8Array()
  if (bytes.length < length) throw new FormatError(`${what} past the end of the file`, offset)
  return bytes
}

/** Where each address's bytes stand, ascending. */
function resolve(segments: PlacedRun[]): PlacedRun[] {
  const pieces: PlacedRun[] = []
  let end = 0n
  for (const segment of segments.sort(byStart)) {
    const skip = segment.start < end ? end - segment.start : 0n
    if (skip >= segment.length) continue
    // A million segments are copied for a reason only.
    pieces.push(skip === 0n ? segment : shortened(segment, skip))
    end = segment.start + segment.length
  }
  return pieces
}

const shortened = ({ start, length, offset }: PlacedRun, skip: bigint): PlacedRun => ({
  start: start + skip,
  length: length - skip,
  offset: offset + skip,
})

/** Splits pieces at the end of the file into what it holds and what it lacks. */
function splitAtEnd(pieces: PlacedRun[], fileSize: bigint): { present: PlacedRun[]; missing: Run[] } {
  const present: PlacedRun[] = []
  const missing: Run[] = []
  for (const piece of pieces) {
    const held = fileSize > piece.offset ? fileSize - piece.offset : 0n
    if (held >= piece.length) present.push(piece)
    else {
      if (held > 0n) present.push({ ...piece, length: held })
      missing.push({ start: piece.start + held, length: piece.length - held })
    }
  }
  return { present, missing: mergeRuns(missing) }
}

/** Index of the last piece that starts at or before `address`. */
const locate = (pieces: readonly PlacedRun[], address: bigint): number =>
  firstIndex(pieces.length, (index) => pieces[index]!.start > address) - 1

async function readPieces(
  source: ByteSource,
  pieces: readonly PlacedRun[],
  address: bigint,
  length: number,
  into: Bytes | undefined,
): Promise<Bytes> {
  let result: Bytes | undefined
  let done = 0
  for (let i = locate(pieces, address); done < length; i++) {
    const piece = pieces[i]
    const at = address + BigInt(done)
    const skip = piece ? at - piece.start : -1n
    if (!piece || skip < 0n || skip >= piece.length)
      throw new FormatError(`address 0x${at.toString(16)} is not in the image`)
    const left = piece.length - skip
    const here = clipLength(length - done, left)
    const what = `the bytes of address 0x${at.toString(16)} lie`
    if (here === length) return readExactly(source, piece.offset + skip, here, what, into)
    const bytes = await readExactly(source, piece.offset + skip, here, what)
    result ??= into?.subarray(0, length) ?? new Uint8Array(length)
    result.set(bytes, done)
    done += here
  }
  return result ?? new Uint8Array()
}
