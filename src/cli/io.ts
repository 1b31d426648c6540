import fs from 'node:fs'
import { isatty } from 'node:tty'
import { BATCHES_ALIVE, decode } from '../frames/decode.js'
import { createEncoder } from '../frames/encode.js'
import type { Batch, Frame, Frames, Program } from '../frames/frame.js'
import { openPipeInput } from '../frames/pipe-input.js'
import { openPipeOutput, type WritePieces } from '../frames/pipe-output.js'
import { EXIT, type ExitCode, ToolError } from './exit.js'
import { isClosedPipe, reasonOf } from './failure.js'
import { GRACE_MS, type Labelled, relay, transmission } from './labelled.js'
import type { Log } from './messages.js'
import { isSameFile } from './same-file.js'
import { onAbort, type Signals } from './signals.js'
import type { Io, Tool } from './tool.js'

/** Standard input and output of one run of a tool, as frames. */
export function createIo(
  tool: Tool,
  program: Program,
  { interrupted, ended }: Pick<Signals, 'interrupted' | 'ended'>,
  log: Log,
  crc: boolean,
): Io {
  let print: WritePieces | undefined
  const stdout = fs.fstatSync(1, { bigint: true })

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

  /** Writes what is labelled to standard output, one behind the frames that are being made. */
  async function write({ frames, failure, exit }: Labelled): Promise<ExitCode> {
    const writer = openWriter(crc)
    try {
      for await (const batch of frames) await writer.put(batch)
    } catch (error) {
      // Where nobody listens any more, the failure itself still tells.
      await writer.drain().catch(() => {})
      throw failure() ?? error
    }
    await writer.drain()
    return exit()
  }

  return {
    interrupted,
    ended,
    batchesAlive: BATCHES_ALIVE,
    frames,
    send: (outgoing) => write(relay(outgoing)),
    transmit: (evidence) => write(transmission(evidence, program, interrupted)),
    isOutput: (file) => stdout.isFile() && isSameFile(stdout, file),
    print(text) {
      print ??= standardOutput()
      return print([Buffer.from(text, 'utf8')])
    },
  }
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

/**
 * Writes batches to standard output, one behind the frames that are being made: while a batch is written,
 * the next one is read.
 */
function openWriter(crc: boolean) {
  if (isatty(1))
    throw new ToolError(EXIT.usage, 'standard output is a terminal, and frames are binary', {
      hint: 'pipe them into a sink, or into pmem-frames to see them',
    })
  const write = standardOutput()
  const encoder = createEncoder(crc)
  let pending: Promise<void> = Promise.resolve()
  return {
    async put(batch: Batch): Promise<void> {
      const pieces = encoder.encode(batch)
      await pending
      pending = write(pieces)
      // A failure is met at the next put or at drain; until then it is not unhandled.
      pending.catch(() => {})
    },
    drain: () => pending,
  }
}

/** START with this program added to the chain of those that handled the bytes. */
function signed(frame: Extract<Frame, { type: 'start' }>, program: Program): Frame {
  const { raw: _, ...start } = frame
  return { ...start, body: { ...frame.body, programs: [...frame.body.programs, program] } }
}
