import type { ChunkReader } from '../codecs/chunk-reader.js'
import type { Run } from '../formats/address-space.js'
import { clipLength } from '../formats/clip-length.js'
import type { Batch } from '../frames/frame.js'
import { type Reach, type Reading, readDamaged } from './reading.js'
import type { Medium } from './salvage.js'

/** What threads are to read. */
export interface Ahead {
  readonly reader: ChunkReader
  readonly place: NonNullable<Medium['place']>
  readonly run: Run
}

/**
 * Turns one run of a medium into frames as `readRun` does, but by threads that read and compress: their DATA has several
 * chunks. What a thread could not read whole is read again here, raw, as far as that goes.
 */
export async function* readAhead(
  reading: Reading,
  { reader, place, run }: Ahead,
): AsyncGenerator<Batch, Reach> {
  const { frames, interrupted } = reading
  const { outbox } = frames
  const runEnd = run.start + run.length
  const reads: { length: number; read: ReturnType<ChunkReader['read']> }[] = []
  let next = run.start
  let end = run.start

  function ask(): void {
    const length = clipLength(reader.size, runEnd - next)
    const at = place(next, length)
    reads.push({ length, read: at ? reader.read(at, length) : NOWHERE })
    next += BigInt(length)
  }

  reader.start()
  try {
    while (end < runEnd && !interrupted?.aborted) {
      while (next < runEnd && reads.length < reader.depth) ask()
      const { length, read } = reads.shift()!
      const found = await read
      if (found) {
        frames.stored(end, length, found, reader)
        end += BigInt(length)
      } else {
        if (!outbox.room(length)) yield outbox.take()
        const reach = await readDamaged(reading, end, outbox.room(length)!)
        if (reach.end < end + BigInt(length)) return reach
        ;({ end } = reach)
      }
      yield outbox.take()
    }
    return { end }
  } finally {
    // What was asked for in vain is still being read, from a descriptor that is about to be closed.
    if (!interrupted?.aborted) await Promise.allSettled(reads.map(({ read }) => read))
  }
}

const NOWHERE = Promise.resolve(undefined)
