import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { max } from '../formats/min-max.js'
import type { Frames, StreamBody } from '../frames/frame.js'
import { announcedBytes } from '../frames/streams.js'
import type { Console } from './console.js'

const EVERY_MS = 250
/** Of a stream that is smaller no progress is told. */
const LEAST_TOLD = 10n << 20n

/**
 * Passes frames through and tells what they are of, in the words that the pmem suite had.
 * @param introduce what is told of a stream as it begins
 */
export async function* narrate(
  frames: Frames,
  told: Console,
  introduce: (stream: StreamBody) => string,
): Frames {
  let stream = createProgress({ name: '', kind: 'image' })
  for await (const batch of frames) {
    for (const frame of batch)
      if (frame.type === 'data' || frame.type === 'fill')
        stream.reached(frame.offset + frame.length, frame.length)
      else if (frame.type === 'stream') {
        told.line(introduce(frame.body))
        stream = createProgress(frame.body)
      } else if (frame.type === 'close') {
        if (stream.done >= LEAST_TOLD && stream.moved()) told.state(stream.line())
        told.settle()
      }
    if (stream.done >= LEAST_TOLD && stream.due()) told.state(stream.line())
    yield batch
  }
}

export function introduction({ name, category }: StreamBody): string {
  if (category === 'memory:physical') return 'Imaging memory'
  return `Adding ${name} as ${fileUrl(name)}`
}

export const extraction = (urn: string, output: string) => () =>
  `Extracting ${urn} into ${output === '-' ? 'standard output' : fileUrl(output)}`

const fileUrl = (name: string) => pathToFileURL(path.resolve(name)).href

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
    moved: () => done > toldDone,
    due: () => done > toldDone && performance.now() - toldAt >= EVERY_MS,
    line(): string {
      const now = performance.now()
      const seconds = Math.max(now - toldAt, 1) / 1000
      const rate = Number(done - toldDone) / (1 << 20) / seconds
      toldAt = now
      toldDone = done
      const whole = max(total, done)
      return ` Reading 0x${at.toString(16)}  ${done >> 20n}MiB / ${whole >> 20n}MiB ${Math.round(rate)}MiB/s`
    },
  }
}
