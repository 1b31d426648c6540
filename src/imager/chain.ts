import { EXIT, type ExitCode } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import { type Labelled, relay, transmission } from '../cli/labelled.js'
import { parseWords } from '../cli/launch.js'
import type { Log } from '../cli/messages.js'
import type { Context, Io, Tool } from '../cli/tool.js'
import { openChunkReader } from '../codecs/chunk-reader.js'
import { BATCHES_ALIVE } from '../frames/decode.js'
import type { Frames, Program } from '../frames/frame.js'
import { DEFAULT_CHUNK } from '../transforms/chunk.js'
import type { Plan, Stage } from './plan.js'

export interface ChainSettings extends Pick<Context, 'io' | 'log' | 'secrets'> {
  /** Stands in START as the one that handled the bytes. */
  readonly program: Program
  readonly load: (tool: string) => Promise<Tool>
  /** Of what is to be read: much is worth threads that start before anything else. */
  readonly size: bigint
  /** Looks at what the sources send. */
  readonly watch: (frames: Frames) => Frames
}

const WORTH_THREADS = 8n << 20n

/** Frames that stay valid for so many further batches. */
type Feed = (batchesAlive?: number) => Frames

/**
 * Runs the tools of a plan in this process: each takes the frames of the one before as it asks for them. They are
 * labelled as in a pipe, so what fails or is interrupted leaves what a pipeline leaves.
 * @returns the sink's exit status, and 2 where a source has left something out
 * @throws {ToolError} what stopped the sink, or the only reason why there is nothing for it
 */
export async function runChain(plan: Plan, settings: ChainSettings): Promise<ExitCode> {
  const { io, log, program, load, size, watch, ...given } = settings
  const failures: unknown[] = []
  let begun = false
  let left = false
  const compressed = plan.codec !== undefined && plan.codec !== 'none'
  const reader = compressed ? openChunkReader(plan.codec, DEFAULT_CHUNK) : undefined
  if (size >= WORTH_THREADS) reader?.start()

  async function run({ tool: name, words }: Stage, io: Io, stageLog = log): Promise<ExitCode> {
    const tool = await load(name)
    return tool.run({ ...given, ...parseWords(tool, words), log: stageLog, io })
  }

  const source = (stage: Stage, batchesAlive: number): Frames =>
    outputOf((offer) => {
      const transmit = (evidence: Frames) => offer(transmission(evidence, program, io.interrupted))
      return run(stage, { ...io, batchesAlive, transmit, ...(reader && { reader }) })
    }, ended)

  /** A stage has ended by itself. */
  function ended(running: Promise<ExitCode>): Promise<void> {
    return running.then(
      (exit) => {
        if (exit === EXIT.unreadable) left = true
      },
      (failure) => void failures.push(failure),
    )
  }

  async function* sources(batchesAlive = BATCHES_ALIVE): Frames {
    for (const stage of plan.sources) {
      if (io.interrupted.aborted) return
      const failed = failures.length
      let sent = false
      for await (const batch of watch(source(stage, batchesAlive))) {
        sent = true
        begun ||= batch.some(({ type }) => type === 'stream')
        yield batch
      }
      // A pipe would end without a word; here the reason is known.
      if (!sent && failures.length > failed)
        yield* withoutThrowing(transmission(failing(failures.at(-1)), program, io.interrupted).frames)
    }
  }

  const through =
    (input: Feed, stage: Stage): Feed =>
    () =>
      outputOf((offer) => run(stage, { ...io, frames: input, send: (out) => offer(relay(out)) }), ended)

  const sinkLog: Log = {
    ...log,
    error(message, hint) {
      // Nothing came, for a reason that is told by itself.
      if (begun || failures.length === 0) log.error(message, hint ?? hintOf(failures[0]))
    },
  }
  const frames = plan.transforms.reduce(through, sources)
  const exit = await run(plan.sink, { ...io, frames }, sinkLog).finally(() => reader?.close())
  if (failures.length > 0 && !begun) throw failures[0]
  for (const failure of failures.slice(1)) log.error(asToolError(failure).message, hintOf(failure))
  return exit === EXIT.complete && left ? EXIT.unreadable : exit
}

const hintOf = (failure: unknown) => (failure === undefined ? undefined : asToolError(failure).hint)

/** What a stage is told when nobody takes its frames any more. */
const UNWANTED = new Error('nobody takes the frames')

/**
 * What a stage sends. It runs from the moment when the first frame is asked for, and no faster than its frames are
 * taken.
 * @param run runs the stage, which hands over its frames once
 * @param ended told when it has ended by itself
 */
async function* outputOf(
  run: (offer: (labelled: Labelled) => Promise<ExitCode>) => Promise<ExitCode>,
  ended: (running: Promise<ExitCode>) => Promise<void>,
): Frames {
  let sent: (exit: ExitCode) => void = () => {}
  let failed: (failure: unknown) => void = () => {}
  let running!: Promise<ExitCode>
  const offered = await new Promise<Labelled | undefined>((resolve) => {
    running = run((labelled) => {
      resolve(labelled)
      return new Promise((fulfil, reject) => {
        sent = fulfil
        failed = reject
      })
    })
    running.then(
      () => resolve(undefined),
      () => resolve(undefined),
    )
  })
  let failure: unknown = UNWANTED
  try {
    if (offered) yield* offered.frames
    failure = undefined
  } catch (error) {
    failure = error
  } finally {
    if (failure) failed(failure)
    else if (offered) sent(offered.exit())
  }
  await ended(running)
}

const failing = (failure: unknown): Frames => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }),
})

async function* withoutThrowing(frames: Frames): Frames {
  try {
    yield* frames
  } catch {}
}
