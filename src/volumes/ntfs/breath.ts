import { setImmediate } from 'node:timers/promises'
import { EXIT, ToolError } from '../../cli/exit.js'
import type { Context } from '../../cli/tool.js'

const REST_MS = 50
const PROGRESS_MS = 500

/** How far long work is, for people and for programs. */
export type Tell = () => { readonly line: string; readonly facts: Record<string, unknown> }

/**
 * To be called again and again in a loop of reads, which let nothing else happen: hears signals and shows progress.
 * @throws {ToolError} after a signal, out of the function that is returned
 */
export function createBreath({ io, log }: Pick<Context, 'io' | 'log'>, tell: Tell): () => Promise<void> {
  let rested = performance.now()
  let shown = rested
  return async () => {
    const now = performance.now()
    if (now - rested < REST_MS) return
    rested = now
    await setImmediate()
    if (io.interrupted.aborted)
      throw new ToolError(EXIT.incomplete, `interrupted by ${io.interrupted.reason}`)
    if (now - shown < PROGRESS_MS) return
    shown = now
    const { line, facts } = tell()
    log.progress(line, facts)
  }
}
