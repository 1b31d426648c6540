import type { Frames } from '../frames/frame.js'
import { announcedRuns } from '../frames/streams.js'
import type { Log } from './messages.js'
import { showSize } from './sizes.js'

const EVERY_MS = 500

/** Passes frames through and tells the log how far they are. */
export async function* showProgress(frames: Frames, log: Log): Frames {
  const began = performance.now()
  let shown = began
  let name = ''
  let announced = 0n
  let ofStream = 0n
  let bytes = 0n
  for await (const batch of frames) {
    for (const frame of batch) {
      if (frame.type === 'data' || frame.type === 'fill') {
        ofStream += frame.length
        if (frame.type === 'data') bytes += frame.length
      } else if (frame.type === 'stream') {
        name = frame.body.name
        ofStream = 0n
        announced = (announcedRuns(frame.body) ?? []).reduce((sum, { length }) => sum + length, 0n)
      }
    }
    const now = performance.now()
    if (now - shown >= EVERY_MS) {
      shown = now
      const seconds = (now - began) / 1000
      const rate = Number(bytes) / seconds
      const share = announced > 0n ? Number((ofStream * 1000n) / announced) / 10 : undefined
      const left = share !== undefined && rate > 0 ? Number(announced - ofStream) / rate : undefined
      log.progress(
        `${name}: ${showSize(ofStream)}, ${showSize(rate)}/s${share === undefined ? '' : `, ${share} %`}${left === undefined ? '' : `, ${showTime(left)} left`}`,
        { stream: name, bytes: Number(ofStream), rate: Math.round(rate), percent: share, secondsLeft: left },
      )
    }
    yield batch
  }
  log.clearProgress()
}

function showTime(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes}:${String(whole % 60).padStart(2, '0')}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`
}
