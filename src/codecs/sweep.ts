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
  gc ??= prepareSweeping()
  gc?.({ type: 'minor' })
}

function prepareSweeping(): typeof gc {
  setFlagsFromString('--expose-gc')
  // There is little to sweep: to wake other threads for it takes longer, and they free into each other's memory.
  setFlagsFromString('--no-parallel-scavenge')
  setFlagsFromString('--no-concurrent-array-buffer-sweeping')
  letMallocKeep(8 << 20)
  return runInNewContext('gc') as typeof gc
}

/**
 * What a sweep frees is taken again at once. glibc hands it back to the system all the same, unless it has seen a
 * larger block go: this one, with the first sweep, and without a page of it touched.
 */
const letMallocKeep = (bytes: number) => void Buffer.allocUnsafeSlow(bytes)
