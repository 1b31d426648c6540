import type { ByteSource } from '../byte-source.js'
import { FormatError } from '../format-error.js'
import { readExactly } from '../placed-runs.js'
import type { DumpHeader } from './dump-header.js'

// Bit p & 7 of byte p >> 3 stands for page p. Bitmap 1: there is memory. Bitmap 2: the page is in the file.

/** Pages that follow one another. */
export interface PageRun {
  readonly first: number
  readonly count: number
}

export interface PageRuns {
  /** In the file. */
  readonly held: PageRun[]
  /** Memory that was left out of the file. */
  readonly excluded: PageRun[]
}

const PIECE = 1 << 18
export const MOST_RUNS = 2 ** 20
const ALL = 0xff

/**
 * What the bitmaps say of the pages from `first` to `end`.
 * @throws {FormatError} with more than 2^20 runs
 */
export async function readBitmaps(
  source: ByteSource,
  { bitmapsAt, bitmapSize }: Pick<DumpHeader, 'bitmapsAt' | 'bitmapSize'>,
  first: number,
  end: number,
): Promise<PageRuns> {
  const [held, excluded] = [collector(), collector()]
  const rooms = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)] as const
  const lastByte = Math.ceil(end / 8)
  for (let at = Math.floor(first / 8); at < lastByte; at += PIECE) {
    const length = Math.min(PIECE, lastByte - at)
    const [there, dumped] = await Promise.all(
      [0, bitmapSize].map((start, i) =>
        readExactly(source, bitmapsAt + BigInt(start + at), length, 'a bitmap lies', rooms[i]),
      ),
    )
    for (let i = 0; i < length; i++) {
      const [inFile, memory] = [dumped![i]!, there![i]!]
      const page = (at + i) * 8
      const whole = page >= first && page + 8 <= end
      if (whole && inFile === ALL) held.add(page, 8)
      else if (whole && inFile === 0 && memory === ALL) excluded.add(page, 8)
      else if (inFile !== 0 || memory !== 0)
        for (let bit = Math.max(0, first - page); bit < Math.min(8, end - page); bit++)
          if ((inFile >> bit) & 1) held.add(page + bit, 1)
          else if ((memory >> bit) & 1) excluded.add(page + bit, 1)
    }
  }
  return { held: held.runs, excluded: excluded.runs }
}

/** Joins runs that touch. They come in order. */
function collector() {
  const runs: { first: number; count: number }[] = []
  let last: { first: number; count: number } | undefined
  return {
    runs,
    add(page: number, count: number) {
      if (last && last.first + last.count === page) {
        last.count += count
        return
      }
      if (runs.length === MOST_RUNS) throw new FormatError(`bitmaps of more than ${MOST_RUNS} ranges`)
      last = { first: page, count }
      runs.push(last)
    },
  }
}

/**
 * A bitmap of `size` bytes, in pieces.
 * @param runs ascending
 */
export function* encodeBitmap(runs: readonly PageRun[], size: number): Generator<Buffer> {
  const room = Buffer.allocUnsafe(Math.min(PIECE, size))
  let index = 0
  for (let at = 0; at < size; at += PIECE) {
    const piece = room.subarray(0, Math.min(PIECE, size - at)).fill(0)
    const [from, to] = [at * 8, (at + piece.length) * 8]
    for (; index < runs.length && runs[index]!.first < to; index++) {
      const { first, count } = runs[index]!
      setBits(piece, Math.max(first, from) - from, Math.min(first + count, to) - from)
      if (first + count > to) break
    }
    yield piece
  }
}

function setBits(bytes: Buffer, from: number, to: number): void {
  const [wholeFrom, wholeTo] = [Math.ceil(from / 8) * 8, Math.floor(to / 8) * 8]
  const set = (start: number, end: number) => {
    for (let bit = start; bit < end; bit++) bytes[bit >> 3]! |= 1 << (bit & 7)
  }
  if (wholeFrom >= wholeTo) set(from, to)
  else {
    set(from, wholeFrom)
    bytes.fill(ALL, wholeFrom / 8, wholeTo / 8)
    set(wholeTo, to)
  }
}
