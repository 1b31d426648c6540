import { setTimeout as pause } from 'node:timers/promises'
import { EXIT, ToolError } from '../cli/exit.js'
import { parseSize } from '../cli/sizes.js'
import type { Tool } from '../cli/tool.js'
import type { Batch, Frame, Frames } from '../frames/frame.js'
import { HEADER_SIZE } from '../frames/header.js'

/** pmem-throttle: what flows, no faster than a rate. */
export const tool: Tool = {
  name: 'pmem-throttle',
  role: 'transform',
  usage: 'RATE',
  summary: 'pass frames on at no more than RATE bytes a second',
  options: {},
  operands: [1, 1],
  run: ({ operands, io }) => io.send(throttle(parseRate(operands[0]!))(io.frames())),
}

/** Frames leave in pieces of so much time. */
const PIECE_MS = 50
/** What a stall may be made up for: a link that stood still for an hour is not flooded after it. */
const CREDIT_MS = 1000
/** Timers of Node end at once beyond 24 days. */
const LONGEST_PAUSE_MS = 60_000

/** A clock that no administrator sets, in milliseconds. */
export interface Clock {
  now(): number
  pause(ms: number): Promise<unknown>
}

/** @throws {ToolError} usage */
function parseRate(text: string): number {
  const rate = parseSize(text)
  if (rate === 0n) throw new ToolError(EXIT.usage, `${text}: nothing would ever pass`)
  return Number(rate)
}

/**
 * Passes frames as they are; what has left since the first of them is at any time no more than `rate` allows. Bytes
 * count as they flow, compressed ones compressed, headers too. A frame leaves whole.
 * @param rate bytes a second
 */
export function throttle(
  rate: number,
  clock: Clock = { now: () => performance.now(), pause },
): (frames: Frames) => Frames {
  const pieceBytes = (rate * PIECE_MS) / 1000
  let due = clock.now()

  /** Waits until so many bytes more may leave. */
  async function until(bytes: number): Promise<void> {
    due = Math.max(due, clock.now() - CREDIT_MS) + (bytes / rate) * 1000
    for (let left = due - clock.now(); left > 0; left = due - clock.now())
      await clock.pause(Math.min(left, LONGEST_PAUSE_MS))
  }

  return async function* (frames) {
    for await (const batch of frames) {
      let piece: Batch = []
      let bytes = 0
      for (const frame of batch) {
        piece.push(frame)
        bytes += wireBytes(frame)
        if (bytes < pieceBytes) continue
        await until(bytes)
        yield piece
        piece = []
        bytes = 0
      }
      await until(bytes)
      yield piece
    }
  }
}

/** Only a few control frames are made anew on their way. */
const wireBytes = ({ raw }: Frame) => raw?.length ?? HEADER_SIZE
