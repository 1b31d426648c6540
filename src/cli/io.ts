import os from 'node:os'
import { isatty } from 'node:tty'
import { BATCHES_ALIVE, decode } from '../frames/decode.js'
import { createEncoder } from '../frames/encode.js'
import type { Batch, EndBody, Frame, Frames, Program, Status } from '../frames/frame.js'
import { FrameError } from '../frames/frame-error.js'
import { FORMAT } from '../frames/payloads.js'
import { openPipeInput } from '../frames/pipe-input.js'
import { openPipeOutput, type WritePieces } from '../frames/pipe-output.js'
import { EXIT, type ExitCode, ToolError } from './exit.js'
import { asToolError, isClosedPipe, reasonOf } from './failure.js'
import type { Log } from './messages.js'
import type { Io, Tool } from './tool.js'

/** How long who was told to stop waits for what is under way: a sink for END, a source for a read. */
const GRACE_MS = 5000

/** Standard input and output of one run of a tool, as frames. */
export function createIo(tool: Tool, program: Program, interrupted: AbortSignal, log: Log, crc: boolean): Io {
  let print: WritePieces | undefined

  async function* frames(batchesAlive = BATCHES_ALIVE): Frames {
    if (isatty(0))
      throw new ToolError(EXIT.usage, 'standard input is a terminal', {
        hint: `frames come from a source: pmem-read-process self | ${tool.name} …`,
      })
    const input = openPipeInput(0, 'standard input')
    let stopped = false
    const stopSoon = () => {
      if (interrupted.reason !== 'SIGTERM') return
      setTimeout(() => {
        stopped = true
        input.close()
      }, GRACE_MS).unref()
    }
    if (tool.role === 'sink') onAbort(interrupted, stopSoon)
    try {
      for await (const batch of decode(input, batchesAlive)) {
        for (const [index, frame] of batch.entries()) {
          if (frame.type === 'start') batch[index] = signed(frame, program)
          // Only the decoder makes an END that did not come over the wire.
          else if (frame.type === 'end' && !frame.raw) {
            if (stopped)
              frame.body = { ...frame.body, status: 'interrupted', error: 'interrupted by SIGTERM' }
            // A sink tells it at the end, with what it kept.
            if (tool.role !== 'sink') log.error(frame.body.error ?? 'the input was cut')
          }
        }
        yield batch
      }
    } finally {
      input.close()
    }
  }

  async function send(outgoing: Frames): Promise<ExitCode> {
    let exit: ExitCode = EXIT.complete
    const writer = openWriter(crc)
    try {
      for await (const batch of outgoing) {
        for (const frame of batch)
          if (frame.type === 'end' && frame.body.status !== 'complete') exit = EXIT.incomplete
        await writer.put(batch)
      }
    } catch (error) {
      if (isClosedPipe(error)) throw error
      return failed(writer, error instanceof FrameError ? 'truncated' : 'failed', error)
    }
    await writer.drain()
    return exit
  }

  async function transmit(evidence: Frames): Promise<ExitCode> {
    const writer = openWriter(crc)
    let unreadable = false
    await writer.put([startOf(program)])
    try {
      for await (const batch of unlessStalled(evidence, interrupted)) {
        for (const frame of batch)
          if (
            (frame.type === 'fill' && frame.fill === 'unreadable') ||
            (frame.type === 'close' && frame.body.status === 'failed')
          )
            unreadable = true
        await writer.put(batch)
        if (interrupted.aborted) break
      }
    } catch (error) {
      if (isClosedPipe(error)) throw error
      return failed(writer, 'failed', error)
    }
    await writer.put(
      interrupted.aborted
        ? writer.closing('interrupted', `interrupted by ${interrupted.reason}`)
        : writer.closing('complete'),
    )
    await writer.drain()
    return unreadable ? EXIT.unreadable : EXIT.complete
  }

  return {
    interrupted,
    frames,
    send,
    transmit,
    print(text) {
      print ??= standardOutput()
      return print([Buffer.from(text, 'utf8')])
    },
  }
}

function onAbort(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act()
  else signal.addEventListener('abort', act)
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

/** Says downstream why the transmission ends. Where nobody listens any more, the failure itself still tells. */
async function failed(writer: Writer, status: Status, failure: unknown): Promise<never> {
  try {
    await writer.put(writer.closing(status, messageOf(failure)))
    await writer.drain()
  } catch {}
  throw failure
}

/** Names standard output in its failures; a closed pipe is none. */
function standardOutput(): WritePieces {
  const write = openPipeOutput(1)
  return async (pieces) => {
    try {
      await write(pieces)
    } catch (error) {
      if (isClosedPipe(error)) throw error
      throw new ToolError(EXIT.io, `standard output: ${reasonOf(error)}`, { cause: error })
    }
  }
}

type Writer = ReturnType<typeof openWriter>

/**
 * Writes batches to standard output, one behind the frames that are being made: while a batch is written,
 * the next one is read. It knows what is open, and so how to close it.
 */
function openWriter(crc: boolean) {
  if (isatty(1))
    throw new ToolError(EXIT.usage, 'standard output is a terminal, and frames are binary', {
      hint: 'pipe them into a sink, or into pmem-frames to see them',
    })
  const write = standardOutput()
  const encoder = createEncoder(crc)
  let pending: Promise<void> = Promise.resolve()
  let inside = false
  let open: { id: number; bytes: bigint } | undefined

  return {
    async put(batch: Batch): Promise<void> {
      for (const frame of batch) {
        if (frame.type === 'start') inside = true
        else if (frame.type === 'end') inside = false
        else if (frame.type === 'stream') open = { id: frame.stream, bytes: 0n }
        else if (frame.type === 'close') open = undefined
        else if (open && (frame.type === 'data' || frame.type === 'fill')) open.bytes += frame.length
      }
      const pieces = encoder.encode(batch)
      await pending
      pending = write(pieces)
      // A failure is met at the next put or at drain; until then it is not unhandled.
      pending.catch(() => {})
    },
    drain: () => pending,
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

/** START with this program added to the chain of those that handled the bytes. */
function signed(frame: Extract<Frame, { type: 'start' }>, program: Program): Frame {
  const { raw: _, ...start } = frame
  return { ...start, body: { ...frame.body, programs: [...frame.body.programs, program] } }
}

const messageOf = (error: unknown) => asToolError(error).message
