import { setImmediate } from 'node:timers/promises'
import { EXIT, ToolError } from '../cli/exit.js'

const REST_MS = 50

/**
 * To be called again and again in a loop of reads, which lets nothing else happen: signals are heard.
 * @throws {ToolError} after one, out of the function that is returned
 */
export function createRest(interrupted: AbortSignal): () => Promise<void> {
  let rested = performance.now()
  return async () => {
    if (performance.now() - rested < REST_MS) return
    await setImmediate()
    rested = performance.now()
    if (interrupted.aborted) throw new ToolError(EXIT.incomplete, `interrupted by ${interrupted.reason}`)
  }
}
