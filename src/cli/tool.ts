import type { BigIntStats } from 'node:fs'
import type { ChunkReader } from '../codecs/chunk-reader.js'
import type { Secrets } from '../formats/aff4/encryption/unlock.js'
import type { Frames } from '../frames/frame.js'
import type { Options, OptionTable } from './arguments.js'
import type { ExitCode } from './exit.js'
import type { Log } from './messages.js'
import type { Sampling } from './sampling.js'

/** One executable. Its file reads like its man page: arguments, input, chain, run. */
export interface Tool {
  readonly name: string
  /** Decides which common options it takes and who shows progress. */
  readonly role: 'source' | 'transform' | 'sink' | 'report' | 'imager'
  /** What stands behind the options in the usage line: `[SIZE]`, `PATH…`. */
  readonly usage: string
  /** One line, lower case, for --help and the overview. */
  readonly summary: string
  readonly options: OptionTable
  /** What operands may be, where `usage` does not list them in lower case. */
  readonly choices?: readonly string[]
  /** Fewest and most operands. */
  readonly operands: readonly [number, number]
  run(context: Context): Promise<ExitCode>
}

export interface Context {
  readonly operands: readonly string[]
  readonly options: Options
  readonly log: Log
  readonly io: Io
  /** Where a volume has been opened with them already: what was read from a descriptor is gone from there. */
  readonly secrets?: Secrets
}

/** The edges of a tool: frames at standard input and output. */
export interface Io {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly interrupted: AbortSignal
  /** Aborted by the second one, right before it ends the process: who acts does so at once. */
  readonly ended: AbortSignal
  /** For how many further batches the payloads of what is sent must stay as they are. */
  readonly batchesAlive: number
  /** Where it is given, sources read only so much of their streams. */
  readonly sampling?: Sampling
  /** Sources in one process with who stores their frames: reads and compresses in threads what is large. */
  readonly reader?: ChunkReader
  /**
   * Frames of standard input; this program has added itself to each START.
   * @param batchesAlive for how many further batches the views of a batch stay valid
   */
  frames(batchesAlive?: number): Frames
  /** Transforms: writes frames to standard output; the status follows from each END. */
  send(frames: Frames): Promise<ExitCode>
  /**
   * Sources: sends one transmission, `evidence` between START and END. `evidence` yields STREAM … CLOSE
   * and frames of the whole transmission; ids are its own, from 1. Interrupts, failures (a thrown
   * ToolError) and a stream left open are closed and labelled here. The status is 2 when a range was
   * unreadable or a stream closed as failed.
   */
  transmit(evidence: Frames): Promise<ExitCode>
  /** Sources: whether a file is what becomes of their frames, and so is not to be read. */
  isOutput(file: BigIntStats): boolean
  /** Reports: writes text to standard output, whole. */
  print(text: string): Promise<void>
}
