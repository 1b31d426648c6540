import { EXIT, ToolError } from '../cli/exit.js'
import { reasonOf } from '../cli/failure.js'
import type { Log } from '../cli/messages.js'
import type { Sampling } from '../cli/sampling.js'
import { showSize } from '../cli/sizes.js'
import type { Run } from '../formats/address-space.js'
import { formatAddress } from '../frames/address.js'
import type { Batch, Frame, StreamBody } from '../frames/frame.js'
import { type ReadBytes, type Span, spansToFrames } from './address-space-frames.js'
import type { Resampling } from './smear/options.js'
import { openSmear } from './smear.js'

/** Id of its stream; those of helper files follow. */
export const MEMORY = 1

export interface PhysicalMemory {
  /** What is announced. */
  readonly ram: readonly Run[]
  /** Its META. */
  readonly turtle: string
  /** What an analyst must know about it beforehand, and what has come out at the end. */
  readonly warnings: readonly string[]
  readonly outcome?: () => readonly string[] | Promise<readonly string[]>
  readonly spans: Iterable<Span> | AsyncIterable<Span>
  readonly read: ReadBytes
  /** Bytes. */
  readonly pageSize: number
  /** Named in notes. */
  readonly program: string
  readonly log: Log
  readonly batchesAlive?: number | undefined
  /** It changes while it is read. */
  readonly live: boolean
  readonly resample: Resampling | undefined
  /** Reads only so much, and nothing again. */
  readonly sampling?: Sampling | undefined
  /** Reads a page again; `read` where absent. */
  readonly reread?: ReadBytes
}

/**
 * The physical memory of a machine, from STREAM to CLOSE.
 * @throws {ToolError} when nothing at all can be read
 */
export async function* physicalMemory(memory: PhysicalMemory): AsyncGenerator<Batch, void> {
  const { ram, turtle, warnings, outcome, program, log, read, reread = read, sampling } = memory
  const note = (message: string): Frame => ({
    type: 'note',
    stream: MEMORY,
    time: 0n,
    body: { level: 'warning', program, message },
  })
  const last = ram.at(-1)!
  const body: StreamBody = {
    name: 'PhysicalMemory',
    kind: 'map',
    category: 'memory:physical',
    size: formatAddress(last.start + last.length),
    ranges: ram.map(({ start, length }) => [formatAddress(start), formatAddress(length)]),
  }
  const smear = sampling ? undefined : await openSmear({ ...memory, runs: () => ram, ranges: ram })
  const pieces = sampling?.piecesOf(ram.reduce((sum, { length }) => sum + length, 0n))
  for (const warning of warnings) log.warn(warning)
  yield [
    { type: 'stream', stream: MEMORY, time: 0n, body },
    { type: 'meta', stream: MEMORY, time: 0n, turtle },
    ...warnings.map(note),
  ]
  const tally = yield* spansToFrames({ ...memory, stream: MEMORY, seen: smear?.seen, pieces })
  if (tally.read === 0n)
    throw new ToolError(EXIT.io, `not one page could be read: ${reasonOf(tally.failure)}`, {
      cause: tally.failure,
    })
  if (tally.unreadable > 0n) log.warn(`${showSize(tally.unreadable)} could not be read`)
  yield [
    ...((await smear?.measure(reread, MEMORY)) ?? []),
    ...((await outcome?.()) ?? []).map(note),
    {
      type: 'close',
      stream: MEMORY,
      time: 0n,
      body: { status: 'complete', bytes: Number(tally.covered) },
    },
  ]
}
