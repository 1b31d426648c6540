import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Frames, StreamBody } from '../frames/frame.js'
import { announcedBytes } from '../frames/streams.js'

/** Where the imager tells what it does: lines that stay, and one that is taken back by the next. */
export interface Console {
  line(text: string): void
  state(text: string): void
}

const EVERY_MS = 250
/** Of a stream that is smaller no progress is told. */
const LEAST_TOLD = 10n << 20n

/**
 * Passes frames through and tells what they are of, in the words that the pmem suite had.
 * @param introduces tell the name of each stream, too
 */
export async function* narrate(frames: Frames, told: Console, introduces: boolean): Frames {
  let stream = createProgress({ name: '', kind: 'image' })
  for await (const batch of frames) {
    for (const frame of batch)
      if (frame.type === 'data' || frame.type === 'fill')
        stream.reached(frame.offset + frame.length, frame.length)
      else if (frame.type === 'stream') {
        if (introduces) told.line(introduction(frame.body))
        stream = createProgress(frame.body)
      } else if (frame.type === 'close') {
        if (stream.done >= LEAST_TOLD) told.line(stream.line())
      }
    if (stream.done >= LEAST_TOLD && stream.due()) told.state(stream.line())
    yield batch
  }
}

function introduction({ name, category }: StreamBody): string {
  if (category === 'memory:physical') return 'Imaging memory'
  return `Adding ${name} as ${fileUrl(name)}`
}

export const fileUrl = (name: string) => pathToFileURL(path.resolve(name)).href

/** Where in a stream the reading is: ` Reading 0xa00000  10MiB / 512MiB 266MiB/s`. */
function createProgress(body: StreamBody) {
  const total = announcedBytes(body)
  let at = 0n
  let done = 0n
  let toldAt = performance.now()
  let toldDone = 0n
  return {
    get done() {
      return done
    },
    reached(address: bigint, length: bigint): void {
      at = address
      done += length
    },
    due: () => performance.now() - toldAt >= EVERY_MS,
    line(): string {
      const now = performance.now()
      const seconds = Math.max(now - toldAt, 1) / 1000
      const rate = Number(done - toldDone) / (1 << 20) / seconds
      toldAt = now
      toldDone = done
      const whole = total > done ? total : done
      return ` Reading 0x${at.toString(16)}  ${done >> 20n}MiB / ${whole >> 20n}MiB ${Math.round(rate)}MiB/s`
    },
  }
}
