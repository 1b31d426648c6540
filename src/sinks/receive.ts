import type { ExitCode } from '../cli/exit.js'
import { EXIT, ToolError } from '../cli/exit.js'
import { asToolError } from '../cli/failure.js'
import type { Outcome } from '../cli/output.js'
import { showProgress } from '../cli/progress.js'
import { showSize } from '../cli/sizes.js'
import type { Context } from '../cli/tool.js'
import type {
  CloseFrame,
  DataFrame,
  DigestFrame,
  EndFrame,
  FillFrame,
  Frame,
  MetaFrame,
  NoteFrame,
  StartFrame,
  StreamFrame,
} from '../frames/frame.js'

type Maybe = void | Promise<void>

/** What one sink makes of the streams it is given. */
export interface Receiver {
  /** A stream begins; what is returned takes its frames. Undefined leaves the stream out. */
  open(frame: StreamFrame): StreamReceiver | undefined | Promise<StreamReceiver | undefined>
  /** Frames about the whole transmission, in their order among the streams. */
  transmission?(frame: StartFrame | MetaFrame | NoteFrame | EndFrame): Maybe
  /**
   * The input is over, or a write failed: label and finish what there is.
   * @returns where it is, undefined when nothing was written
   */
  finish(outcome: Outcome): Promise<string | undefined>
}

export interface StreamReceiver {
  data(frame: DataFrame): Maybe
  fill(frame: FillFrame): Maybe
  meta?(frame: MetaFrame): Maybe
  digest?(frame: DigestFrame): Maybe
  note?(frame: NoteFrame): Maybe
  close(frame: CloseFrame): Maybe
}

/**
 * The skeleton of every sink: reads frames to the end, hands each stream to the receiver, honours --stream
 * and --expect, and turns how the input ended into the outcome and the exit status.
 * @throws {ToolError} what stopped it, after the receiver has finished what was received before
 */
export async function receive({ io, options, log }: Context, receiver: Receiver): Promise<ExitCode> {
  const wanted = options.values('stream')
  const expected = expectedOf(options.value('expect'))
  const found = new Set<string>()
  let transmissions = 0
  let covered = 0n
  /** A stream was interrupted, whatever END says: that is never complete. */
  let stump = false
  let current: StreamReceiver | undefined
  const outcome: Outcome = { status: 'complete', unreadable: false }
  let failure: unknown

  function take(frame: Frame): Maybe {
    switch (frame.type) {
      case 'start':
        transmissions++
        return receiver.transmission?.(frame)
      case 'stream':
        return open(frame)
      case 'data':
        if (current) covered += frame.length
        return current?.data(frame)
      case 'fill':
        if (current && frame.fill === 'unreadable') outcome.unreadable = true
        return current?.fill(frame)
      case 'digest':
        return current?.digest?.(frame)
      case 'meta':
        return frame.stream === 0 ? receiver.transmission?.(frame) : current?.meta?.(frame)
      case 'note':
        return frame.stream === 0 ? receiver.transmission?.(frame) : current?.note?.(frame)
      case 'close': {
        if (current && frame.body.status === 'failed') outcome.unreadable = true
        if (current && frame.body.status === 'interrupted') stump = true
        const closing = current
        current = undefined
        return closing?.close(frame)
      }
      case 'end':
        if (frame.body.status !== 'complete') worsen(outcome, frame.body.status, frame.body.error)
        else if (stump) worsen(outcome, 'interrupted')
        return receiver.transmission?.(frame)
    }
  }

  async function open(frame: StreamFrame): Promise<void> {
    found.add(frame.body.name)
    current = wanted.length === 0 || wanted.includes(frame.body.name) ? await receiver.open(frame) : undefined
  }

  try {
    for await (const batch of showProgress(io.frames(), log))
      for (const frame of batch) {
        const pending = take(frame)
        // Most chunks are taken at once; a promise for each would cost more than the chunk.
        if (pending) await pending
      }
    for (const name of wanted) if (!found.has(name)) worsen(outcome, 'failed', `no stream is called ${name}`)
    if (expected !== undefined && transmissions !== expected)
      worsen(outcome, 'truncated', `${transmissions} transmissions came, not ${expected}`)
  } catch (error) {
    failure = error
    worsen(outcome, 'failed', asToolError(error).message)
  }

  let kept: string | undefined
  try {
    kept = await receiver.finish(outcome)
  } catch (error) {
    failure ??= error
  }
  if (failure) throw keeping(asToolError(failure), kept)
  if (outcome.status === 'complete') return outcome.unreadable ? EXIT.unreadable : EXIT.complete
  log.error(
    `${outcome.error ?? `upstream ${outcome.status}`}; ${kept ? `${showSize(covered)} kept in ${kept}` : 'nothing was written'}`,
  )
  return EXIT.incomplete
}

function keeping(failure: ToolError, kept: string | undefined): ToolError {
  if (!kept || failure.hint) return failure
  return new ToolError(failure.exitCode, failure.message, {
    hint: `what came before is in ${kept}`,
    cause: failure.cause,
  })
}

/** The first thing that went wrong names the outcome. */
function worsen(outcome: Outcome, status: Outcome['status'], error?: string): void {
  if (outcome.status !== 'complete') return
  outcome.status = status
  if (error !== undefined) outcome.error = error
}

function expectedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new ToolError(EXIT.usage, `--expect ${text}: not a number`)
  return Number(text)
}
