import os from 'node:os'
import type { Batch, EndBody, Frame, Frames, Program, Status } from '../frames/frame.js'
import { FrameError } from '../frames/frame-error.js'
import { FORMAT } from '../frames/payloads.js'
import { EXIT, type ExitCode } from './exit.js'
import { asToolError } from './failure.js'
import { onAbort } from './signals.js'

/** How long who was told to stop waits for what is under way: a sink for END, a source for a read. */
export const GRACE_MS = 5000

/** Frames that themselves tell how they end, whatever happens to who makes them. */
export interface Labelled {
  /** What goes wrong is told in CLOSE and END first, and then thrown. */
  readonly frames: Frames
  /** What has gone wrong, known before its label is taken. */
  failure(): unknown
  /** The status that follows, once all frames were taken. */
  exit(): ExitCode
}

/** One transmission: evidence between START and END. An interruption ends it, at the latest after a grace. */
export function transmission(evidence: Frames, program: Program, interrupted: AbortSignal): Labelled {
  const state = createState()
  let unreadable = false
  let failure: unknown

  async function* frames(): Frames {
    yield state.see([startOf(program)])
    try {
      for await (const batch of unlessStalled(evidence, interrupted)) {
        for (const frame of batch)
          if (
            (frame.type === 'fill' && frame.fill === 'unreadable') ||
            (frame.type === 'close' && frame.body.status === 'failed')
          )
            unreadable = true
        yield state.see(batch)
        if (interrupted.aborted) break
      }
    } catch (error) {
      failure = error
      yield state.closing('failed', messageOf(error))
      throw error
    }
    yield interrupted.aborted
      ? state.closing('interrupted', `interrupted by ${interrupted.reason}`)
      : state.closing('complete')
  }
  return {
    frames: frames(),
    failure: () => failure,
    exit: () => (unreadable ? EXIT.unreadable : EXIT.complete),
  }
}

/** Frames that came from elsewhere, on their way through a filter. */
export function relay(outgoing: Frames): Labelled {
  const state = createState()
  let exit: ExitCode = EXIT.complete
  let failure: unknown

  async function* frames(): Frames {
    try {
      for await (const batch of outgoing) {
        for (const frame of batch)
          if (frame.type === 'end' && frame.body.status !== 'complete') exit = EXIT.incomplete
        yield state.see(batch)
      }
    } catch (error) {
      failure = error
      yield state.closing(error instanceof FrameError ? 'truncated' : 'failed', messageOf(error))
      throw error
    }
  }
  return { frames: frames(), failure: () => failure, exit: () => exit }
}

/** Follows what is open, and so knows how to close it. */
function createState() {
  let inside = false
  let open: { id: number; bytes: bigint } | undefined
  return {
    see(batch: Batch): Batch {
      for (const frame of batch) {
        if (frame.type === 'start') inside = true
        else if (frame.type === 'end') inside = false
        else if (frame.type === 'stream') open = { id: frame.stream, bytes: 0n }
        else if (frame.type === 'close') open = undefined
        else if (open && (frame.type === 'data' || frame.type === 'fill')) open.bytes += frame.length
      }
      return batch
    },
    /** CLOSE of what is open, and END. */
    closing(status: Status, error?: string): Batch {
      const batch: Batch = []
      const why = error === undefined ? {} : { error }
      if (!inside) batch.push(startOf())
      if (open)
        batch.push({
          type: 'close',
          stream: open.id,
          time: 0n,
          body: {
            status: status === 'truncated' ? 'failed' : status,
            ...why,
            bytes: Number(open.bytes),
          },
        })
      const body: EndBody = { status, ...why, frames: 0, bytes: 0 }
      batch.push({ type: 'end', stream: 0, time: 0n, body })
      return batch
    },
  }
}

function startOf(...programs: Program[]): Frame {
  const body = { format: FORMAT, host: os.hostname(), started: new Date().toISOString(), programs }
  return { type: 'start', stream: 0, time: BigInt(Date.now()) * 1_000_000n, body }
}

/** The same batches; ends without the one that does not come in time after a signal. */
async function* unlessStalled(evidence: Frames, interrupted: AbortSignal): Frames {
  const iterator = evidence[Symbol.asyncIterator]()
  let giveUp = () => {}
  onAbort(interrupted, () => setTimeout(() => giveUp(), GRACE_MS))
  for (;;) {
    const step = await new Promise<IteratorResult<Batch> | undefined>((resolve, reject) => {
      giveUp = () => resolve(undefined)
      iterator.next().then(resolve, reject)
    })
    if (!step || step.done) return
    let taken = false
    try {
      yield step.value
      taken = true
    } finally {
      if (!taken) await iterator.return?.()
    }
  }
}

const messageOf = (error: unknown) => asToolError(error).message
