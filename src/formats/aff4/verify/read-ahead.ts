import { setImmediate } from 'node:timers/promises'
import { FormatError } from '../../format-error.js'
import type { ImageStream } from '../image-stream-reader.js'
import type { ChunkSums } from './chunk-job.js'
import { type ChunkThreads, chunksInJob, type Decoding } from './chunk-threads.js'

/** Chunks of one bevy that decode, with their sums. */
export interface SoundChunks extends Omit<Decoding, 'sums' | 'done'>, ChunkSums {
  readonly first: bigint
}

/** Decodes the chunks of a stream on threads before they are asked for. */
export interface ReadAhead {
  /**
   * The chunks from the one at the cursor on, as they come from a thread. The cursor never goes back.
   * @returns undefined where they are damaged, or all threads are busy for other streams: then the next chunk is to be
   * read for itself
   */
  take(cursor: bigint): Promise<SoundChunks | undefined>
  /** Lets go of what was read in vain. */
  end(): void
}

/**
 * @param count of all chunks
 * @param digestsIn names the digests that are wanted of each chunk of a bevy
 */
export function openReadAhead(
  threads: ChunkThreads,
  stream: ImageStream,
  count: bigint,
  digestsIn: (bevy: number) => readonly string[],
): ReadAhead {
  const most = chunksInJob(stream.chunkSize)
  const perBevy = stream.bevyBytes / BigInt(stream.chunkSize)
  const waiting: { readonly first: bigint; readonly decoding: Decoding }[] = []
  let next = 0n

  /** @returns undefined when all memory is in use, nothing is left, or what comes next is damaged */
  async function begin(): Promise<Decoding | undefined> {
    if (next >= count) return undefined
    const bevy = next / perBevy
    const end = (bevy + 1n) * perBevy < count ? (bevy + 1n) * perBevy : count
    const left = end - next < BigInt(most) ? Number(end - next) : most
    try {
      const decoding = await threads.begin(stream, next, left, digestsIn(Number(bevy)))
      if (!decoding) return undefined
      waiting.push({ first: next, decoding })
      next += BigInt(decoding.count)
      return decoding
    } catch (error) {
      // What is wrong there is told when it is its turn.
      if (!(error instanceof FormatError)) throw error
      next += BigInt(left)
      return undefined
    }
  }

  async function fill(): Promise<void> {
    while (!threads.busy && (await begin()));
  }

  function drop({ sums, release }: Decoding): void {
    sums.then(release, release)
  }

  return {
    async take(cursor) {
      if (most === 0) return undefined
      while (waiting[0] && waiting[0].first < cursor) drop(waiting.shift()!.decoding)
      if (next < cursor) next = cursor
      // What threads have done is known only when the event loop turns.
      await setImmediate()
      await fill()
      // Who would have to wait decodes others meanwhile.
      while (!waiting[0]?.decoding.done) {
        const other = await begin()
        if (!other) break
        await Promise.race([waiting[0]!.decoding.sums, other.sums])
        await fill()
      }
      if (waiting[0]?.first !== cursor) return undefined
      const { decoding } = waiting.shift()!
      const sums = await decoding.sums
      if (sums) return { ...decoding, ...sums, first: cursor }
      decoding.release()
      return undefined
    },
    end() {
      for (const { decoding } of waiting.splice(0)) drop(decoding)
    },
  }
}
