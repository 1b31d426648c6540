import type { Frames } from '../frames/frame.js'
import { announcedBytes } from '../frames/streams.js'
import type { Log } from './messages.js'
import { showSize } from './sizes.js'

const EVERY_MS = 500

/** Passes frames through and tells the log how far they are. */
export const showProgress = (frames: Frames, log: Log): Frames => watch(frames, log, log.progress, EVERY_MS)

/** The same for a log that no terminal shows, in messages that stay. */
export const logProgress = (frames: Frames, log: Log, everyMs: number): Frames =>
  watch(frames, log, log.info, everyMs)

/** @param tell told also while no frames come */
async function* watch(frames: Frames, log: Log, tell: Log['progress'], everyMs: number): Frames {
  const began = performance.now()
  let name = ''
  let announced = 0n
  let ofStream = 0n
  let bytes = 0n

  function show(): void {
    if (ofStream === 0n) return
    const rate = Number(bytes) / ((performance.now() - began) / 1000)
    const share = announced > 0n ? Number((ofStream * 1000n) / announced) / 10 : undefined
    const left = share !== undefined && rate > 0 ? Number(announced - ofStream) / rate : undefined
    const whole = share === undefined ? '' : ` of ${showSize(announced)}`
    const words = `${name}: ${showSize(ofStream)}${whole}, ${showSize(rate)}/s${share === undefined ? '' : `, ${share} %`}${left === undefined ? '' : `, ${showTime(left)} left`}`
    tell(words, {
      stream: name,
      bytes: Number(ofStream),
      rate: Math.round(rate),
      percent: share,
      secondsLeft: left,
    })
  }

  const timer = setInterval(show, everyMs).unref()
  try {
    for await (const batch of frames) {
      for (const frame of batch) {
        if (frame.type === 'data' || frame.type === 'fill') {
          ofStream += frame.length
          if (frame.type === 'data') bytes += frame.length
        } else if (frame.type === 'stream') {
          name = frame.body.name
          ofStream = 0n
          announced = announcedBytes(frame.body)
        }
      }
      yield batch
    }
  } finally {
    clearInterval(timer)
    log.clearProgress()
  }
}

function showTime(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes}:${String(whole % 60).padStart(2, '0')}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`
}
