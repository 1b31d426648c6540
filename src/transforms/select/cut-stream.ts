import { endOfRuns, mergeRuns, type Run, subtractRuns } from '../../formats/address-space.js'
import { formatAddress } from '../../frames/address.js'
import { chunkContent } from '../../frames/chunk-content.js'
import type { CloseFrame, DataFrame, FillFrame, Frame, NoteBody, StreamBody } from '../../frames/frame.js'
import { announcedRuns } from '../../frames/streams.js'

/** A part of a stream. */
export interface Cut {
  /** What goes on: in order, not touching. */
  readonly keep: readonly Run[]
  /** What becomes of the rest: the addresses are absent, or they were never tried. */
  readonly rest: 'absent' | 'unknown'
  /** What is cut away is in a volume already, as these objects. */
  readonly completes?: string[]
  /** How many bytes of it are there. */
  readonly held?: bigint
}

/** Takes the frames of one stream, STREAM first, and gives those that go on. */
export interface StreamSelector {
  take(frame: Frame): { readonly selected: readonly Frame[]; readonly decoded: number }
  /** After CLOSE, the name of a stream of which nothing went on. */
  readonly empty: string | undefined
}

/** All frames as they come. @param completes objects of a volume in whose place the stream comes */
export const wholeStream = (completes?: string[]): StreamSelector => ({
  take(frame) {
    const selected =
      completes && frame.type === 'stream' ? { ...lasting(frame), body: { ...frame.body, completes } } : frame
    return { selected: [selected], decoded: 0 }
  },
  empty: undefined,
})

/** A frame without the view in which it came, which does not last. */
export function lasting<T extends Frame>(frame: T): T {
  const { raw: _, ...rest } = frame
  return rest as T
}

/** Ranges that a NOTE names. */
const MOST_NAMED = 20

/**
 * The frames of a stream that lie in ranges, those at their borders cut. Digests, which are of the whole, are dropped. STREAM
 * waits for the first byte where it does not say ahead what will come.
 * @returns undefined where it is known ahead that nothing would go on
 */
export function cutStream(
  body: StreamBody,
  { keep, rest, completes, held }: Cut,
  program: string,
): StreamSelector | undefined {
  const announced = announcedRuns(body)
  const selected = announced && intersect(announced, keep)
  if (selected?.length === 0 && !completes) return undefined
  if (announced && !completes && [...subtractRuns(announced, keep)].length === 0) return wholeStream()
  const opening: Frame[] = []
  let opened = false
  let covered = 0n
  let left: FillFrame | undefined
  let decoded = 0

  /** Ends a range that was left out. */
  function endRest(): Frame[] {
    const frames = left ? [left] : []
    covered += left?.length ?? 0n
    left = undefined
    return frames
  }

  function leaveOut(frame: DataFrame | FillFrame, { start, length }: Run): Frame[] {
    if (rest === 'absent') return []
    if (left && left.offset + left.length === start) {
      left = { ...left, length: left.length + length }
      return []
    }
    const before = endRest()
    left = { type: 'fill', stream: frame.stream, time: 0n, offset: start, length, fill: 'unknown' }
    return before
  }

  function pieces(frame: DataFrame | FillFrame): Frame[] {
    const { offset: start, length } = frame
    const outside = [...subtractRuns([{ start, length }], keep)]
    if (outside.length === 0) return goOn(frame)
    const inside = [...subtractRuns([{ start, length }], outside)]
    if (inside.length > 0 && frame.type === 'data' && frame.codec !== 'none') decoded += Number(length)
    const cut = inside.length > 0 ? cutter(frame, body.chunkSize) : () => frame
    const parts = [
      ...outside.map((run) => ({ run, out: true })),
      ...inside.map((run) => ({ run, out: false })),
    ].sort((a, b) => (a.run.start < b.run.start ? -1 : 1))
    return parts.flatMap(({ run, out }) => (out ? leaveOut(frame, run) : goOn(cut(run))))
  }

  function goOn(frame: DataFrame | FillFrame): Frame[] {
    const frames = [...(opened ? [] : opening), ...endRest(), frame]
    opened = true
    covered += frame.length
    return frames
  }

  function selectedOf(frame: Frame): readonly Frame[] {
    switch (frame.type) {
      case 'stream': {
        const stream = lasting(frame)
        if (completes)
          opening.push({
            ...stream,
            body: { ...body, completes, ...(held !== undefined && { held: formatAddress(held) }) },
          })
        else
          opening.push(
            { ...stream, body: rest === 'unknown' ? body : narrowed(body, selected) },
            { type: 'note', stream: frame.stream, time: 0n, body: noteOf(keep, program) },
          )
        opened = selected !== undefined || completes !== undefined
        return opened ? opening : []
      }
      case 'data':
      case 'fill':
        return pieces(frame)
      case 'digest':
        return []
      case 'close':
        return opened ? [...endRest(), closed(frame)] : []
      default:
        if (!opened) opening.push(lasting(frame))
        return opened ? [frame] : []
    }
  }

  function closed(frame: CloseFrame): Frame {
    return { ...lasting(frame), body: { ...frame.body, bytes: Number(covered) } }
  }

  return {
    take(frame) {
      decoded = 0
      const frames = selectedOf(frame)
      return { selected: frames, decoded }
    },
    get empty() {
      return opened ? undefined : body.name
    },
  }
}

/** What both cover. */
const intersect = (runs: readonly Run[], others: readonly Run[]): Run[] => [
  ...subtractRuns(runs, mergeRuns(subtractRuns(runs, others))),
]

/** A frame at parts of what it covers; its bytes are decoded once. */
function cutter(frame: DataFrame | FillFrame, chunkSize: number | undefined) {
  const { raw: _, ...whole } = frame
  if (whole.type === 'fill')
    return ({ start, length }: Run): FillFrame => ({ ...whole, offset: start, length })
  const { crc: __, ...data } = whole
  const content = chunkContent(whole, chunkSize)
  return ({ start, length }: Run): DataFrame => {
    const from = Number(start - data.offset)
    const payload = content.subarray(from, from + Number(length))
    return { ...data, offset: start, length, codec: 'none', padded: false, payload }
  }
}

/** STREAM of a map that ends where its ranges do. */
function narrowed(
  { size: _, ranges: __, ...body }: StreamBody,
  selected: readonly Run[] | undefined,
): StreamBody {
  if (!selected) return body as StreamBody
  return {
    ...body,
    size: formatAddress(endOfRuns(selected)),
    ranges: selected.map(({ start, length }) => [formatAddress(start), formatAddress(length)]),
  }
}

function noteOf(keep: readonly Run[], program: string): NoteBody {
  const ranges = keep
    .slice(0, MOST_NAMED)
    .map(({ start, length }) => `${formatAddress(start)}-${formatAddress(start + length)}`)
  const more = keep.length > MOST_NAMED ? ` and ${keep.length - MOST_NAMED} more ranges` : ''
  return {
    level: 'warning',
    program,
    message: `only ${ranges.join(', ')}${more} of it: the rest was left out`,
  }
}
