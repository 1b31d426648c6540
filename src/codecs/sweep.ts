import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let gc: ((options: { type: 'minor' }) => void) | undefined
let since = 0

/**
 * Tells that the codecs of this thread have given out `bytes` in buffers of their own. These lie outside the
 * heap that V8 watches: left alone it keeps 60 to 150 MB of dead ones, on every thread. Sweeping the young
 * generation every so often takes 0.1 ms a megabyte and no more memory than a few.
 */
export function sweepAfter(bytes: number): void {
  since += bytes
  if (since < 4 << 20) return
  since = 0
  if (!gc) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as typeof gc
  }
  gc?.({ type: 'minor' })
}
