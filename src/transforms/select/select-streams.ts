import { EXIT, ToolError } from '../../cli/exit.js'
import type {
  Batch,
  EndFrame,
  Frame,
  Frames,
  StartFrame,
  StreamBody,
  StreamFrame,
} from '../../frames/frame.js'
import { decodedBatches } from '../decoded-batches.js'
import { type Cut, cutStream, lasting, type StreamSelector, wholeStream } from './cut-stream.js'

/** What is taken of a stream: all of it, also in the place of objects that a volume has, nothing, or a part. */
export type Choice = 'everything' | { readonly replaces: string[] } | 'nothing' | Cut

export interface Selection {
  /** Names of streams; none of them means all. */
  readonly wanted: readonly string[]
  /** What is taken of a stream that is wanted. @param first it is the first one of its transmission */
  choose(body: StreamBody, first: boolean): Choice
  /** URN of a volume that lacks what is chosen. */
  readonly completes?: string
  /** Named in notes. */
  readonly program: string
}

/** Streams that a NOTE names, before the others are only counted. */
const MOST_NAMED = 20

/**
 * Passes on what is selected, and says in NOTEs what is not. A transmission of which nothing is selected is left out.
 * @throws {ToolError} data, in place of the last END: when a stream that is wanted did not come, or nothing is selected
 */
export async function* selectStreams(
  frames: Frames,
  { wanted, choose, completes, program }: Selection,
): Frames {
  const missing = new Set(wanted)
  let leftOut: string[] = []
  /** Of a transmission of which nothing is selected yet. */
  let held: Frame[] = []
  /** END waits: only the end of the input tells whether all that is wanted has come. */
  let last: EndFrame | undefined
  let current: StreamSelector | undefined
  let isFirst = true

  function send(selected: readonly Frame[], out: Batch): void {
    if (last) out.push(...noteOf(leftOut, program), last)
    if (last) leftOut = []
    last = undefined
    out.push(...held, ...selected)
    held = []
  }

  function open(frame: StreamFrame): void {
    const { name } = frame.body
    const isWanted = wanted.length === 0 || wanted.includes(name)
    const choice = isWanted ? choose(frame.body, isFirst) : 'nothing'
    missing.delete(name)
    isFirst = false
    if (choice === 'nothing') current = undefined
    else if (choice === 'everything') current = wholeStream()
    else
      current = 'replaces' in choice ? wholeStream(choice.replaces) : cutStream(frame.body, choice, program)
    if (!current) leftOut.push(name)
  }

  function begin(frame: StartFrame): void {
    const start = lasting(frame)
    held = [completes === undefined ? start : { ...start, body: { ...start.body, completes } }]
    isFirst = true
  }

  function end(frame: EndFrame, out: Batch): void {
    const begun = held.length === 0
    if (begun || frame.body.status !== 'complete') {
      if (!begun) send([], out)
      last = lasting(frame)
    }
    held = []
  }

  /** @returns how many bytes were decoded for it */
  function take(frame: Frame, out: Batch): number {
    if (frame.type === 'start') begin(frame)
    else if (frame.type === 'end') end(frame, out)
    else if (frame.stream === 0) {
      if (held.length > 0) held.push(lasting(frame))
      else out.push(frame)
    } else {
      if (frame.type === 'stream') open(frame)
      const { selected, decoded } = current?.take(frame) ?? NOTHING
      if (selected.length > 0) send(selected, out)
      if (frame.type === 'close' && current?.empty) leftOut.push(current.empty)
      return decoded
    }
    return 0
  }

  yield* decodedBatches(frames, take)
  const [name] = missing
  if (last && (last.body.status !== 'complete' || name === undefined)) {
    yield [...noteOf(leftOut, program), last]
    return
  }
  const there = leftOut.length === 0 ? {} : { hint: `there are: ${someOf(leftOut)}` }
  throw new ToolError(
    EXIT.data,
    name === undefined ? 'nothing of what came is selected' : `no stream is called ${name}`,
    there,
  )
}

const NOTHING = { selected: [], decoded: 0 }

function noteOf(leftOut: readonly string[], program: string): Frame[] {
  if (leftOut.length === 0) return []
  const body = { level: 'warning' as const, program, message: `left out: ${someOf(leftOut)}` }
  return [{ type: 'note', stream: 0, time: 0n, body }]
}

const someOf = (names: readonly string[]) =>
  names.slice(0, MOST_NAMED).join(', ') +
  (names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '')
