import { EXIT, ToolError } from '../cli/exit.js'
import type { Log } from '../cli/messages.js'
import { onAbort } from '../cli/signals.js'
import type { Run } from '../formats/address-space.js'
import type { Bytes } from '../formats/byte-source.js'
import type { MetaFrame } from '../frames/frame.js'
import { describe, propertiesOf } from './facts.js'
import type { ReadBytes } from './salvage.js'
import { drawPages } from './smear/draw.js'
import type { Resampling } from './smear/options.js'
import { openSample } from './smear/sample.js'
import { smearFacts, smearWords, tallySmear } from './smear/tally.js'

/** Of the memory of a live machine. */
const LIVE_PAGES = 1024
/** The most that the kept pages take. */
const MOST_BYTES = 64 << 20

export interface SmearJob {
  readonly resample: Resampling | undefined
  /** Whether pages are read again where the user does not say how many. */
  readonly live: boolean
  /** What is going to be read, ascending: pages are drawn of it. Asked for twice. */
  readonly runs: () => Iterable<Run> | AsyncIterable<Run>
  /** What the shares are told of, ascending. */
  readonly ranges: readonly Run[]
  readonly pageSize: number
  readonly log: Log
}

/** How much of a memory changes while it is read. */
export interface Smear {
  /** Told of all bytes as they are read, in ascending order. */
  seen(address: bigint, bytes: Bytes): void
  /**
   * Reads the sample again, when all has been read. Says what came out, and gives it as META of the stream; nothing
   * after an interruption, which has been told.
   */
  measure(read: ReadBytes, stream: number): Promise<MetaFrame[]>
}

/**
 * Draws a sample of pages before a memory is read; undefined where none is wanted.
 * @throws {ToolError} usage, when it would take too much memory
 */
export async function openSmear(job: SmearJob): Promise<Smear | undefined> {
  const { resample, live, runs, ranges, pageSize, log } = job
  if (!resample) return undefined
  const { pages = live ? LIVE_PAGES : 0, seed, interrupted } = resample
  if (pages === 0) return undefined
  const most = Math.floor(MOST_BYTES / pageSize)
  if (pages > most)
    throw new ToolError(EXIT.usage, `--resample ${pages}: at most ${most} pages of ${pageSize} bytes`)
  const sample = openSample(await drawPages(runs, pageSize, pages, seed), pageSize)
  let over = false
  onAbort(interrupted, () => {
    if (!over) log.warn('interrupted: how many pages changed meanwhile is not measured')
  })
  return {
    seen: sample.keep,
    async measure(read, stream) {
      const fates = await sample.compare(read, interrupted)
      over = true
      if (!fates) return []
      const smear = tallySmear(fates, ranges, seed)
      const words = smearWords(smear)
      for (const line of words.summary) log.info(line)
      for (const line of words.ranges) log.verbose(line)
      return [{ type: 'meta', stream, time: 0n, turtle: describe([], propertiesOf(smearFacts(smear))) }]
    },
  }
}
