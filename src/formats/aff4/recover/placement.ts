import { firstIndex } from '../../address-space.js'
import { min } from '../../min-max.js'
/** Chunks of a stream that follow one another, before and after. */
export interface KeptRun {
  /** Number of the first one in the stream as it was, and in the new one. */
  readonly from: bigint
  readonly to: bigint
  readonly count: bigint
  readonly sure: boolean
}

/** A piece of a range of a stream. */
export interface Piece {
  /** Bytes from the start of the range. */
  readonly within: bigint
  readonly length: bigint
  /** Where in the new stream its bytes are; undefined when they are lost. */
  readonly at: bigint | undefined
  readonly sure: boolean
}

/** Where the bytes of a stream have gone. */
export interface Placement {
  /** URN of the new stream; undefined when no chunk is left. */
  readonly urn: string | undefined
  /** Nothing of it is lost, and its chunks have their numbers. */
  readonly unchanged: boolean
  /** Takes a range of the stream apart. */
  pieces(offset: bigint, length: bigint): Iterable<Piece>
  /** Where the last chunk that is kept ends in the stream as it was. */
  readonly end: bigint
}

/** Collects the chunks as they are written; memory grows with the breaks between them only. */
export function createKeptRuns(): {
  add(number: bigint, sure: boolean): void
  readonly runs: KeptRun[]
  readonly count: bigint
} {
  const runs: { from: bigint; to: bigint; count: bigint; sure: boolean }[] = []
  let count = 0n
  return {
    runs,
    get count() {
      return count
    },
    add(number, sure) {
      const last = runs.at(-1)
      if (last && last.sure === sure && last.from + last.count === number) last.count++
      else runs.push({ from: number, to: count, count: 1n, sure })
      count++
    },
  }
}

/** @param size of the stream as it was, where that is known */
export function placementOf(
  urn: string | undefined,
  runs: readonly KeptRun[],
  chunkSize: number,
  size: bigint | undefined,
): Placement {
  const chunk = BigInt(chunkSize)
  const last = runs.at(-1)
  const end = last ? (last.from + last.count) * chunk : 0n
  const inPlace = runs.every(({ from, to }) => from === to)

  function* pieces(offset: bigint, length: bigint): Generator<Piece> {
    const stop = offset + length
    let at = offset
    for (let index = firstBehind(runs, at / chunk); at < stop; index++) {
      const run = runs[index]
      const start = run ? run.from * chunk : stop
      if (start > at) {
        const until = min(start, stop)
        yield { within: at - offset, length: until - at, at: undefined, sure: false }
        at = until
      }
      if (!run || at >= stop) break
      const runEnd = (run.from + run.count) * chunk
      const until = min(runEnd, stop)
      yield { within: at - offset, length: until - at, at: run.to * chunk + (at - start), sure: run.sure }
      at = until
    }
  }
  return { urn, end, unchanged: inPlace && size !== undefined && end >= size, pieces }
}

/** Index of the first run that ends behind a chunk. */
const firstBehind = (runs: readonly KeptRun[], number: bigint): number =>
  firstIndex(runs.length, (index) => runs[index]!.from + runs[index]!.count > number)
