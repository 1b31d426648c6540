import { createHash, type Hash } from 'node:crypto'
import type { Facts } from '../../../src/formats/image/facts.js'
import { chunkContent } from '../../../src/frames/chunk-content.js'
import type { Frame, Frames } from '../../../src/frames/frame.js'
import { gatherFacts } from '../../../src/sinks/stream-facts.js'
import { hex } from '../../sinks/pipeline.js'

/** What a transmission tells of a memory, in a form that can be compared. */
export interface Content {
  /** `0x1000-0x3000 DIGEST` of each range with bytes, zeros included. */
  readonly ranges: readonly string[]
  readonly unreadable: readonly string[]
  readonly unknown: readonly string[]
  readonly facts: Facts
}

/** Takes frames in and tells what they hold. @throws when what came is not one complete stream in order */
export async function contentOf(frames: Frames): Promise<Content> {
  const gathered = gatherFacts()
  const ranges = openRanges()
  const holes = { unreadable: openRanges(), unknown: openRanges() }
  let chunkSize: number | undefined
  let streams = 0
  let failure: string | undefined = 'no END'
  const take = (frame: Frame) => {
    if (frame.type === 'stream') {
      streams++
      chunkSize = frame.body.chunkSize
    } else if (frame.type === 'meta') gathered.meta(frame)
    else if (frame.type === 'data') ranges.add(frame.offset, chunkContent(frame, chunkSize))
    else if (frame.type === 'fill' && (frame.fill === 'unreadable' || frame.fill === 'unknown'))
      holes[frame.fill].add(frame.offset, frame.length)
    else if (frame.type === 'fill') ranges.add(frame.offset, frame.length, frame.value)
    else if (frame.type === 'close' || frame.type === 'end')
      failure = frame.body.status === 'complete' ? undefined : (frame.body.error ?? frame.body.status)
  }
  for await (const batch of frames) batch.forEach(take)
  if (failure !== undefined || streams !== 1) throw new Error(failure ?? `${streams} streams`)
  return {
    ranges: ranges.told(true),
    unreadable: holes.unreadable.told(false),
    unknown: holes.unknown.told(false),
    facts: gathered.facts,
  }
}

const ZEROS = Buffer.alloc(1 << 20)

/** Ranges that touch become one. */
function openRanges() {
  const all: { start: bigint; end: bigint; sum: Hash }[] = []
  return {
    add(offset: bigint, content: Uint8Array | bigint, value = 0): void {
      const length = typeof content === 'bigint' ? content : BigInt(content.length)
      const last = all.at(-1)
      if (last && last.end > offset) throw new Error(`out of order at ${hex(offset)}`)
      const range = last?.end === offset ? last : { start: offset, end: offset, sum: createHash('md5') }
      if (range !== last) all.push(range)
      if (typeof content !== 'bigint') range.sum.update(content)
      else
        for (let left = Number(content); left > 0; left -= ZEROS.length) {
          const piece = ZEROS.subarray(0, Math.min(left, ZEROS.length))
          range.sum.update(value === 0 ? piece : Buffer.alloc(piece.length, value))
        }
      range.end += length
    },
    told: (withDigest: boolean): string[] =>
      all.map(
        ({ start, end, sum }) => `${hex(start)}-${hex(end)}${withDigest ? ` ${sum.digest('hex')}` : ''}`,
      ),
  }
}
